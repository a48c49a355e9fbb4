//! A process that has no map reads the stored one, and no seat.

use super::{Scene, assert_outcomes};
use crate::support::eventually;
use crate::support::redis::Redis;
use diesel_async::SimpleAsyncConnection;

const MARK: (i64, &str) = (1_000, "BLOCKED");

fn is_marked(shown: &[(i64, String)]) -> bool {
    shown[0] == (MARK.0, MARK.1.to_owned())
}

/// What is shown comes from there: a mark in it, which no seat has ever had, is shown.
/// And it is only shown: whoever goes by the database gets the seat.
#[tokio::test]
async fn a_cold_process_reads_one_key_and_no_seat() {
    let scene = Scene::with_a_warm_map().await;
    let (key, stored) = scene.stored().await;
    scene
        .redis
        .set(&key, &stored.with_a_mark().to_bytes())
        .await;
    let cold = scene.replica().await;
    assert!(is_marked(&scene.shown(&cold).await));
    assert_outcomes(&cold, &[("hit", 1.0)]).await;
    // Once: from then on the map is in memory.
    assert!(is_marked(&scene.shown(&cold).await));
    assert_outcomes(&cold, &[("hit", 1.0)]).await;

    let mut believed = scene.event.seats[0].clone();
    believed.version = 1_000;
    let visitor = cold.visitor();
    let lost = visitor.hold(&scene.event.id, &[believed]).await;
    assert_eq!(lost.data()["__typename"], "SeatConflict");
    let held = visitor.hold(&scene.event.id, &scene.event.seats[..1]).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    cold.stop().await;
}

#[tokio::test]
async fn a_cold_process_catches_up_with_what_came_after() {
    let scene = Scene::with_a_warm_map().await;
    let (key, stored) = scene.stored().await;
    scene.house.block("seat_no BETWEEN 3 AND 9").await;
    scene
        .house
        .buyer("anna")
        .hold(&scene.event.id, &scene.event.seats[20..24])
        .await;
    assert_eq!(stored, scene.stored().await.1, "nobody has stored it again");
    let cold = scene.replica().await;
    scene.shows_the_truth(&cold).await;
    assert_outcomes(&cold, &[("hit", 1.0)]).await;
    // And stores it in turn, with what it has caught up with.
    eventually("a newer map is stored", async || {
        let (_, newer) = scene.stored().await;
        (newer.transaction > stored.transaction && newer.states[3].0 == 2).then_some(())
    })
    .await;
    assert_eq!(scene.redis.keys().await, [key]);
    cold.stop().await;
}

/// The feed stands still while a transaction before the buyer's is open: the follower
/// does not come to the buyer's change, which is shown all the same.
#[tokio::test]
async fn a_buyer_sees_what_the_same_process_has_just_done() {
    let scene = Scene::with_a_warm_map().await;
    let cold = scene.replica().await;
    let mut open = scene.house.sql().await;
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()")
        .await
        .unwrap();
    let held = cold
        .visitor()
        .hold(&scene.event.id, &scene.event.seats[..2])
        .await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    let shown = scene.shown(&cold).await;
    open.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(shown[0], (2, "HELD".to_owned()));
    assert_outcomes(&cold, &[("hit", 1.0)]).await;
    cold.stop().await;
}

/// Another process may have come further: what it has stored is newer than what this one
/// has read of the feed.
#[tokio::test]
async fn a_map_of_a_process_that_is_ahead_is_right() {
    let scene = Scene::with_a_warm_map().await;
    let (key, _) = scene.stored().await;
    let behind = scene.replica().await;
    let mut open = scene.house.sql().await;
    // Whoever starts now begins before this, and reads no further until it ends.
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()")
        .await
        .unwrap();
    scene.house.block("seat_no < 5").await;
    let (_, mut ahead) = scene.stored().await;
    ahead.states[..5].fill((2, super::stored::BLOCKED));
    ahead.transaction = next_transaction(&scene).await - 1;
    ahead.change = i64::MAX;
    scene.redis.set(&key, &ahead.to_bytes()).await;
    let shown = scene.shown(&behind).await;
    let truth = scene.truth().await;
    open.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(shown, truth);
    // The same changes come through the feed now, and others after them.
    scene.house.block("seat_no = 7").await;
    scene.shows_the_truth(&behind).await;
    assert_outcomes(&behind, &[("hit", 1.0)]).await;
    behind.stop().await;
}

/// The number that the next transaction gets.
async fn next_transaction(scene: &Scene) -> u64 {
    use diesel::sql_types::BigInt;
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Next {
        #[diesel(sql_type = BigInt)]
        next: i64,
    }
    let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next";
    let mut sql = scene.house.sql().await;
    let next: Next = diesel::sql_query(next).get_result(&mut sql).await.unwrap();
    next.next.cast_unsigned()
}

/// What lies between is pruned: the map would lack it.
#[tokio::test]
async fn a_map_of_before_the_horizon_is_not_used() {
    let scene = Scene::with_a_warm_map().await;
    let (key, stored) = scene.stored().await;
    scene.house.block("seat_no < 5").await;
    let prune = "WITH gone AS (DELETE FROM seat_changes RETURNING transaction_id) \
         UPDATE feed SET horizon = (SELECT max(transaction_id::text::bigint) + 1 FROM gone)::text::xid8, \
           horizon_of = NULL";
    let mut sql = scene.house.sql().await;
    sql.batch_execute(prune).await.unwrap();
    // Of this feed, as the pruner says it.
    let epoch = stored.epoch;
    sql.batch_execute(&format!("UPDATE feed SET horizon_of = {epoch}"))
        .await
        .unwrap();
    scene
        .redis
        .set(&key, &stored.with_a_mark().to_bytes())
        .await;
    let cold = scene.replica().await;
    scene.shows_the_truth(&cold).await;
    assert_outcomes(&cold, &[("stale", 1.0)]).await;
    cold.stop().await;
}

/// More has changed since than there are seats, and than is read in any case.
#[tokio::test]
async fn a_map_that_too_much_has_changed_since_is_not_used() {
    let scene = Scene::with_a_warm_map().await;
    let (key, stored) = scene.stored().await;
    let again_and_again = "DO $$ BEGIN FOR step IN 1..11 LOOP \
         UPDATE seats SET status = 'BLOCKED', version = version + 1, cause = 'BLOCKED'; \
         UPDATE seats SET status = 'AVAILABLE', version = version + 1, cause = 'UNBLOCKED'; \
       END LOOP; END $$";
    let mut sql = scene.house.sql().await;
    sql.batch_execute(again_and_again).await.unwrap();
    scene
        .redis
        .set(&key, &stored.with_a_mark().to_bytes())
        .await;
    let cold = scene.replica().await;
    scene.shows_the_truth(&cold).await;
    assert_outcomes(&cold, &[("stale", 1.0)]).await;
    cold.stop().await;
}

#[tokio::test]
async fn keys_begin_as_they_are_told_to() {
    let scene = Scene::new().await;
    let redis = Redis::start().await;
    let flags = ["--redis-prefix", "blue", "--redis-url", &redis.url];
    let server = scene.replica_with(&flags).await;
    scene.shows_the_truth(&server).await;
    let keys = eventually("the map is stored", async || {
        let keys = redis.keys().await;
        (!keys.is_empty()).then_some(keys)
    })
    .await;
    assert!(keys[0].starts_with("blue:map:"), "{keys:?}");
    assert_eq!(scene.redis.keys().await, [] as [String; 0]);
    server.stop().await;
}
