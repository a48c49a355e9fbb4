//! How long changes of seats are kept, and what that means for who comes back with a
//! cursor: nothing is ever missed, and nobody is sent a whole map without need.

mod copies;
mod limits;
mod pruner;
mod races;

use crate::support::cluster::connect;
use crate::support::watcher::Watcher;
use crate::support::{Event, House, PATIENCE, checks, eventually};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use std::time::Duration;
use usher::config::RetentionSettings;
use usher::domain::prune_changes::prune_some_changes;

const NOTHING: [usize; 0] = [];

/// Locks of those who prune this database.
const BEING_PRUNED: &str = "pg_locks \
    WHERE locktype = 'advisory' \
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      AND classid::bigint << 32 | objid::bigint = hashtextextended('prune the feed', 0)";

/// Makes the changes that the condition picks older than they are.
async fn age(house: &House, by: &str, changes: &str) {
    age_in(&house.database_url, by, changes).await;
}

/// The same, in this database.
async fn age_in(database_url: &str, by: &str, changes: &str) {
    // The feed's triggers refuse it to everybody else.
    let age = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; \
         UPDATE seat_changes SET changed_at = changed_at - interval '{by}' WHERE {changes}; \
         COMMIT"
    );
    let mut sql = connect(database_url).await;
    sql.batch_execute(&age).await.unwrap();
}

/// Waits until all that was done up to now has ended: other tests, too, may hold back
/// the feed, and with it the cursors that are given out. Every server looks for what there is
/// to prune when it starts, and whoever prunes meanwhile is turned away.
async fn settle(house: &House) {
    let mut sql = house.sql().await;
    let held_back = "seat_changes \
                     WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot())";
    eventually("every change is in the feed", async || {
        (checks::count(&mut sql, held_back).await == 0).then_some(())
    })
    .await;
    eventually("nobody prunes", async || {
        (checks::count(&mut sql, BEING_PRUNED).await == 0).then_some(())
    })
    .await;
}

/// Ends a server. Its pruner may be at it still in PostgreSQL, for as long as its last
/// statement takes.
async fn stop(replica: House, watcher: Watcher) {
    // It would have to be told of the end, and to answer.
    drop(watcher);
    replica.running.stop(PATIENCE).await;
}

/// Prunes one batch; answers how many changes that were.
async fn prune_some(house: &House, retention: &RetentionSettings) -> usize {
    let mut connection = house.running.services.database.connection().await.unwrap();
    let pruned = prune_some_changes(&mut connection, retention).await;
    pruned.unwrap()
}

/// Prunes until nothing is left to prune; answers the size of each batch.
async fn prune(house: &House, retention: &RetentionSettings) -> Vec<usize> {
    settle(house).await;
    let mut batches = Vec::new();
    loop {
        match prune_some(house, retention).await {
            0 => return batches,
            some => batches.push(some),
        }
    }
}

/// Moves every seat of all events one version on, by hand.
async fn change_all(sql: &mut AsyncPgConnection) {
    sql.batch_execute(
        "UPDATE seats SET version = version + 1, \
         status = CASE status WHEN 'BLOCKED' THEN 'AVAILABLE' ELSE 'BLOCKED' END, \
         cause = CASE status WHEN 'BLOCKED' THEN 'UNBLOCKED' ELSE 'BLOCKED' END",
    )
    .await
    .unwrap();
}

/// A cursor of the map as it is.
async fn cursor(house: &House, event: &Event) -> String {
    settle(house).await;
    // Nobody tells a server of what is changed by hand; one that starts finds it.
    let replica = house.replica().await;
    let mut watcher = Watcher::new(&replica, &event.id, None).await;
    watcher.next().await;
    let cursor = watcher.cursor.clone();
    stop(replica, watcher).await;
    cursor.unwrap()
}

/// What a watcher is told first who comes back with this cursor: why a whole map, or
/// that it is a delta.
async fn answer_to(house: &House, event: &Event, cursor: &str) -> String {
    // A server that has nothing in memory.
    let replica = house.replica().await;
    let mut watcher = Watcher::new(&replica, &event.id, Some(cursor)).await;
    let first = watcher.next().await;
    stop(replica, watcher).await;
    let reason = first["reason"].as_str();
    reason.unwrap_or("a delta").to_owned()
}

/// As the server's by default.
fn retention() -> RetentionSettings {
    RetentionSettings {
        resume_window: Duration::from_hours(24),
        history_retention: Duration::from_hours(400 * 24),
        history_changes: None,
    }
}

/// As the server's, with this bound on the number of changes.
fn at_most(count: i64) -> RetentionSettings {
    RetentionSettings {
        history_changes: Some(count),
        ..retention()
    }
}
