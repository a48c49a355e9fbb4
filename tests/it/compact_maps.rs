//! Maps for big halls: statuses and versions in their compact form, as the API answers
//! them and as the web client's decoder reads them.

use crate::support::compact::{decode_changes, decode_map};
use crate::support::watcher::Watcher;
use crate::support::{House, node};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use usher::model::compact_seats;
use usher::model::status::SeatStatus;

const STATUSES: [SeatStatus; 4] = [
    SeatStatus::Available,
    SeatStatus::Held,
    SeatStatus::Booked,
    SeatStatus::Blocked,
];

/// Any state of a seat, those of young and of old seats alike.
fn state() -> impl Strategy<Value = (SeatStatus, i32)> {
    let version = prop_oneof![1..70, 4_000..4_200, 1..=i32::MAX];
    (prop::sample::select(&STATUSES), version)
}

/// Any seats, each once.
fn changes() -> impl Strategy<Value = Vec<(i32, SeatStatus, i32)>> {
    let change = |(seat_no, (status, version))| (seat_no, status, version);
    prop::collection::btree_map(0..200_000, state(), 0..200)
        .prop_map(move |changes| changes.into_iter().map(change).collect())
}

proptest! {
    #[test]
    fn what_is_written_of_a_map_is_read_again(
        states in prop::collection::vec(state(), 0..200),
    ) {
        let compact = compact_seats::whole_map(states.iter().copied());
        prop_assert_eq!(decode_map(&compact), states);
    }

    #[test]
    fn what_is_written_of_changes_is_read_again_in_the_order_of_the_plan(
        changes in changes().prop_shuffle(),
    ) {
        let compact = compact_seats::changes(changes.iter().copied());
        let mut sorted = changes;
        sorted.sort_unstable_by_key(|(seat_no, ..)| *seat_no);
        prop_assert_eq!(decode_changes(&compact), sorted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decoder_of_the_web_client_reads_what_it_should_and_refuses_the_rest() {
    let house = House::open().await;
    let url = format!("{}/compact-seats.js", house.url);
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/compact-seats.json");
    let vectors = vectors.to_str().unwrap();
    let printed = node::run("compact_seats.mjs", &["vectors", &url, vectors], &[]).await;
    assert!(
        printed.contains("44 vectors are as they should be"),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_loads_nothing_but_the_compact_form_follows_the_map_and_holds_seats() {
    let house = House::open().await;
    let event = house.event(10, 30).await;
    let arguments = ["follow", &house.url, &event.id, "10"];
    let printed = node::run("compact_seats.mjs", &arguments, &[]).await;
    println!("{printed}");
    let expected = "300 seats are as the server has them; 404 characters of snapshot";
    assert!(printed.contains(expected), "{printed}");
}

/// The list of a map in the order in which the compact form has it.
fn listed(seats: &Value) -> Vec<(SeatStatus, i32)> {
    let state = |seat: &Value| {
        let status = seat["status"].as_str().unwrap().parse().unwrap();
        let version = seat["version"].as_i64().unwrap().try_into().unwrap();
        (status, version)
    };
    seats.as_array().unwrap().iter().map(state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_is_the_same_as_a_list_and_compact() {
    let house = House::open().await;
    let event = house.event(3, 40).await;
    let buyer = house.buyer("anna");
    house.block("seat_no % 7 = 3").await;
    let held = buyer.hold(&event.id, &event.seats[4..6]).await;
    buyer.confirm(held.data()["token"].as_str().unwrap()).await;
    let held = buyer.hold(&event.id, &event.seats[57..62]).await;
    assert_eq!(held.data()["__typename"], "SeatConflict", "59 is blocked");
    buyer.hold(&event.id, &event.seats[64..66]).await;

    let query = "query($id: ID!) { event(id: $id) { seatMap { \
        compact seats { status version } } } }";
    let answer = house.visitor().ask(query, json!({"id": event.id})).await;
    let map = &answer.data()["event"]["seatMap"];
    let seats = listed(&map["seats"]);
    assert_eq!(decode_map(map["compact"].as_str().unwrap()), seats);
    let count = |status| seats.iter().filter(|(found, _)| *found == status).count();
    assert_eq!(
        STATUSES.map(count),
        [120 - 2 - 2 - 17, 2, 2, 17],
        "every status is in it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_and_deltas_are_the_same_as_lists_and_compact() {
    const SUBSCRIPTION: &str = "subscription($event: ID!, $after: Cursor) { \
        seatMap(eventId: $event, after: $after) { __typename \
          ... on SeatMapSnapshot { cursor compact seats { id version status } } \
          ... on SeatMapDelta { cursor compact changes { seatId version status } } } }";
    let house = House::open().await;
    let event = house.event(2, 20).await;
    let mut watcher = Watcher::asking(&house.url, SUBSCRIPTION, &event.id, None).await;
    let snapshot = watcher.next().await;
    let compact = snapshot["compact"].as_str().unwrap();
    assert_eq!(decode_map(compact), listed(&snapshot["seats"]));
    let buyer = house.buyer("anna");
    // The other way round than the plan has them.
    let seats = [event.seats[30].clone(), event.seats[2].clone()];
    let held = buyer.hold(&event.id, &seats).await;
    let places: BTreeMap<&str, i32> = (0..)
        .zip(&event.seats)
        .map(|(seat_no, seat)| (seat.id.as_str(), seat_no))
        .collect();
    let mut told = Vec::new();
    let mut check = |delta: Value| {
        let mut changes: Vec<_> = delta["changes"]
            .as_array()
            .unwrap()
            .iter()
            .zip(listed(&delta["changes"]))
            .map(|(change, (status, version))| {
                let seat_no = places[change["seatId"].as_str().unwrap()];
                (seat_no, status, version)
            })
            .collect();
        changes.sort_unstable_by_key(|(seat_no, ..)| *seat_no);
        let compact = delta["compact"].as_str().unwrap();
        assert_eq!(decode_changes(compact), changes);
        told.extend(changes);
    };
    check(watcher.next().await);
    buyer
        .release(held.data()["token"].as_str().unwrap(), None)
        .await;
    check(watcher.next().await);
    let (held, available) = (SeatStatus::Held, SeatStatus::Available);
    assert_eq!(
        told,
        [
            (2, held, 2),
            (30, held, 2),
            (2, available, 3),
            (30, available, 3),
        ]
    );
}
