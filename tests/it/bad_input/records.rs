//! Changes of venues and events that make no sense, and histories of seats that nobody
//! may see.

use super::staff::bad_policies;
use super::{assert_error, assert_refusal, id_of};
use crate::support::House;
use crate::support::digest::Digest;
use serde_json::{Value, json};

/// Names that are refused.
fn bad_names() -> Vec<String> {
    let mut bad: Vec<String> = ["", " ", "\t\n", "a\0b", "a\nb", "\u{1b}[2J", "a\u{85}b"]
        .map(ToOwned::to_owned)
        .into();
    bad.extend(["x".repeat(201), "ä".repeat(10_000), "x".repeat(1_000_000)]);
    bad
}

/// This input with these fields as well.
fn with(input: &Value, fields: &Value) -> Value {
    let mut input = input.clone();
    let fields = fields.as_object().unwrap().clone();
    input.as_object_mut().unwrap().extend(fields);
    input
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_is_changed_to_what_makes_sense_only() {
    let house = House::open().await;
    let staff = house.staff();
    let id = staff.create_venue("A House", "UTC").await;
    let input = json!({"venueId": id, "version": 1});
    let before = Digest::of(&house).await;
    let mut bad = vec![("name", json!({})), ("name", json!({"name": null}))];
    bad.extend(
        bad_names()
            .into_iter()
            .map(|name| ("name", json!({"name": name}))),
    );
    for zone in ["", " ", "Berlin", "europe/berlin", "+01:00", "UTC\0"] {
        bad.push(("timeZone", json!({"timeZone": zone})));
        bad.push(("timeZone", json!({"timeZone": zone, "name": "Good"})));
    }
    for (field, change) in bad {
        let answer = staff.update_venue(&with(&input, &change)).await;
        assert_error(&answer, "BAD_USER_INPUT");
        let message = answer.error_message();
        assert!(
            message.starts_with(&format!("input.{field}: ")),
            "{message}"
        );
        before.assert_unchanged("a bad change of a venue").await;
    }
    for version in [0, -1, 2, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let stale = json!({"venueId": id, "version": version, "name": "Good"});
        let answer = staff.update_venue(&stale).await;
        assert_refusal(&answer, "VenueVersionConflict", "VERSION_CONFLICT");
        assert_eq!(answer.data()["expectedVersion"], version);
        assert_eq!(answer.data()["venue"]["version"], 1);
        assert_eq!(answer.data()["venue"]["name"], "A House");
    }
    let beyond = json!({"venueId": id, "version": 1_i64 << 31, "name": "Good"});
    assert_error(&staff.update_venue(&beyond).await, "BAD_USER_INPUT");
    let unknown = json!({"venueId": id_of("Venue:99"), "version": 1, "name": "Good"});
    assert_error(&staff.update_venue(&unknown).await, "NOT_FOUND");
    before
        .assert_unchanged("versions that are not the venue's")
        .await;
}

/// Changes of an event that make no sense, by the field that the error names.
fn bad_changes() -> Vec<(&'static str, Value)> {
    let price = |category: &str, amount: i64| json!({"category": category, "amountMinor": amount});
    let mut bad = vec![
        ("name", json!({})),
        (
            "name",
            json!({"name": null, "startsAt": null, "prices": null}),
        ),
        ("name", json!({"prices": []})),
        ("prices", json!({"prices": [price("Balcony", 1)]})),
        (
            "prices",
            json!({"prices": [price("stalls", 1)], "name": "Good"}),
        ),
        (
            "prices[1].category",
            json!({"prices": [price("Stalls", 1), price("Stalls", 2)]}),
        ),
        ("holdTotalSeconds", json!({"holdSeconds": 1_801})),
        ("saleEndsAt", json!({"saleEndsAt": "2029-01-01T00:00:00Z"})),
        (
            "saleEndsAt",
            json!({"saleStartsAt": "2029-12-01T00:00:00Z"}),
        ),
        ("endsAt", json!({"startsAt": "2030-01-01T22:00:00Z"})),
    ];
    for amount in [-1, 1_000_000_000_001, (1 << 53) - 1] {
        let change = json!({"prices": [price("Stalls", amount)]});
        bad.push(("prices[0].amountMinor", change));
    }
    for seconds in [0, -1, 86_401, i32::MIN, i32::MAX] {
        bad.push(("holdSeconds", json!({"holdSeconds": seconds})));
    }
    for seats in [0, -1, 501, i32::MIN, i32::MAX] {
        bad.push(("maxSeatsPerHold", json!({"maxSeatsPerHold": seats})));
    }
    for field in ["startsAt", "endsAt", "saleStartsAt", "saleEndsAt"] {
        let before_time = json!({field: "-0001-01-01T00:00:00Z"});
        bad.push(("\"DateTime\"", before_time));
    }
    bad.extend(bad_policies());
    bad.extend(
        bad_names()
            .into_iter()
            .map(|name| ("name", json!({"name": name}))),
    );
    bad
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_changed_to_what_makes_sense_as_a_whole_only() {
    let house = House::open().await;
    let staff = house.staff();
    let window = json!({
        "saleStartsAt": "2029-06-01T00:00:00Z", "saleEndsAt": "2029-12-01T00:00:00Z",
        "endsAt": "2030-01-01T22:00:00Z",
    });
    let event = house.draft(1, 2, window).await;
    let input = json!({"eventId": event.id, "version": 1});
    let before = Digest::of(&house).await;
    for (field, change) in bad_changes() {
        let answer = staff.update_event(&with(&input, &change)).await;
        assert_error(&answer, "BAD_USER_INPUT");
        let message = answer.error_message();
        let said = message.contains(&format!("{field}: "));
        assert!(said, "{field}: {message}");
        before.assert_unchanged(field).await;
    }
    for version in [0, -1, 2, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let stale = json!({"eventId": event.id, "version": version, "name": "Good"});
        let answer = staff.update_event(&stale).await;
        assert_refusal(&answer, "EventVersionConflict", "VERSION_CONFLICT");
        assert_eq!(answer.data()["expectedVersion"], version);
        assert_eq!(answer.data()["event"]["version"], 1);
        assert_eq!(answer.data()["event"]["name"], "A Test");
    }
    let beyond = json!({"eventId": event.id, "version": 1_i64 << 31, "name": "Good"});
    assert_error(&staff.update_event(&beyond).await, "BAD_USER_INPUT");
    let unknown = json!({"eventId": id_of("Event:99"), "version": 1, "name": "Good"});
    assert_error(&staff.update_event(&unknown).await, "NOT_FOUND");
    before
        .assert_unchanged("versions that are not the event's")
        .await;
    // The input is right but for what was changed about it.
    let good = with(&input, &json!({"name": "Good"}));
    assert_eq!(
        staff.update_event(&good).await.data()["event"]["version"],
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_is_sold_on_and_in_cannot_be_changed() {
    let house = House::open().await;
    let staff = house.staff();
    let event = house.draft(1, 1, json!({})).await;
    let before = Digest::of(&house).await;
    for field in ["currency", "venueId", "planId", "status"] {
        let input = json!({"eventId": event.id, "version": 1, "name": "x", field: "EUR"});
        let answer = staff.update_event(&input).await;
        assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
        before.assert_unchanged(field).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_for_staff_and_asked_for_in_pages() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let [first, second] = &event.seats[..] else {
        panic!("two seats");
    };
    let all = json!({});
    let anna = house.buyer("anna");
    anna.hold(&event.id, &event.seats).await.data();
    // Not even whoever did it all may see it.
    assert_error(&anna.seat_history(&first.id, &all).await, "FORBIDDEN");
    let visitor = house.visitor();
    let answer = visitor.seat_history(&first.id, &all).await;
    assert_error(&answer, "UNAUTHENTICATED");
    let staff = house.staff();
    for size in [-1, 101, i32::MIN, i32::MAX] {
        let answer = staff.seat_history(&first.id, &json!({"first": size})).await;
        assert_error(&answer, "BAD_USER_INPUT");
    }
    let other = staff.seat_history(&second.id, &all).await;
    let of_another_seat = other.data()["pageInfo"]["endCursor"].as_str().unwrap();
    for cursor in ["", "2", &id_of("history:1:0:x"), of_another_seat] {
        let page = json!({"after": cursor});
        let answer = staff.seat_history(&first.id, &page).await;
        assert_error(&answer, "BAD_USER_INPUT");
    }
    // Well-formed, and of no version that a seat can have.
    for (version, found) in [(i64::MIN, 1), (-1, 1), (1 << 40, 0), (i64::MAX, 0)] {
        let page = json!({"after": id_of(&format!("history:1:0:{version}"))});
        let answer = staff.seat_history(&first.id, &page).await;
        let nodes = answer.data()["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), found, "{version}");
    }
}
