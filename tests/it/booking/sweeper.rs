//! The sweeper: what lapses is published soon, once, and for everybody to see.

use super::{lapse, lapse_all, published, states, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::lock::Lock;
use crate::support::watcher::Watcher;
use crate::support::{Event, House, eventually};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::join_all;

/// One hold for each seat of an event.
async fn hold_each(house: &House, event: &Event) {
    let buyer = house.buyer("anna");
    let held = event.seats.iter().map(|seat| {
        let buyer = buyer.clone();
        async move { buyer.hold(&event.id, std::slice::from_ref(seat)).await }
    });
    for answer in join_all(held).await {
        token_of(&answer);
    }
}

/// Fails unless each of `count` seats was published as lapsed exactly once.
async fn assert_published_once(sql: &mut AsyncPgConnection, count: usize) {
    let count = i64::try_from(count).unwrap();
    let published = "seat_changes WHERE cause = 'LAPSED' AND status = 'AVAILABLE' \
                     AND version = 3 AND actor = 'system:sweeper' AND owner_id IS NULL";
    assert_eq!(checks::count(sql, published).await, count);
    let changes = "seat_changes WHERE version > 2";
    assert_eq!(checks::count(sql, changes).await, count, "and nothing else");
    let available = "seats WHERE status = 'AVAILABLE' AND version = 3 AND owner_id IS NULL \
                     AND held_until IS NULL";
    assert_eq!(checks::count(sql, available).await, count);
    assert_eq!(
        checks::count(sql, "holds WHERE status = 'LAPSED'").await,
        count
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_lapsed_seats_become_available() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    assert_eq!(watcher.next().await["__typename"], "SeatMapSnapshot");
    let buyer = house.buyer("anna");
    let lapsing = buyer.hold(&event.id, &event.seats[..2]).await;
    let running = buyer.hold(&event.id, &event.seats[2..3]).await;
    watcher
        .until(|map| {
            event.seats[..3]
                .iter()
                .all(|seat| map.version(&seat.id) == 2)
        })
        .await;
    lapse(&house, &lapsing).await;
    watcher
        .until(|map| {
            event.seats[..2]
                .iter()
                .all(|seat| map.version(&seat.id) == 3)
        })
        .await;
    let known: Vec<_> = event
        .seats
        .iter()
        .map(|seat| watcher.seats[&seat.id].clone())
        .collect();
    let expected = [
        (3, "AVAILABLE"),
        (3, "AVAILABLE"),
        (2, "HELD"),
        (1, "AVAILABLE"),
    ];
    assert_eq!(
        known,
        expected.map(|(version, status)| (version, status.to_owned()))
    );
    published(&house).await;
    let mut sql = house.sql().await;
    let by_sweeper = "seat_changes WHERE cause = 'LAPSED' AND actor = 'system:sweeper'";
    assert_eq!(checks::count(&mut sql, by_sweeper).await, 2);
    let lapsed = "holds WHERE status = 'LAPSED'";
    assert_eq!(checks::count(&mut sql, lapsed).await, 1);
    // The one that is running is left alone.
    let confirmed = buyer.confirm(&token_of(&running)).await;
    assert_eq!(
        states(&confirmed.data()["booking"]["seats"]),
        [("BOOKED", 3)]
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_lapses_by_itself_when_its_time_has_passed() {
    let house = House::open().await;
    let draft = house
        .draft(1, 2, serde_json::json!({"holdSeconds": 1}))
        .await;
    let event = house.open_sale(draft).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;
    let held = house.visitor().hold(&event.id, &event.seats).await;
    assert_eq!(states(&held.data()["hold"]["seats"]), [("HELD", 2); 2]);
    watcher
        .until(|map| event.seats.iter().all(|seat| map.version(&seat.id) == 3))
        .await;
    let mut sql = house.sql().await;
    let in_time = "seat_changes c JOIN holds h USING (event_id) \
                   WHERE c.cause = 'LAPSED' AND c.changed_at >= h.expires_at \
                   AND h.expires_at = h.created_at + interval '1 second'";
    assert_eq!(
        checks::count(&mut sql, in_time).await,
        2,
        "not before its time"
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_holds_that_lapse_at_once_are_each_published_once() {
    let house = House::open().await;
    let event = house.event(10, 30).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;
    hold_each(&house, &event).await;
    lapse_all(&house, "true").await;
    watcher
        .until(|map| event.seats.iter().all(|seat| map.version(&seat.id) == 3))
        .await;
    published(&house).await;
    assert!(
        watcher
            .seats
            .values()
            .all(|(_, status)| status == "AVAILABLE")
    );
    assert_published_once(&mut house.sql().await, 300).await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_sweep_publish_each_seat_once() {
    let house = House::open().await;
    let replica = house.replica().await;
    let events = [house.event(2, 25).await, house.event(2, 25).await];
    let mut watchers = Vec::new();
    for (of, event) in [&house, &replica].into_iter().zip(&events) {
        let mut watcher = Watcher::new(of, &event.id, None).await;
        watcher.next().await;
        watchers.push(watcher);
        hold_each(of, event).await;
    }
    // In ten steps, so that both find something to do.
    for step in 0..10 {
        lapse_all(&house, &format!("seat_nos[1] % 10 = {step}")).await;
    }
    for (watcher, event) in watchers.iter_mut().zip(&events) {
        watcher
            .until(|map| event.seats.iter().all(|seat| map.version(&seat.id) == 3))
            .await;
    }
    published(&house).await;
    assert_published_once(&mut house.sql().await, 100).await;
    assert_sound(&house).await;
}

/// Somebody is at the seats of more lapsed holds than one batch has: those wait, and
/// nothing waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_stuck_keeps_nothing_else_from_being_published() {
    let house = House::open().await;
    let stuck = house.event(21, 25).await;
    let other = house.event(1, 1).await;
    hold_each(&house, &stuck).await;
    let held = house.buyer("ben").hold(&other.id, &other.seats).await;
    // Their time passes while somebody is at every seat of theirs.
    let at_the_seats = "BEGIN; UPDATE seats SET held_until = now() - interval '1 second' \
                        WHERE event_id = 1";
    let busy = Lock::by(&house.database_url, at_the_seats).await;
    let pass = "UPDATE holds SET expires_at = now() - interval '1 minute' WHERE event_id = 1";
    let mut sql = house.sql().await;
    sql.batch_execute(pass).await.unwrap();
    lapse(&house, &held).await;
    let free = "seats WHERE event_id = 2 AND version = 3";
    eventually("the other event's seat is published", async || {
        (checks::count(&mut sql, free).await == 1).then_some(())
    })
    .await;
    let waiting = "holds WHERE status = 'ACTIVE' AND expires_at < now()";
    assert_eq!(checks::count(&mut sql, waiting).await, 525);
    busy.let_go().await;
    published(&house).await;
    assert_published_once(&mut sql, 526).await;
    assert_sound(&house).await;
}
