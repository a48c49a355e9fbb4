//! The pruner at work: it prunes by itself, says so, and one at a time.

use super::{age, change_all, prune_some, retention, settle};
use crate::support::lock::Lock;
use crate::support::program::Server;
use crate::support::{House, checks, eventually};
use futures_util::future::join_all;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_prunes_what_is_too_old_and_says_how_much() {
    let house = House::open().await;
    house.event(1, 3).await;
    let mut sql = house.sql().await;
    change_all(&mut sql).await;
    age(&house, "8 days", "true").await;
    change_all(&mut sql).await;
    settle(&house).await;
    let mut server = Server::beside(&house, &["--history-retention", "7days"]).await;
    let line = server
        .logged(|line| line.contains("changes of seats"))
        .await;
    assert!(line.contains("old changes of seats were pruned"), "{line}");
    assert!(line.contains("changes=3"), "{line}");
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 3);
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("\nusher_feed_changes_pruned_total 3\n"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_prunes_at_a_time_and_the_others_do_not_wait() {
    let house = House::open().await;
    house.event(1, 4).await;
    change_all(&mut house.sql().await).await;
    age(&house, "401 days", "true").await;
    settle(&house).await;
    let somebody = "BEGIN; \
         SELECT pg_advisory_xact_lock(hashtextextended('prune the feed', 0))";
    let lock = Lock::by(&house.database_url, somebody).await;
    assert_eq!(prune_some(&house, &retention()).await, 0);
    lock.let_go().await;
    assert_eq!(prune_some(&house, &retention()).await, 4);
}

/// Whoever prunes, each change goes once, and readers see the horizon behind it.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_prune_at_once_prune_everything_once() {
    let house = House::open().await;
    house.event(10, 100).await;
    let mut sql = house.sql().await;
    for _ in 0..12 {
        change_all(&mut sql).await;
    }
    age(&house, "401 days", "true").await;
    settle(&house).await;
    let pruned = join_all((0..4).map(|_| async {
        let mut sql = house.sql().await;
        let mut pruned = 0;
        eventually("nothing is left", async || {
            pruned += prune_some(&house, &retention()).await;
            (checks::count(&mut sql, "seat_changes").await == 0).then_some(())
        })
        .await;
        pruned
    }))
    .await;
    assert_eq!(pruned.iter().sum::<usize>(), 12_000, "{pruned:?}");
}
