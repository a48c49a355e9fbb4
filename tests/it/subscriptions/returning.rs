//! Many who come back at once with cursors from before what memory knows: some look up what they
//! have missed, the others get the map, and nobody a gap.

use crate::support::House;
use crate::support::house::{Limits, settings};
use crate::support::lock::Lock;
use crate::support::watcher::Watcher;
use diesel_async::SimpleAsyncConnection;
use usher::config::DatabaseSettings;

const CHANGE_ALL: &str = "UPDATE seats SET version = version + 1, \
    status = CASE status WHEN 'BLOCKED' THEN 'AVAILABLE' ELSE 'BLOCKED' END, \
    cause = CASE status WHEN 'BLOCKED' THEN 'UNBLOCKED' ELSE 'BLOCKED' END";

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_in_time_what_it_has_missed_gets_the_map() {
    let house = House::open().await;
    let event = house.event(10, 60).await;
    let mut first = Watcher::new(&house, &event.id, None).await;
    first.next().await;
    let old = first.cursor.clone().unwrap();
    // More than is remembered: 4,096 changes.
    let mut sql = house.sql().await;
    for _ in 0..8 {
        sql.batch_execute(CHANGE_ALL).await.unwrap();
    }
    // A quarter of its connections is one.
    let four = DatabaseSettings {
        connections: 4,
        ..settings()
    };
    let server = house.replica_with_all(Limits::default(), four).await;
    let is_newest = |watcher: &Watcher| {
        let mut seats = watcher.seats.values();
        watcher.seats.len() == 600 && seats.all(|(version, _)| *version == 9)
    };
    let mut present = Watcher::new(&server, &event.id, None).await;
    present.until(is_newest).await;

    let lock = Lock::by(&house.database_url, "BEGIN; LOCK TABLE seat_changes").await;
    let mut one = Watcher::new(&server, &event.id, Some(&old)).await;
    let mut two = Watcher::new(&server, &event.id, Some(&old)).await;
    // Whoever comes first has the place, and waits for the lock.
    let (is_one, told) = tokio::select! {
        told = one.next() => (true, told),
        told = two.next() => (false, told),
    };
    assert_eq!(told["reason"], "BUSY", "{}", told["__typename"]);
    let (busy, mut looking) = if is_one { (one, two) } else { (two, one) };
    assert!(is_newest(&busy));
    lock.let_go().await;
    assert_eq!(looking.next().await["__typename"], "SeatMapDelta");
    assert!(is_newest(&looking));
    // With nobody else there, it is told what it has missed.
    let mut alone = Watcher::new(&server, &event.id, Some(&old)).await;
    assert_eq!(alone.next().await["__typename"], "SeatMapDelta");
    assert!(is_newest(&alone));
}
