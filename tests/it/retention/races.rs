//! A watcher that comes back while the changes it asks for are pruned.

use super::{age, change_all, retention, settle};
use crate::support::lock::Lock;
use crate::support::{House, checks};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use usher::db::changes::{self, Position};
use usher::db::feed_state::{self, FeedState};
use usher::db::transaction_id::TransactionId;
use usher::domain::prune_changes::prune_some_changes;
use usher::model::ids::EventId;

const EVENT: EventId = EventId(1);

/// A house with two changes after the position, which are old enough to go.
async fn with_old_changes() -> (House, FeedState) {
    let house = House::open().await;
    house.event(1, 2).await;
    let mut sql = house.sql().await;
    settle(&house).await;
    let position = feed_state::read(&mut sql).await.unwrap();
    change_all(&mut sql).await;
    age(&house, "401 days", "true").await;
    settle(&house).await;
    (house, position)
}

async fn prune_in(connection: &mut AsyncPgConnection) {
    let pruned = prune_some_changes(connection, &retention()).await;
    assert_eq!(pruned.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_is_answered_until_it_is_pruned() {
    let (house, position) = with_old_changes().await;
    let mut sql = house.sql().await;
    let now = feed_state::read(&mut sql).await.unwrap();
    let up_to = Position::before(now.horizon);
    let changed = async |sql: &mut AsyncPgConnection, transaction| {
        changes::seats_changed_after(sql, EVENT, Position::before(transaction), up_to)
            .await
            .unwrap()
    };
    let mut seats = changed(&mut sql, position.horizon).await.unwrap();
    seats.sort_unstable();
    assert_eq!(seats, [0, 1]);
    assert_eq!(changed(&mut sql, now.horizon).await, Some(vec![]));
    let (other, start) = (EventId(2), Position::before(position.horizon));
    let none = changes::seats_changed_after(&mut sql, other, start, up_to);
    assert_eq!(none.await.unwrap(), Some(vec![]));
    // The position of a change that is read up to in the middle of its transaction.
    let first = changes::page(&mut sql, start, now.horizon, 1)
        .await
        .unwrap()[0];
    let rest = changes::seats_changed_after(&mut sql, EVENT, first.position(), up_to).await;
    assert_eq!(rest.unwrap(), Some(vec![1]));
    let before_it = changes::seats_changed_after(
        &mut sql,
        EVENT,
        start,
        Position::before(first.transaction_id),
    );
    assert_eq!(before_it.await.unwrap(), Some(vec![]));

    prune_in(&mut sql).await;
    assert_eq!(changed(&mut sql, position.horizon).await, None);
    assert_eq!(changed(&mut sql, first.transaction_id).await, None);
    let next = TransactionId(first.transaction_id.0 + 1);
    assert_eq!(changed(&mut sql, next).await, Some(vec![]));
}

/// The reader comes to the changes when the pruner has begun, and reads when it is done.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_across_what_is_pruned_meanwhile() {
    let (house, position) = with_old_changes().await;
    let mut reader = house.sql().await;
    let now = feed_state::read(&mut reader).await.unwrap();
    let mut lock = Lock::by(
        &house.database_url,
        "BEGIN; LOCK TABLE seat_changes IN ACCESS EXCLUSIVE MODE",
    )
    .await;
    let reading = tokio::spawn(async move {
        let from = Position::before(position.horizon);
        changes::seats_changed_after(&mut reader, EVENT, from, Position::before(now.horizon)).await
    });
    lock.is_wanted_by(1).await;
    prune_in(lock.connection()).await;
    assert_eq!(reading.await.unwrap().unwrap(), None);
}

/// The negative control: whoever asks for the horizon first and reads then is told that
/// the feed is whole, and misses two changes.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_order_does_miss_what_is_pruned_meanwhile() {
    let (house, position) = with_old_changes().await;
    let mut reader = house.sql().await;
    let state = feed_state::read(&mut reader).await.unwrap();
    let is_whole = position.horizon >= state.pruned_before;
    prune_in(&mut house.sql().await).await;
    assert!(is_whole);
    assert_eq!(checks::count(&mut reader, "seat_changes").await, 0);
}

/// What a reader has in its snapshot, it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_horizon_is_seen_when_its_transaction_is() {
    let (house, position) = with_old_changes().await;
    let mut reader = house.sql().await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    reader.batch_execute(begin).await.unwrap();
    let before = feed_state::read(&mut reader).await.unwrap();
    prune_in(&mut house.sql().await).await;
    let from = Position::before(position.horizon);
    let seats =
        changes::seats_changed_after(&mut reader, EVENT, from, Position::before(before.horizon))
            .await;
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(seats.unwrap().map(|seats| seats.len()), Some(2));
    let seats =
        changes::seats_changed_after(&mut reader, EVENT, from, Position::before(before.horizon))
            .await;
    assert_eq!(seats.unwrap(), None);
}
