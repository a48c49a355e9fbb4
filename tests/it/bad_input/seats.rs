//! Versions and numbers of seats: impossible versions, no seats, a seat twice,
//! too many, and a seat that is blocked.

use super::{assert_error, assert_refusal};
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Answer, Event, House};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

/// Holds the first seat at this version, which stands in the document itself.
async fn hold_at_literal(buyer: &Actor, event: &Event, version: &str) -> Answer {
    let (event, seat) = (&event.id, &event.seats[0].id);
    let query = format!(
        "mutation {{ holdSeats(input: {{eventId: \"{event}\", \
         seats: [{{seatId: \"{seat}\", version: {version}}}]}}) {{ __typename }} }}"
    );
    buyer.ask(&query, json!({})).await
}

/// Holds the first seat at this version, which is a variable of its own.
async fn hold_at_variable(buyer: &Actor, event: &Event, version: &Value) -> Answer {
    let query = "mutation($event: ID!, $seat: ID!, $version: Int!) { \
        holdSeats(input: {eventId: $event, seats: [{seatId: $seat, version: $version}]}) \
        { __typename } }";
    let seat = &event.seats[0].id;
    let variables = json!({"event": event.id, "seat": seat, "version": version});
    buyer.ask(query, variables).await
}

/// Holds the first seat at this version, which is inside the variable `input`.
async fn hold_at(buyer: &Actor, event: &Event, version: &Value) -> Answer {
    let seat = json!({"seatId": event.seats[0].id, "version": version});
    buyer
        .hold_input(&json!({"eventId": event.id, "seats": [seat]}))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_is_refused_however_it_is_sent() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let before = Digest::of(&house).await;
    for version in [
        0,
        -1,
        i64::from(i32::MIN),
        1 << 31,
        -(1 << 31) - 1,
        (1 << 32) + 1,
        1 << 53,
        i64::MAX,
        i64::MIN,
    ] {
        let value = json!(version);
        for answer in [
            hold_at_literal(&buyer, &event, &version.to_string()).await,
            hold_at_variable(&buyer, &event, &value).await,
            hold_at(&buyer, &event, &value).await,
        ] {
            assert_error(&answer, "BAD_USER_INPUT");
            before.assert_unchanged(&format!("version {version}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_no_int_does_not_fit_the_schema() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let before = Digest::of(&house).await;
    for literal in [
        "1.5", "1.0", "\"1\"", "true", "null", "[1, 2]", "{a: 1}", "ONE",
    ] {
        let answer = hold_at_literal(&buyer, &event, literal).await;
        assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
    }
    for value in [
        json!(1.5),
        json!("1"),
        json!(true),
        json!(null),
        json!([1, 2]),
        json!({}),
    ] {
        for answer in [
            hold_at_variable(&buyer, &event, &value).await,
            hold_at(&buyer, &event, &value).await,
        ] {
            assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
        }
    }
    // More than any number of JSON: the parser must not fall over it.
    let answer = hold_at_literal(&buyer, &event, "1e400").await;
    assert_error(&answer, "GRAPHQL_PARSE_FAILED");
    before.assert_unchanged("versions that are no Int").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_version_is_a_lost_race_and_not_an_overflow() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let before = Digest::of(&house).await;
    let answer = hold_at(&buyer, &event, &json!(i32::MAX)).await;
    assert_refusal(&answer, "SeatConflict", "SEAT_CONFLICT");
    let conflicts = &answer.data()["conflicts"];
    assert_eq!(conflicts[0]["expectedVersion"], i32::MAX);
    assert_eq!(conflicts[0]["seat"]["version"], 1);
    assert_eq!(conflicts[0]["seat"]["status"], "AVAILABLE");
    before.assert_unchanged("the highest version").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_seats_and_a_seat_twice_are_refused() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = held.data()["token"].as_str().unwrap();
    let [_, second, third] = &event.seats[..] else {
        panic!("three seats");
    };
    let mut at_another_version = second.clone();
    at_another_version.version = 2;
    let before = Digest::of(&house).await;
    for seats in [
        vec![],
        vec![second.clone(), second.clone()],
        vec![second.clone(), third.clone(), second.clone()],
        vec![second.clone(), at_another_version],
    ] {
        for into in [None, Some(token)] {
            let answer = buyer.hold_into(&event.id, &seats, into).await;
            assert_error(&answer, "BAD_USER_INPUT");
            before.assert_unchanged(&format!("{seats:?}")).await;
        }
    }
    // One that is in the hold already.
    let answer = buyer
        .hold_into(&event.id, &event.seats[..2], Some(token))
        .await;
    assert_error(&answer, "BAD_USER_INPUT");
    let answer = buyer.release(token, Some(&[])).await;
    assert_error(&answer, "BAD_USER_INPUT");
    let answer = buyer
        .release(token, Some(&[&event.seats[0].id, &second.id]))
        .await;
    assert_error(&answer, "BAD_USER_INPUT");
    before
        .assert_unchanged("seats that are not in the hold")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_seats_in_one_call_exceed_the_events_limit() {
    let house = House::open().await;
    let event = house.event(11, 100).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[1_001..1_051]).await;
    let token = held.data()["token"].as_str().unwrap();
    let before = Digest::of(&house).await;
    for count in [51, 500, 1_000] {
        let answer = buyer.hold(&event.id, &event.seats[..count]).await;
        assert_refusal(&answer, "LimitExceeded", "LIMIT_EXCEEDED");
        assert_eq!(answer.data()["limit"], 50);
        assert_eq!(answer.data()["requested"], count);
        before.assert_unchanged(&format!("{count} seats")).await;
    }
    let into = buyer
        .hold_into(&event.id, &event.seats[..1], Some(token))
        .await;
    assert_refusal(&into, "LimitExceeded", "LIMIT_EXCEEDED");
    assert_eq!(into.data()["requested"], 51, "those of the hold count");
    // What no event allows is not looked at.
    let answer = buyer.hold(&event.id, &event.seats[..1_001]).await;
    assert_error(&answer, "BAD_USER_INPUT");
    assert!(answer.error_message().contains("1000"));
    before.assert_unchanged("1001 seats").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_seat_is_a_conflict_that_shows_it_blocked() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let mut sql = house.sql().await;
    sql.batch_execute(
        "UPDATE seats SET status = 'BLOCKED', version = 2, cause = 'BLOCKED', \
                actor = 'staff:tess' WHERE seat_no = 1",
    )
    .await
    .unwrap();
    let buyer = house.buyer("anna");
    let before = Digest::of(&house).await;
    let mut as_it_is = event.seats.clone();
    as_it_is[1].version = 2;
    for seats in [
        &event.seats[1..2],
        &event.seats[..],
        &as_it_is[1..2],
        &as_it_is,
    ] {
        let answer = buyer.hold(&event.id, seats).await;
        assert_refusal(&answer, "SeatConflict", "SEAT_CONFLICT");
        let conflicts = answer.data()["conflicts"].as_array().unwrap();
        assert_eq!(conflicts.len(), 1, "the others were free");
        assert_eq!(conflicts[0]["seat"]["id"], event.seats[1].id);
        assert_eq!(conflicts[0]["seat"]["status"], "BLOCKED");
        assert_eq!(conflicts[0]["seat"]["version"], 2);
        before.assert_unchanged("a blocked seat").await;
    }
}
