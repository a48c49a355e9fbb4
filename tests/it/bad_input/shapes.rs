//! Requests that do not have the shape that the schema asks for.

use super::assert_error;
use crate::support::House;
use crate::support::digest::Digest;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_and_missing_ones_do_not_fit_the_schema() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let staff = house.staff();
    let seat = json!({"seatId": event.seats[0].id, "version": 1});
    let seats = json!([seat]);
    let before = Digest::of(&house).await;
    for input in [
        json!(null),
        json!({}),
        json!({"eventId": event.id}),
        json!({"seats": seats}),
        json!({"eventId": null, "seats": seats}),
        json!({"eventId": event.id, "seats": null}),
        json!({"eventId": event.id, "seats": [null]}),
        json!({"eventId": event.id, "seats": [{"version": 1}]}),
        json!({"eventId": event.id, "seats": [{"seatId": event.seats[0].id}]}),
        json!({"eventId": event.id, "seats": seats, "force": true}),
        json!({"eventId": event.id, "seats": [{"seatId": event.seats[0].id, "version": 1, "price": 0}]}),
        json!({"eventId": event.id, "seats": seats, "holdToken": 5}),
        json!({"eventId": [event.id], "seats": seats}),
    ] {
        assert_error(&staff.hold_input(&input).await, "GRAPHQL_VALIDATION_FAILED");
    }
    for input in [json!([]), json!("x"), json!(1), json!("x".repeat(500_000))] {
        assert_error(&staff.hold_input(&input).await, "BAD_USER_INPUT");
    }
    for input in [
        json!({}),
        json!({"token": null}),
        json!({"token": "x", "amount": 1}),
    ] {
        assert_error(
            &staff.confirm_input(&input).await,
            "GRAPHQL_VALIDATION_FAILED",
        );
    }
    for input in [
        json!({}),
        json!({"venueId": event.id, "planId": event.id, "name": "x", "prices": []}),
        json!({"status": "ON_SALE"}),
    ] {
        assert_error(
            &staff.try_create_event(&input).await,
            "GRAPHQL_VALIDATION_FAILED",
        );
    }
    before.assert_unchanged("input of another shape").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_values_of_enums_do_not_fit_the_schema() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let visitor = house.visitor();
    let seats = "query($id: ID!, $status: SeatStatus) { \
        event(id: $id) { seats(filter: {status: $status}) { nodes { id } } } }";
    let events = "query($status: EventStatus) { events(filter: {status: $status}) \
        { nodes { id } } }";
    for status in ["", "available", "SOLD", "ON SALE", "💺", "AVAILABLE\0"] {
        let variables = json!({"id": event.id, "status": status});
        for query in [seats, events] {
            let answer = visitor.ask(query, variables.clone()).await;
            assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
        }
    }
    for literal in ["SOLD", "\"SOLD\"", "1", "true", "[SOLD]"] {
        let query = format!(
            "{{ event(id: \"{}\") {{ seats(filter: {{status: {literal}}}) {{ nodes {{ id }} }} }} }}",
            event.id
        );
        let answer = visitor.ask(&query, json!({})).await;
        assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schema_does_not_have_is_not_answered() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let id = &event.id;
    let staff = house.staff();
    let before = Digest::of(&house).await;
    for document in [
        "{ bookings { reference } }".to_owned(),
        format!("{{ event(id: \"{id}\") {{ buyers }} }}"),
        format!("{{ event(id: \"{id}\", secret: true) {{ id }} }}"),
        format!("{{ event(id: \"{id}\") }}"),
        "{ event { id } }".to_owned(),
        "{ hold { id } }".to_owned(),
        "{ viewer { ... on Event { id } } }".to_owned(),
        "mutation { deleteEvent(input: {}) { id } }".to_owned(),
        "mutation { openSale { __typename } }".to_owned(),
        "query($id: Event!) { event(id: $id) { id } }".to_owned(),
        "query { event(id: $id) { id } }".to_owned(),
    ] {
        let answer = staff.ask(&document, json!({})).await;
        assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
        assert!(
            answer.0.get("data").is_none(),
            "nothing was run: {document}"
        );
    }
    for document in ["", "{", "{ }", "query", "{ viewer { role } } }", "\0", "💺"] {
        let answer = staff.ask(document, json!({})).await;
        assert_error(&answer, "GRAPHQL_PARSE_FAILED");
    }
    before.assert_unchanged("documents of another schema").await;
}
