//! Giving booked seats back: some, all, twice, and other people's.

use super::{
    book, change_event, event_of_two_categories, seats_of, seen_at, states, tally, token_of,
};
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::{House, Seat};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread")]
async fn some_seats_of_a_booking_are_given_back_and_refunded() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let buyer = house.buyer("anna");
    let booking = book(&buyer, &event, &event.seats[6..10]).await;
    assert_eq!(booking["version"], 1);
    // In no order, and one of them named twice: it is given back once.
    let named = [8, 7, 8].map(|place: usize| event.seats[place].clone());
    let cancelled = buyer.cancel(&booking, Some(&named)).await;
    let data = cancelled.data();
    assert_eq!(data["__typename"], "BookingCancelled");
    assert_eq!(data["attempts"], 1);
    let refund = json!({"amountMinor": 4_500 + 1_250, "currency": "EUR"});
    assert_eq!(data["refund"], refund);
    assert_eq!(states(&data["seats"]), [("AVAILABLE", 4); 2]);
    let ids: Vec<&Value> = data["seats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seat| &seat["id"])
        .collect();
    assert_eq!(ids, [&event.seats[7].id, &event.seats[8].id]);
    let left = &data["booking"];
    assert_eq!(left["version"], 2);
    assert_eq!(left["status"], "CONFIRMED");
    assert_eq!(left["total"]["amountMinor"], 4_500 + 1_250);
    assert_eq!(states(&left["seats"]), [("BOOKED", 3); 2]);
    assert_eq!(left["seats"][1]["id"], event.seats[9].id);
    let seen = seen_at(&buyer, &event, &cancelled).await;
    let available = ("AVAILABLE".to_owned(), 4);
    assert_eq!(seen[7..9], [available.clone(), available]);
    let causes = "seat_changes WHERE cause = 'CANCELLED' AND actor = 'buyer:anna' \
                  AND status = 'AVAILABLE' AND owner_id IS NULL";
    assert_eq!(checks::count(&mut house.sql().await, causes).await, 2);
    // With what the answer says, somebody else holds them without another query.
    let held = house
        .visitor()
        .hold(&event.id, &seats_of(&data["seats"]))
        .await;
    token_of(&held);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_loses_its_last_seat_is_cancelled_and_keeps_its_record() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let buyer = house.buyer("anna");
    // All at once, all by name, and one after the other.
    let at_once = book(&buyer, &event, &event.seats[..1]).await;
    let by_name = book(&buyer, &event, &event.seats[1..2]).await;
    let in_steps = book(&buyer, &event, &event.seats[2..]).await;
    let first = buyer.cancel(&in_steps, Some(&event.seats[2..3])).await;
    let in_steps = first.data()["booking"].clone();
    for (booking, named, place) in [
        (&at_once, None, 0),
        (&by_name, Some(&event.seats[1..2]), 1),
        (&in_steps, Some(&event.seats[3..]), 3),
    ] {
        let cancelled = buyer.cancel(booking, named).await;
        let data = cancelled.data();
        assert_eq!(data["refund"]["amountMinor"], 1_000);
        let after = &data["booking"];
        assert_eq!(after["status"], "CANCELLED");
        let version = booking["version"].as_i64().unwrap();
        assert_eq!(after["version"], version + 1);
        assert_eq!(after["total"]["amountMinor"], 1_000, "the record stays");
        assert_eq!(after["seats"][0]["id"], event.seats[place].id);
        assert_eq!(states(&after["seats"]), [("AVAILABLE", 4)]);
        let seen = seen_at(&buyer, &event, &cancelled).await;
        assert_eq!(seen[place], ("AVAILABLE".to_owned(), 4));

        // Twice: with what was seen before, and with what is there now.
        let before = Digest::of(&house).await;
        let again = buyer.cancel(booking, named).await;
        let conflict = again.data();
        assert_eq!(conflict["__typename"], "BookingVersionConflict");
        assert_eq!(conflict["code"], "VERSION_CONFLICT");
        assert_eq!(conflict["expectedVersion"], version);
        assert_eq!(&conflict["booking"], after);
        let again = buyer.cancel(after, named).await;
        assert_eq!(again.data()["__typename"], "BookingEnded");
        assert_eq!(again.data()["code"], "BOOKING_ENDED");
        before.assert_unchanged("cancelling twice").await;
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_cancelled_by_its_owner_and_by_staff_only() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let (anna, visitor) = (house.buyer("anna"), house.visitor());
    let annas = book(&anna, &event, &event.seats[..1]).await;
    let token = token_of(&visitor.hold(&event.id, &event.seats[1..2]).await);
    let visitors = visitor.confirm(&token).await.data()["booking"].clone();
    let annas_token = token_of(&anna.hold(&event.id, &event.seats[2..]).await);
    let second = anna.confirm(&annas_token).await.data()["booking"].clone();
    let with_token = |booking: &Value, token: &str| json!({"reference": booking["reference"], "version": 1, "token": token});
    let before = Digest::of(&house).await;
    for (caller, input) in [
        (&house.buyer("bert"), with_token(&annas, "x")),
        (&house.buyer("bert"), with_token(&second, &annas_token)),
        (&visitor, with_token(&second, &annas_token)),
        (&visitor, with_token(&annas, &token)),
        (&visitor, with_token(&visitors, "")),
        (&visitor, with_token(&visitors, &annas_token)),
        (&anna, with_token(&visitors, &annas_token)),
    ] {
        let answer = caller.cancel_input(&input).await;
        assert_eq!(answer.data()["__typename"], "BookingNotFound");
        assert_eq!(answer.data()["code"], "BOOKING_NOT_FOUND");
    }
    before.assert_unchanged("other people's bookings").await;
    let own = anna.cancel(&annas, None).await;
    assert_eq!(own.data()["__typename"], "BookingCancelled");
    let own = visitor.cancel_input(&with_token(&visitors, &token)).await;
    assert_eq!(own.data()["__typename"], "BookingCancelled");
    let by_staff = house.staff().cancel(&second, None).await;
    assert_eq!(by_staff.data()["__typename"], "BookingCancelled");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_cancelled_whatever_became_of_the_event() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let booking = book(&buyer, &event, &event.seats).await;
    change_event(&house, &event, "status = 'CLOSED'").await;
    let some = buyer.cancel(&booking, Some(&event.seats[..1])).await;
    assert_eq!(some.data()["__typename"], "BookingCancelled");
    change_event(&house, &event, "status = 'CANCELLED'").await;
    let rest = buyer.cancel(&some.data()["booking"], None).await;
    assert_eq!(rest.data()["__typename"], "BookingCancelled");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_does_not_count_against_the_buyer() {
    let house = House::open().await;
    let draft = house.draft(1, 4, json!({"maxSeatsPerBuyer": 2})).await;
    let event = house.open_sale(draft).await;
    let buyer = house.buyer("anna");
    let booking = book(&buyer, &event, &event.seats[..2]).await;
    let refused = buyer.hold(&event.id, &event.seats[2..3]).await;
    assert_eq!(refused.data()["code"], "LIMIT_EXCEEDED");
    buyer.cancel(&booking, Some(&event.seats[..1])).await.data();
    token_of(&buyer.hold(&event.id, &event.seats[2..3]).await);
    assert_sound(&house).await;
}

/// The version lets one of them through: without it each would find a booking of two
/// seats to take one of.
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_cancel_one_version_one_wins() {
    let house = House::open().await;
    let event = house.event(1, 20).await;
    let buyer = house.buyer("anna");
    let booking = book(&buyer, &event, &event.seats).await;
    let answers = join_all(
        event
            .seats
            .iter()
            .map(|seat| buyer.cancel(&booking, Some(std::slice::from_ref(seat)))),
    )
    .await;
    let expected = [("BookingCancelled", 1), ("BookingVersionConflict", 19)];
    assert_eq!(tally(&answers), BTreeMap::from(expected));
    for answer in &answers {
        let now = &answer.data()["booking"];
        assert_eq!(now["version"], 2);
        assert_eq!(now["seats"].as_array().unwrap().len(), 19);
    }
    let mut sql = house.sql().await;
    let available = "seats WHERE status = 'AVAILABLE'";
    assert_eq!(checks::count(&mut sql, available).await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_cancel_and_an_exchange_of_one_version_one_wins() {
    let house = House::open().await;
    let event = house.event(5, 3).await;
    for row in event.seats.chunks(3) {
        let buyer = house.buyer("anna");
        let booking = book(&buyer, &event, &row[..2]).await;
        let (cancelled, exchanged) = tokio::join!(
            buyer.cancel(&booking, None),
            buyer.exchange_booked(&booking, &row[..1], &row[2..]),
        );
        let kinds = [&cancelled, &exchanged].map(|answer| &answer.data()["__typename"]);
        let one_won = kinds == ["BookingCancelled", "BookingVersionConflict"]
            || kinds == ["BookingVersionConflict", "SeatsExchanged"];
        assert!(one_won, "{kinds:?}");
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_under_a_key_is_answered_again() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let booking = book(&buyer, &event, &event.seats).await;
    let input = |seats: &[Seat]| {
        let ids: Vec<&str> = seats.iter().map(|seat| seat.id.as_str()).collect();
        json!({"reference": booking["reference"], "version": 1, "seatIds": ids,
               "idempotencyKey": "refund 1"})
    };
    let first = buyer.cancel_input(&input(&event.seats[..1])).await;
    assert_eq!(first.data()["__typename"], "BookingCancelled");
    // The world moves on: the seat is somebody else's, and the rest is cancelled.
    let bert = house.buyer("bert");
    token_of(
        &bert
            .hold(&event.id, &seats_of(&first.data()["seats"]))
            .await,
    );
    let rest = buyer.cancel(&first.data()["booking"], None).await;
    assert_eq!(rest.data()["booking"]["status"], "CANCELLED");
    let before = Digest::of(&house).await;
    let again = buyer.cancel_input(&input(&event.seats[..1])).await;
    assert_eq!(again.data(), first.data());
    let other = buyer.cancel_input(&input(&event.seats[1..])).await;
    assert_eq!(other.error_code(), "IDEMPOTENCY_KEY_REUSED");
    before.assert_unchanged("the same key").await;
    assert_sound(&house).await;
}
