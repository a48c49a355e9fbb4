//! Hold tokens and booking references: wrong, malformed and other people's.

use super::{assert_error, assert_refusal};
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Event, House};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use usher::model::ids::{EventId, HoldId};
use usher::model::token::{HoldToken, TokenSalt};

/// Presents a token everywhere where one is taken; nowhere must it be worth
/// anything.
async fn assert_worthless(caller: &Actor, event: &Event, token: &str, before: &Digest<'_>) {
    let free = event.seats.last().unwrap().clone();
    let (first, others) = event.seats.split_at(1);
    for answer in [
        caller.extend(token).await,
        caller.exchange_held(token, first, others).await,
        caller.release(token, None).await,
        caller.release(token, Some(&[&event.seats[0].id])).await,
        caller.confirm(token).await,
        caller.hold_into(&event.id, &[free], Some(token)).await,
    ] {
        assert_refusal(&answer, "HoldNotFound", "HOLD_NOT_FOUND");
    }
    let query = "query($token: String!) { hold(token: $token) { id } }";
    let answer = caller.ask(query, json!({"token": token})).await;
    assert!(answer.data()["hold"].is_null(), "{token:?}: {}", answer.0);
    before
        .assert_unchanged(&format!("the token {token:?}"))
        .await;
}

/// The token of a hold, with a secret that somebody has made up.
fn invented(event: EventId, hold: HoldId) -> HoldToken {
    HoldToken::derive(event, hold, b"made up", TokenSalt::generate())
}

fn token_of(held: &crate::support::Answer) -> String {
    held.data()["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_opens_no_hold() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = token_of(&held);
    let hold_id = held.data()["hold"]["id"].as_str().unwrap();
    let before = Digest::of(&house).await;

    let right: HoldToken = token.parse().unwrap();
    // The right hold with another secret, and the right secret with one bit flipped.
    let guessed = invented(right.event, right.hold).reveal();
    let mut flipped = URL_SAFE_NO_PAD.decode(&token).unwrap();
    *flipped.last_mut().unwrap() ^= 1;
    let flipped = URL_SAFE_NO_PAD.encode(flipped);
    let unknown_hold = invented(right.event, HoldId::generate()).reveal();
    let other_event = invented(EventId(i64::MIN), right.hold).reveal();
    for bad in [
        "",
        " ",
        "x",
        "null",
        &token[..token.len() - 1],
        &token[1..],
        &format!("{token}A"),
        &format!("{token}AAAA"),
        &format!("{token}="),
        &format!(" {token}"),
        &format!("{token}\n"),
        &token.to_lowercase(),
        hold_id,
        &event.id,
        &guessed,
        &flipped,
        &unknown_hold,
        &other_event,
    ] {
        assert_worthless(&buyer, &event, bad, &before).await;
    }
    // It is the hold's owner who asked: the right token does work.
    let released = buyer.release(&token, None).await;
    assert_eq!(released.data()["__typename"], "SeatsReleased");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_event_adds_to_no_hold() {
    let house = House::open().await;
    let buyer = house.buyer("anna");
    let (event, other) = (house.event(1, 2).await, house.event(1, 2).await);
    let held = buyer.hold(&other.id, &other.seats[..1]).await;
    let before = Digest::of(&house).await;
    let answer = buyer
        .hold_into(&event.id, &event.seats[..1], Some(&token_of(&held)))
        .await;
    assert_refusal(&answer, "HoldNotFound", "HOLD_NOT_FOUND");
    before.assert_unchanged("a token of another event").await;
    // A forged one that says so itself, with the hold and the secret of the real one.
    let mut bytes = URL_SAFE_NO_PAD.decode(token_of(&held)).unwrap();
    bytes[..8].copy_from_slice(&1_i64.to_be_bytes());
    let forged = URL_SAFE_NO_PAD.encode(bytes);
    assert_worthless(&buyer, &event, &forged, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_in_buyers_token_is_worthless_to_everybody_else() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let anna = house.buyer("anna");
    let held = anna.hold(&event.id, &event.seats[..1]).await;
    let token = token_of(&held);
    let before = Digest::of(&house).await;
    for caller in [
        house.buyer("bert"),
        house.buyer("Anna"),
        house.buyer("anna "),
        house.visitor(),
    ] {
        assert_worthless(&caller, &event, &token, &before).await;
    }
    // But for staff: a payment webhook confirms for the buyer.
    let confirmed = house.staff().confirm(&token).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    let reference = confirmed.data()["booking"]["reference"].clone();
    let query = "query($reference: String!) { booking(reference: $reference) { id } }";
    let booking = anna
        .ask(query, serde_json::json!({"reference": reference}))
        .await;
    assert!(
        booking.data()["booking"]["id"].is_string(),
        "it is the buyer's booking"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_over_takes_no_more_seats() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let released = token_of(&buyer.hold(&event.id, &event.seats[..1]).await);
    buyer.release(&released, None).await.data();
    let confirmed = token_of(&buyer.hold(&event.id, &event.seats[1..2]).await);
    buyer.confirm(&confirmed).await.data();
    let before = Digest::of(&house).await;
    for token in [&released, &confirmed] {
        let answer = buyer
            .hold_into(&event.id, &event.seats[2..], Some(token))
            .await;
        assert_refusal(&answer, "HoldEnded", "HOLD_ENDED");
        before.assert_unchanged("a hold that is over").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_is_none_finds_no_booking() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let visitor = house.visitor();
    let token = token_of(&visitor.hold(&event.id, &event.seats).await);
    let booked = visitor.confirm(&token).await;
    let reference = booked.data()["booking"]["reference"].as_str().unwrap();
    let query = "query($reference: String!, $token: String) { \
        booking(reference: $reference, token: $token) { id } }";
    let staff = house.staff();
    let before = Digest::of(&house).await;
    for malformed in [
        "",
        "-",
        " ",
        "1",
        "1-ABC",
        "0000-0001",
        "1-ABCU-EFGH",
        "1-ABCD_EFGH",
        "1-ABCD-EFGÄ",
        "ZZZZZZZZZZZZZZ-0000-0001",
        &"1".repeat(65),
        &format!("{reference}'"),
        &format!("{reference}\n"),
    ] {
        let answer = staff.ask(query, json!({"reference": malformed})).await;
        assert_error(&answer, "BAD_USER_INPUT");
    }
    // Well-formed, and of no booking.
    let mut last = reference.to_owned();
    let digit = if last.pop() == Some('0') { '1' } else { '0' };
    last.push(digit);
    for unknown in [
        "1-0000-0000",
        "7ZZZZZZZZZZZZ-ZZZZ-ZZZZ",
        "2-ABCD-EFGH",
        &last,
    ] {
        let answer = staff.ask(query, json!({"reference": unknown})).await;
        assert!(answer.data()["booking"].is_null(), "{unknown}");
    }
    // The right reference with what is not its token.
    for bad in ["", "x", &token[1..], &token.to_lowercase()] {
        let variables = json!({"reference": reference, "token": bad});
        let answer = visitor.ask(query, variables).await;
        assert!(answer.data()["booking"].is_null(), "{bad}");
    }
    let variables = json!({"reference": reference, "token": token});
    let answer = visitor.ask(query, variables).await;
    assert!(answer.data()["booking"].is_object(), "the right ones do");
    before.assert_unchanged("looking for bookings").await;
}
