//! Maps come into memory when somebody asks, once, and leave it when nobody does. In
//! processes of their own: what they have in memory is counted for each process.

use super::{code_of, subscribe};
use crate::support::actor::Actor;
use crate::support::lock::Lock;
use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::{Answer, Event, House, eventually};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

const MAP: &str = "subscription($event: ID!) { seatMap(eventId: $event) { __typename \
    ... on SeatMapSnapshot { seats { id version } } \
    ... on SeatMapDelta { changes { seatId version } } } }";

/// A condition that takes as long as a test wants.
const DAWDLE: &str = "CREATE FUNCTION dawdle() RETURNS boolean LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN true; END'";
const LOCK_DAWDLERS: &str = "BEGIN; SELECT pg_advisory_xact_lock(7)";

const LOADS: &str = "usher_live_map_loads_total";

/// Reading this table takes as long as the test wants, and shows it as it was when that began.
/// A lock on the table itself would hold back the feeds of all tests.
async fn make_reading_slow(house: &House, table: &str) {
    let slow = format!(
        "ALTER TABLE {table} RENAME TO {table}_behind; {DAWDLE}; \
         CREATE VIEW {table} AS SELECT * FROM {table}_behind WHERE dawdle()"
    );
    house.sql().await.batch_execute(&slow).await.unwrap();
}

async fn map_of(visitor: &Actor, event: &Event) -> Answer {
    let query = "query($id: ID!) { event(id: $id) { seatMap { seats { version } } } }";
    visitor.ask(query, json!({"id": event.id})).await
}

async fn watch(server: &Server, event: &Event) -> Peer {
    let mut peer = Peer::ready(&server.url).await;
    subscribe(&mut peer, "1", MAP, json!({"event": event.id})).await;
    peer
}

async fn told(peer: &mut Peer) -> Value {
    let message = peer.next().await;
    assert!(message["payload"]["errors"].is_null(), "{message}");
    message["payload"]["data"]["seatMap"].clone()
}

async fn assert_sample(server: &Server, name: &str, expected: f64) {
    let found = server.sample(name).await;
    assert!((found - expected).abs() < 0.1, "{name} is {found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_keeps_its_place_and_what_is_not_makes_room() {
    let house = House::open().await;
    let (watched, other) = (house.event(1, 6).await, house.event(1, 6).await);
    let server = Server::beside(&house, &["--live-map-seats", "10"]).await;
    let visitor = server.visitor();
    let mut watcher = watch(&server, &watched).await;
    told(&mut watcher).await;
    assert_eq!(map_of(&visitor, &other).await.error_code(), "UNAVAILABLE");
    let mut refused = watch(&server, &other).await;
    assert_eq!(code_of(&refused.next().await), "UNAVAILABLE");
    assert_sample(&server, "usher_live_maps", 1.0).await;
    assert_sample(&server, "usher_live_map_seats", 6.0).await;
    // It is none the worse for it.
    house
        .visitor()
        .hold(&watched.id, &watched.seats[..1])
        .await
        .data();
    assert_eq!(told(&mut watcher).await["changes"][0]["version"], 2);

    drop(watcher);
    eventually("the other one is let in", async || {
        map_of(&visitor, &other).await.0["errors"]
            .is_null()
            .then_some(())
    })
    .await;
    assert_sample(&server, "usher_live_maps", 1.0).await;
    assert_sample(&server, LOADS, 2.0).await;
    // Nobody watches that one: the first makes it go.
    let first = map_of(&visitor, &watched).await;
    assert_eq!(first.data()["event"]["seatMap"]["seats"][0]["version"], 2);
    assert_sample(&server, LOADS, 3.0).await;
    assert_sample(&server, "usher_live_map_seats", 6.0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_larger_than_all_that_may_be_kept_is_refused_and_leaves_nothing() {
    let house = House::open().await;
    let (large, small) = (house.event(1, 11).await, house.event(1, 6).await);
    let server = Server::beside(&house, &["--live-map-seats", "10"]).await;
    let visitor = server.visitor();
    map_of(&visitor, &small).await.data();
    for _ in 0..3 {
        assert_eq!(map_of(&visitor, &large).await.error_code(), "UNAVAILABLE");
    }
    map_of(&visitor, &small).await.data();
    assert_sample(&server, "usher_live_map_seats", 6.0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_nobody_looks_at_is_dropped_and_loaded_again() {
    let house = House::open().await;
    let (watched, idle) = (house.event(1, 2).await, house.event(1, 3).await);
    let server = Server::beside(&house, &["--live-map-idle-time", "1ms"]).await;
    let visitor = server.visitor();
    let mut watcher = watch(&server, &watched).await;
    told(&mut watcher).await;
    for loads in [2.0, 3.0] {
        map_of(&visitor, &idle).await.data();
        assert_sample(&server, LOADS, loads).await;
        eventually("only the watched one is left", async || {
            // It looks whenever there is news.
            house.running.services.feed.announce();
            let seats = server.sample("usher_live_map_seats").await;
            (seats < 2.5).then_some(())
        })
        .await;
    }
    house
        .visitor()
        .hold(&watched.id, &watched.seats[..1])
        .await
        .data();
    assert_eq!(told(&mut watcher).await["changes"][0]["version"], 2);
    assert_sample(&server, LOADS, 3.0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_for_a_cold_map_load_it_once_even_when_the_first_one_leaves() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    make_reading_slow(&house, "seats").await;
    let server = Server::beside(&house, &[]).await;
    let mut lock = Lock::by(&house.database_url, LOCK_DAWDLERS).await;
    let first = watch(&server, &event).await;
    lock.is_wanted_by(1).await;
    let mut watchers = Vec::new();
    for _ in 0..10 {
        watchers.push(watch(&server, &event).await);
    }
    // Whoever began to load it goes away in the middle of that.
    drop(first);
    let visitor = server.visitor();
    let asking = join_all((0..30).map(|_| map_of(&visitor, &event)));
    let loading = async {
        lock.is_wanted_by(1).await;
        lock.let_go().await;
    };
    let (answers, ()) = tokio::join!(asking, loading);
    for answer in answers {
        let seats = &answer.data()["event"]["seatMap"]["seats"];
        assert_eq!(seats.as_array().unwrap().len(), 5);
    }
    for watcher in &mut watchers {
        assert_eq!(told(watcher).await["__typename"], "SeatMapSnapshot");
    }
    assert_sample(&server, LOADS, 1.0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_in_memory_is_served_without_a_look_at_any_seat() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let server = Server::beside(&house, &[]).await;
    let visitor = server.visitor();
    map_of(&visitor, &event).await.data();
    // Whoever looks at them from now on is answered with an error.
    let mut sql = house.sql().await;
    sql.batch_execute("ALTER TABLE seats RENAME TO seats_behind")
        .await
        .unwrap();
    let answer = map_of(&visitor, &event).await;
    let seats = &answer.data()["event"]["seatMap"]["seats"];
    assert_eq!(seats.as_array().unwrap().len(), 3);
    let query = "query($id: ID!) { event(id: $id) { availability { total { available held } } } }";
    let counted = visitor.ask(query, json!({"id": event.id})).await;
    let counts = &counted.data()["event"]["availability"];
    assert_eq!(*counts, json!({"total": {"available": 3, "held": 0}}));
    let mut watcher = watch(&server, &event).await;
    assert_eq!(told(&mut watcher).await["__typename"], "SeatMapSnapshot");
    server.stop().await;
}

/// All who lost their map ask for another one at the same time, and not everybody gets it
/// at the first attempt.
#[tokio::test(flavor = "multi_thread")]
async fn who_lost_its_map_asks_until_there_is_another() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let server = Server::beside(&house, &["--statement-timeout", "2s"]).await;
    let mut watcher = watch(&server, &event).await;
    told(&mut watcher).await;
    make_reading_slow(&house, "events").await;
    let mut sql = house.sql().await;
    let mut lock = Lock::by(&house.database_url, LOCK_DAWDLERS).await;
    sql.batch_execute("UPDATE feed SET epoch = epoch + 1")
        .await
        .unwrap();
    house.running.services.feed.announce();
    for _ in 0..2 {
        lock.is_wanted_by(1).await;
        lock.is_wanted_by_nobody().await;
    }
    lock.let_go().await;
    let anew = told(&mut watcher).await;
    assert_eq!(anew["__typename"], "SeatMapSnapshot");
    house
        .visitor()
        .hold(&event.id, &event.seats[..1])
        .await
        .data();
    assert_eq!(told(&mut watcher).await["changes"][0]["version"], 2);
    server.stop().await;
}

/// Changes are kept for a map from before its seats are read: one that is committed, and
/// passed by the follower, after they were read and before the map is there, is in it.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_a_map_is_read_is_in_it() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let mut sql = house.sql().await;
    make_reading_slow(&house, "seats").await;
    let server = Server::beside(&house, &[]).await;
    let mut lock = Lock::by(&house.database_url, LOCK_DAWDLERS).await;
    let mut watcher = watch(&server, &event).await;
    lock.is_wanted_by(1).await;
    sql.batch_execute(
        "UPDATE seats_behind SET version = 2, status = 'BLOCKED', cause = 'BLOCKED' \
         WHERE seat_no = 1",
    )
    .await
    .unwrap();
    eventually("the follower has read it", async || {
        house.running.services.feed.announce();
        let read = server.sample("usher_feed_changes_total").await;
        (read > 0.5).then_some(())
    })
    .await;
    lock.let_go().await;
    let map = told(&mut watcher).await;
    assert_eq!(map["__typename"], "SeatMapSnapshot");
    let versions = [0, 1, 2].map(|seat: usize| map["seats"][seat]["version"].clone());
    assert_eq!(versions, [1, 2, 1]);
    server.stop().await;
}
