//! The seats of an event, a page at a time.

use super::{demo_plan, event_in, ids, walk};
use crate::support::actor::Actor;
use crate::support::house::plan;
use crate::support::{Event, House, Seat};
use serde_json::{Value, json};

const SEAT: &str = "id version status zone category accessible label row number";

/// All seats of the event as its map has them: what the lists are compared with.
async fn in_map(caller: &Actor, event: &Event) -> Vec<Value> {
    let selection = format!("seatMap {{ seats {{ {SEAT} }} }}");
    let map = super::ask_event(caller, &event.id, &selection).await;
    map["seatMap"]["seats"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_seat_is_on_one_page_and_on_one_only() {
    let house = House::open().await;
    let plan = house.staff().import_plan(&plan(11, 100)).await;
    let event = house
        .open_sale(house.draft_on(&plan, json!({})).await)
        .await;
    let visitor = house.visitor();
    let seats: Vec<String> = event.seats.iter().map(|seat| seat.id.clone()).collect();
    for first in [100, 333, 999, 1_000] {
        let found = walk(&visitor, "seats(", Some(&event.id), "id", first).await;
        assert_eq!(
            ids(&found),
            seats,
            "in the plan's order, in pages of {first}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hall_that_fills_its_last_page_has_no_next_one() {
    let house = House::open().await;
    let event = house.event(3, 4).await;
    for first in [1, 4, 6, 11, 12, 13] {
        let found = walk(&house.visitor(), "seats(", Some(&event.id), "id", first).await;
        assert_eq!(found.len(), 12, "in pages of {first}");
    }
}

/// Some seats of every kind are held, booked and blocked.
async fn with_every_status(house: &House, event: &Event) {
    let buyer = house.buyer("anna");
    let every = |start: usize| -> Vec<Seat> {
        let seats = event.seats[start..].iter().step_by(40);
        seats.cloned().collect()
    };
    buyer.hold(&event.id, &every(0)).await.data();
    let booked = buyer.hold(&event.id, &every(1)).await;
    buyer
        .confirm(booked.data()["token"].as_str().unwrap())
        .await
        .data();
    house.block("seat_no % 40 = 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_filtered_by_status_zone_category_and_accessibility() {
    let house = House::open().await;
    let event = event_in(&house, &demo_plan("theatre")).await;
    with_every_status(&house, &event).await;
    let visitor = house.visitor();
    let all = in_map(&visitor, &event).await;
    assert_eq!(all.len(), 500);

    let mut filters = vec![json!({})];
    for status in ["AVAILABLE", "HELD", "BOOKED", "BLOCKED"] {
        filters.push(json!({"status": status}));
        filters.push(json!({"status": status, "zone": "Stalls"}));
        filters.push(json!({"status": status, "category": "Circle", "accessible": false}));
    }
    for zone in ["Stalls", "Boxes Left", "Boxes Right", "Circle"] {
        filters.push(json!({"zone": zone}));
        filters.push(json!({"zone": zone, "accessible": true}));
    }
    for category in ["Stalls", "Rear Stalls", "Circle", "Rear Circle", "Box"] {
        filters.push(json!({"category": category}));
    }
    filters.push(json!({"accessible": true}));
    filters.push(json!({"accessible": false}));
    let mut nothing = 0;
    for filter in &filters {
        let filter = filter.as_object().unwrap();
        let wanted: Vec<Value> = all
            .iter()
            .filter(|seat| filter.iter().all(|(field, value)| seat[field] == *value))
            .cloned()
            .collect();
        nothing += usize::from(wanted.is_empty());
        let text: Vec<String> = filter
            .iter()
            .map(|(field, value)| match field.as_str() {
                "status" => format!("status: {}", value.as_str().unwrap()),
                _ => format!("{field}: {value}"),
            })
            .collect();
        let list = format!("seats(filter: {{{}}}", text.join(", "));
        for first in [37, 1_000] {
            let found = walk(&visitor, &list, Some(&event.id), SEAT, first).await;
            assert_eq!(found, wanted, "{list}");
        }
    }
    assert!(
        nothing <= 4,
        "most of the filters find something: {nothing}"
    );
    for nobodys in [
        "zone: \"stalls\"",
        "zone: \"\"",
        "category: \"Stalls \"",
        "zone: \"Boxes Left\", category: \"Circle\"",
    ] {
        let list = format!("seats(filter: {{{nobodys}}}");
        let found = walk(&visitor, &list, Some(&event.id), "id", 100).await;
        assert_eq!(found, [Value::Null; 0], "{nobodys}");
    }
}

/// The one seat that is wanted is the last of a hall that takes many reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_rare_status_is_found_at_the_end_of_a_large_hall() {
    let house = House::open().await;
    let event = event_in(&house, &demo_plan("concert-hall")).await;
    assert_eq!(event.seats.len(), 2_400);
    let visitor = house.visitor();
    let held = visitor.hold(&event.id, &event.seats[2_398..]).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    for first in [1, 2, 3] {
        let list = "seats(filter: {status: HELD}";
        let found = walk(&visitor, list, Some(&event.id), "id", first).await;
        let expected = [&event.seats[2_398].id, &event.seats[2_399].id];
        assert_eq!(
            ids(&found).iter().collect::<Vec<_>>(),
            expected,
            "in pages of {first}"
        );
    }
    let available = "seats(filter: {status: AVAILABLE}";
    let found = walk(&visitor, available, Some(&event.id), "id", 1_000).await;
    assert_eq!(found.len(), 2_398);
}
