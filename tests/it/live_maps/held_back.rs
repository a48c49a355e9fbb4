//! A transaction that does not end holds the feed back: nobody is told anything wrong,
//! whoever insists on newer things is told that they cannot be had yet, and the log says
//! whose fault it is. On a PostgreSQL of its own, because all feeds of one wait.

use crate::live_maps::chaos;
use crate::live_maps::cluster::PrivateCluster;
use crate::live_maps::overlap::flip;
use crate::support::actor::Actor;
use crate::support::{Answer, eventually};
use diesel::QueryableByName;
use diesel::sql_types::Integer;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use usher::model::Role;
use usher::model::global_id::GlobalId;

/// How long one transaction is waited for before the log says so.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the log says no more of whoever is waited for.
const NAMED_EVERY: Duration = Duration::from_secs(10);

#[derive(QueryableByName)]
struct Process {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

async fn map(caller: &Actor, event: &str, at_least: &Value) -> Answer {
    let query = "query($id: ID!, $cursor: Cursor) { \
        event(id: $id) { seatMap(atLeast: $cursor) { seats { version } } } }";
    let variables = json!({"id": event, "cursor": at_least});
    caller.ask(query, variables).await
}

fn versions(answer: &Answer) -> [i64; 2] {
    let seats = &answer.data()["event"]["seatMap"]["seats"];
    [0, 1].map(|seat: usize| seats[seat]["version"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_insists_is_told_not_yet_and_the_log_names_who_is_waited_for() {
    let mut cluster = PrivateCluster::start(0).await;
    cluster.add(&[]).await;
    let event = chaos::open_sale(&cluster).await;
    let id = GlobalId::Event(event).to_string();
    let server = cluster.newest();
    let token = PrivateCluster::token("tess", Role::Staff);
    let (visitor, staff) = (server.visitor(), server.bearer(&token));
    let seats = visitor.seats(&id).await;
    let mut holder = cluster.sql().await;
    let begin = "SET application_name = 'the slow report'; BEGIN";
    holder.batch_execute(begin).await.unwrap();
    flip(&mut holder, event.0, 0).await.unwrap();
    let process: Process = diesel::sql_query("SELECT pg_backend_pid() AS pid")
        .get_result(&mut holder)
        .await
        .unwrap();

    let blocked = staff.block(&id, &seats[1..2]).await;
    let cursor = blocked.data()["cursor"].clone();
    let began = Instant::now();
    let insisting = async {
        let answer = map(&visitor, &id, &cursor).await;
        assert_eq!(answer.error_code(), "CURSOR_NOT_REACHED", "{}", answer.0);
        assert!(
            began.elapsed() >= Duration::from_secs(2),
            "it was waited for"
        );
    };
    let asking = async {
        // It waits a little for what it has done itself, and then says what it may.
        assert_eq!(versions(&map(&visitor, &id, &Value::Null).await), [1, 1]);
        assert!(began.elapsed() >= Duration::from_millis(100));
    };
    let naming = async {
        let line = eventually("the log names the holder", async || {
            let log = server.log();
            log.into_iter()
                .find(|line| line.contains("holds the change feed back"))
        })
        .await;
        assert!(line.contains("WARN"), "{line}");
        assert!(line.contains(&format!("pid={}", process.pid)), "{line}");
        assert!(
            line.contains("application_name=\"the slow report\""),
            "{line}"
        );
        let held_back = server.sample("usher_feed_held_back_seconds").await;
        assert!(held_back >= 1.0, "{held_back}");
    };
    tokio::join!(insisting, asking, naming);

    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(versions(&map(&visitor, &id, &cursor).await), [2, 2]);
    eventually("nothing is held back any more", async || {
        let held_back = server.sample("usher_feed_held_back_seconds").await;
        (held_back < 0.001).then_some(())
    })
    .await;
    let named = server.log();
    let named = named
        .iter()
        .filter(|line| line.contains("holds the change feed back"));
    let most = 1 + began.elapsed().as_secs() / NAMED_EVERY.as_secs();
    let count = u64::try_from(named.count()).unwrap();
    assert!(
        (1..=most).contains(&count),
        "{count}, and not again and again"
    );
    drop(holder);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_transactions_are_not_taken_for_one_that_does_not_end() {
    let mut cluster = PrivateCluster::start(0).await;
    cluster.add(&[]).await;
    let event = chaos::open_sale(&cluster).await;
    let server = cluster.newest();
    let token = PrivateCluster::token("tess", Role::Staff);
    let (visitor, staff) = (server.visitor(), server.bearer(&token));
    let id = GlobalId::Event(event).to_string();
    let seats = visitor.seats(&id).await;
    let (mut old, mut new) = (cluster.sql().await, cluster.sql().await);
    let mut other = cluster.sql().await;
    let mut places = [0, 1];
    let start = Instant::now();
    let mut began = start;
    old.batch_execute("BEGIN").await.unwrap();
    flip(&mut old, event.0, places[0]).await.unwrap();
    // usher is told that there is something to read, and looks until it may be read.
    staff.block(&id, &seats[3..4]).await.data();

    // The next one begins before the last one ends, and a change always lies behind both.
    let (mut long, mut longest) = (0, Duration::ZERO);
    while start.elapsed() < 2 * PATIENCE {
        let next_began = Instant::now();
        new.batch_execute("BEGIN").await.unwrap();
        flip(&mut new, event.0, places[1]).await.unwrap();
        flip(&mut other, event.0, 2).await.unwrap();
        old.batch_execute("COMMIT").await.unwrap();
        long += usize::from(began.elapsed() >= PATIENCE);
        longest = longest.max(began.elapsed());
        began = next_began;
        std::mem::swap(&mut old, &mut new);
        places.reverse();
    }

    let held_back = eventually("the last one is waited for", async || {
        let held_back = server.sample("usher_feed_held_back_seconds").await;
        (held_back > 0.0).then_some(held_back)
    })
    .await;
    // What it says may be a moment old.
    let at_most = (longest.max(began.elapsed()) + PATIENCE / 2).as_secs_f64();
    assert!(held_back < at_most, "{held_back} of {at_most}");
    long += usize::from(began.elapsed() >= PATIENCE);
    let log = server.log();
    let named = log
        .iter()
        .filter(|line| line.contains("holds the change feed back"));
    assert!(named.count() <= long, "{log:?}");
    old.batch_execute("COMMIT").await.unwrap();
    drop((old, new, other));
    cluster.stop().await;
}
