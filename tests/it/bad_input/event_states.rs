//! Events whose seats cannot be held: drafts, closed and cancelled ones, and
//! those outside their sale window.

use super::{assert_error, assert_refusal};
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Event, House};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

/// Tries to hold a seat with no hold and into the hold of `token`.
async fn assert_not_open(
    caller: &Actor,
    event: &Event,
    token: Option<&str>,
    before: &Digest<'_>,
) -> Value {
    let mut refusal = Value::Null;
    for into in [None, token] {
        let answer = caller.hold_into(&event.id, &event.seats[1..2], into).await;
        assert_refusal(&answer, "SaleNotOpen", "SALE_NOT_OPEN");
        before.assert_unchanged("a sale that is not open").await;
        refusal = answer.data().clone();
    }
    refusal
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_unknown_to_buyers_and_not_on_sale_for_staff() {
    let house = House::open().await;
    let draft = house.draft(1, 2, json!({})).await;
    let before = Digest::of(&house).await;
    for caller in [house.visitor(), house.buyer("anna")] {
        let answer = caller.hold(&draft.id, &draft.seats).await;
        assert_error(&answer, "NOT_FOUND");
        // As it would be answered for an event that is not there at all.
        assert_eq!(answer.error_message(), "there is no such event");
        before.assert_unchanged("holding a draft's seats").await;
    }
    let refusal = assert_not_open(&house.staff(), &draft, None, &before).await;
    assert_eq!(refusal["status"], "DRAFT");
    assert_eq!(refusal["opensAt"], Value::Null);
    assert_eq!(refusal["closedAt"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_event_takes_no_holds() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = held.data()["token"].as_str().unwrap();
    house
        .staff()
        .close_sale(&event.id, event.version)
        .await
        .data();
    let before = Digest::of(&house).await;
    let refusal = assert_not_open(&buyer, &event, Some(token), &before).await;
    assert_eq!(refusal["status"], "CLOSED");
    assert_eq!(refusal["closedAt"], Value::Null, "nobody set a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_event_takes_no_holds_and_no_bookings() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = held.data()["token"].as_str().unwrap();
    house
        .sql()
        .await
        .batch_execute("UPDATE events SET status = 'CANCELLED', version = version + 1")
        .await
        .unwrap();
    let before = Digest::of(&house).await;
    let refusal = assert_not_open(&buyer, &event, Some(token), &before).await;
    assert_eq!(refusal["status"], "CANCELLED");
    let answer = buyer.confirm(token).await;
    assert_refusal(&answer, "SaleNotOpen", "SALE_NOT_OPEN");
    assert_eq!(answer.data()["status"], "CANCELLED");
    before
        .assert_unchanged("confirming for a cancelled event")
        .await;
    // What is held can still be given back.
    let released = buyer.release(token, None).await;
    assert_eq!(released.data()["__typename"], "SeatsReleased");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_its_window_a_sale_says_when_it_opens() {
    let house = House::open().await;
    let (opens, ends) = (in_an_hour(1), in_an_hour(2));
    let window = json!({"saleStartsAt": opens, "saleEndsAt": ends});
    let event = house.open_sale(house.draft(1, 2, window).await).await;
    let before = Digest::of(&house).await;
    for caller in [house.visitor(), house.buyer("anna"), house.staff()] {
        let refusal = assert_not_open(&caller, &event, None, &before).await;
        assert_eq!(refusal["status"], "ON_SALE");
        assert_eq!(time(&refusal["opensAt"]), opens);
        assert_eq!(refusal["closedAt"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_window_a_sale_says_when_it_ended() {
    let house = House::open().await;
    let (started, ended) = (in_an_hour(-2), in_an_hour(-1));
    let window = json!({"saleStartsAt": started, "saleEndsAt": ended});
    let event = house.open_sale(house.draft(1, 2, window).await).await;
    let before = Digest::of(&house).await;
    for caller in [house.visitor(), house.buyer("anna"), house.staff()] {
        let refusal = assert_not_open(&caller, &event, None, &before).await;
        assert_eq!(refusal["status"], "ON_SALE");
        assert_eq!(refusal["opensAt"], Value::Null);
        assert_eq!(time(&refusal["closedAt"]), ended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_made_inside_the_window_takes_no_seats_after_it() {
    let house = House::open().await;
    let window = json!({"saleEndsAt": in_an_hour(1)});
    let event = house.open_sale(house.draft(1, 2, window).await).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = held.data()["token"].as_str().unwrap();
    house
        .sql()
        .await
        .batch_execute(
            "UPDATE events SET sale_ends_at = now() - interval '1 second', version = version + 1",
        )
        .await
        .unwrap();
    let before = Digest::of(&house).await;
    let refusal = assert_not_open(&buyer, &event, Some(token), &before).await;
    assert_eq!(refusal["status"], "ON_SALE");
    assert!(refusal["closedAt"].is_string());
    // It is running, so it can be made a booking.
    let confirmed = buyer.confirm(token).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
}

/// A whole second, which survives every clock and format.
fn in_an_hour(hours: i64) -> DateTime<Utc> {
    let then = Utc::now() + TimeDelta::hours(hours);
    DateTime::from_timestamp(then.timestamp(), 0).unwrap()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}
