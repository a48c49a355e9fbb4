//! Who sees a hold and a booking.

use super::token_of;
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Event, House};
use serde_json::{Value, json};

/// A booking with all that is needed to look for it.
struct Booked {
    token: String,
    reference: String,
    id: String,
    hold_id: String,
}

async fn book(caller: &Actor, event: &Event, seat: usize) -> Booked {
    let held = caller.hold(&event.id, &event.seats[seat..=seat]).await;
    let token = token_of(&held);
    let confirmed = caller.confirm(&token).await;
    let booking = &confirmed.data()["booking"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Booked {
        reference: text(&booking["reference"]),
        id: text(&booking["id"]),
        hold_id: text(&held.data()["hold"]["id"]),
        token,
    }
}

/// The id of the booking that is found by this reference and this token.
async fn find(caller: &Actor, reference: &str, token: Option<&str>) -> Option<String> {
    let query = "query($reference: String!, $token: String) { \
        booking(reference: $reference, token: $token) { \
            id reference version status createdAt total { amountMinor } \
            event { name } seats { status } } }";
    let variables = json!({"reference": reference, "token": token});
    let answer = caller.ask(query, variables).await;
    let booking = &answer.data()["booking"];
    if !booking.is_null() {
        assert_eq!(booking["status"], "CONFIRMED");
        assert_eq!(booking["event"]["name"], "A Test");
        assert_eq!(booking["seats"], json!([{"status": "BOOKED"}]));
        assert_eq!(booking["total"]["amountMinor"], 1_000);
    }
    booking["id"].as_str().map(ToOwned::to_owned)
}

async fn node(caller: &Actor, id: &str) -> Option<String> {
    let query = "query($id: ID!) { node(id: $id) { __typename id \
        ... on Hold { seats { status } total { amountMinor } } \
        ... on Booking { reference seats { status } } } }";
    let answer = caller.ask(query, json!({"id": id})).await;
    let node = &answer.data()["node"];
    if !node.is_null() {
        assert_eq!(node["id"], id);
    }
    node["__typename"].as_str().map(ToOwned::to_owned)
}

async fn hold(caller: &Actor, token: &str) -> Option<String> {
    let query = "query($token: String!) { hold(token: $token) { id seats { status } } }";
    let answer = caller.ask(query, json!({"token": token})).await;
    let hold = &answer.data()["hold"];
    hold["id"].as_str().map(ToOwned::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_in_buyers_booking_is_seen_by_the_buyer_and_by_staff_alone() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let anna = house.buyer("anna");
    let booked = book(&anna, &event, 0).await;
    let (reference, token) = (&booked.reference, Some(booked.token.as_str()));
    let found = Some(booked.id.clone());
    let before = Digest::of(&house).await;
    for sees in [&anna, &house.staff()] {
        assert_eq!(find(sees, reference, None).await, found);
        assert_eq!(find(sees, reference, token).await, found);
        assert_eq!(find(sees, reference, Some("x")).await, found);
        assert_eq!(node(sees, &booked.id).await.as_deref(), Some("Booking"));
    }
    // Not even with the token of the hold that it was: it is not a visitor's.
    for sees_not in [house.buyer("bert"), house.visitor()] {
        assert_eq!(find(&sees_not, reference, None).await, None);
        assert_eq!(find(&sees_not, reference, token).await, None);
        assert_eq!(node(&sees_not, &booked.id).await, None);
    }
    before.assert_unchanged("looking for bookings").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_booking_is_seen_with_its_token_and_by_staff() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let visitor = house.visitor();
    let booked = book(&visitor, &event, 0).await;
    let other = book(&visitor, &event, 1).await;
    let found = Some(booked.id.clone());
    let reference = &booked.reference;
    assert_eq!(find(&visitor, reference, Some(&booked.token)).await, found);
    assert_eq!(find(&house.staff(), reference, None).await, found);
    for caller in [&visitor, &house.buyer("anna")] {
        assert_eq!(find(caller, reference, None).await, None);
        assert_eq!(find(caller, reference, Some(&other.token)).await, None);
        assert_eq!(node(caller, &booked.id).await, None, "ids are no secrets");
    }
    let kind = node(&house.staff(), &booked.id).await;
    assert_eq!(kind.as_deref(), Some("Booking"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_is_found_as_people_type_it() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let anna = house.buyer("anna");
    let booked = book(&anna, &event, 0).await;
    let reference = &booked.reference;
    let without_hyphens = reference.replace('-', "");
    for typed in [
        reference.clone(),
        reference.to_lowercase(),
        without_hyphens.clone(),
        without_hyphens.to_lowercase(),
        reference.replace('-', " "),
        format!("  {reference} "),
        reference.replace('0', "O").replace('1', "l"),
        reference.to_lowercase().replace('0', "o").replace('1', "I"),
    ] {
        let found = find(&anna, &typed, None).await;
        assert_eq!(found.as_ref(), Some(&booked.id), "{typed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_hold_is_seen_with_its_token_and_by_id_by_its_owner_and_staff() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, visitor) = (house.buyer("anna"), house.visitor());
    let of_anna = anna.hold(&event.id, &event.seats[..1]).await;
    let of_visitor = visitor.hold(&event.id, &event.seats[1..]).await;
    let id = |held: &crate::support::Answer| held.data()["hold"]["id"].as_str().unwrap().to_owned();
    let (annas, visitors) = (id(&of_anna), id(&of_visitor));
    for (caller, sees_annas, sees_visitors) in [
        (&anna, true, false),
        (&house.buyer("bert"), false, false),
        (&visitor, false, false),
        (&house.staff(), true, true),
    ] {
        let kind = node(caller, &annas).await;
        assert_eq!(kind.as_deref(), sees_annas.then_some("Hold"));
        let kind = node(caller, &visitors).await;
        assert_eq!(kind.as_deref(), sees_visitors.then_some("Hold"));
    }
    assert_eq!(hold(&anna, &token_of(&of_anna)).await, Some(annas));
    let with_token = hold(&visitor, &token_of(&of_visitor)).await;
    assert_eq!(with_token, Some(visitors));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_over_is_seen_by_nobody() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, staff) = (house.buyer("anna"), house.staff());
    let booked = book(&anna, &event, 0).await;
    let released = anna.hold(&event.id, &event.seats[1..]).await;
    let released_id = released.data()["hold"]["id"].as_str().unwrap();
    let released_token = token_of(&released);
    assert!(hold(&anna, &released_token).await.is_some());
    anna.release(&released_token, None).await.data();
    for (token, id) in [
        (&booked.token, booked.hold_id.as_str()),
        (&released_token, released_id),
    ] {
        assert_eq!(hold(&anna, token).await, None);
        for caller in [&anna, &staff, &house.visitor()] {
            assert_eq!(node(caller, id).await, None);
        }
    }
}
