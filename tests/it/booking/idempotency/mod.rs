//! Requests that are sent again, because nobody knows whether they were done.

mod kept_keys;
mod lost_answers;

use super::{states, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::{Answer, Event, House, Seat};
use futures_util::future::join_all;
use serde_json::{Value, json};

const KEY: &str = "3f0c9a52-6a1e-4a75-9f0e-0d6b6f9a7f11";

/// `holdSeats` for these seats under this key.
fn holding(event: &Event, seats: &[Seat], key: &str) -> Value {
    let seats: Vec<Value> = seats.iter().map(Seat::input).collect();
    json!({"eventId": event.id, "seats": seats, "idempotencyKey": key})
}

/// The same answer, but for how many transactions it took to give it.
fn assert_same(first: &Answer, again: &Answer) {
    let without_attempts = |answer: &Answer| {
        let mut data = answer.data().clone();
        data.as_object_mut().unwrap().remove("attempts");
        data
    };
    assert_eq!(without_attempts(first), without_attempts(again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_answered_again_whatever_has_become_of_it() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    for buyer in [house.visitor(), house.buyer("anna")] {
        let free = buyer.seats(&event.id).await;
        let input = holding(&event, &free[..2], KEY);
        let held = buyer.hold_input(&input).await;
        let token = token_of(&held);
        assert_same(&held, &buyer.hold_input(&input).await);
        // The token works, the second time as well as the first.
        let released = buyer.release(&token, None).await;
        assert_eq!(released.data()["__typename"], "SeatsReleased");
        let before = Digest::of(&house).await;
        assert_same(&held, &buyer.hold_input(&input).await);
        before.assert_unchanged("a hold that was released").await;
    }
    let mut sql = house.sql().await;
    assert_eq!(checks::count(&mut sql, "holds").await, 2);
    assert_eq!(
        checks::count(&mut sql, "idempotency_keys WHERE outcome IS NOT NULL").await,
        2,
        "the visitor's key is not Anna's"
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn releasing_and_confirming_are_answered_again() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats[..3]).await);
    let some = json!({"token": token, "seatIds": [event.seats[0].id], "idempotencyKey": "r1"});
    let rest = json!({"token": token, "idempotencyKey": "c1"});
    let released = buyer.release_input(&some).await;
    assert_eq!(states(&released.data()["seats"]), [("AVAILABLE", 3)]);
    let confirmed = buyer.confirm_input(&rest).await;
    assert_eq!(
        states(&confirmed.data()["booking"]["seats"]),
        [("BOOKED", 3); 2]
    );
    // Meanwhile somebody else has the seat that was given back.
    house
        .buyer("ben")
        .hold(
            &event.id,
            &[Seat {
                version: 3,
                ..event.seats[0].clone()
            }],
        )
        .await;
    let before = Digest::of(&house).await;
    assert_same(&released, &buyer.release_input(&some).await);
    assert_same(&confirmed, &buyer.confirm_input(&rest).await);
    before.assert_unchanged("what was done before").await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_equal_requests_at_once_one_is_done_and_all_are_answered_the_same() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.visitor();
    let input = holding(&event, &event.seats, KEY);
    let answers = join_all((0..20).map(|_| buyer.hold_input(&input))).await;
    for answer in &answers {
        assert_eq!(answer.data()["__typename"], "SeatsHeld");
        assert_same(&answers[0], answer);
    }
    let mut sql = house.sql().await;
    assert_eq!(checks::count(&mut sql, "holds").await, 1);
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 2);
    // Without a key one wins, and the others have lost to it.
    let event = house.event(1, 2).await;
    let answers = join_all((0..20).map(|_| buyer.hold(&event.id, &event.seats))).await;
    let lost = answers
        .iter()
        .filter(|answer| answer.data()["__typename"] == "SeatConflict");
    assert_eq!(lost.count(), 19);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_a_used_key_is_an_error() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let buyer = house.buyer("anna");
    let held = buyer
        .hold_input(&holding(&event, &event.seats[..1], "k"))
        .await;
    let token = token_of(&held);
    let before = Digest::of(&house).await;
    let other_seat = holding(&event, &event.seats[1..2], "k");
    let mut other_version = holding(&event, &event.seats[..1], "k");
    other_version["seats"][0]["version"] = json!(2);
    let mut other_policy = holding(&event, &event.seats[..1], "k");
    other_policy["onConflict"] = json!("RETRY");
    let mut into_hold = holding(&event, &event.seats[..1], "k");
    into_hold["holdToken"] = json!(token);
    let mut into_no_hold = holding(&event, &event.seats[..1], "k");
    into_no_hold["holdToken"] = json!("no token at all");
    for other in [
        other_seat,
        other_version,
        other_policy,
        into_hold,
        into_no_hold,
    ] {
        let answer = buyer.hold_input(&other).await;
        assert_eq!(answer.error_code(), "IDEMPOTENCY_KEY_REUSED", "{other}");
        let message = answer.error_message();
        assert!(message.starts_with("input.idempotencyKey: "), "{message}");
    }
    let release = json!({"token": token, "idempotencyKey": "k"});
    let answer = buyer.release_input(&release).await;
    assert_eq!(answer.error_code(), "IDEMPOTENCY_KEY_REUSED");
    before.assert_unchanged("another request").await;
    // To somebody else the same key means nothing.
    let ben = house.buyer("ben");
    let held = ben
        .hold_input(&holding(&event, &event.seats[1..2], "k"))
        .await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_remembered() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, ben) = (house.buyer("anna"), house.buyer("ben"));
    let annas = token_of(&anna.hold(&event.id, &event.seats).await);
    let again = [Seat {
        version: 3,
        ..event.seats[0].clone()
    }];
    let input = holding(&event, &again, "k");
    let refused = ben.hold_input(&input).await;
    assert_eq!(refused.data()["__typename"], "SeatConflict");
    anna.release(&annas, None).await;
    // Judged afresh: the seat is there at that version now.
    let held = ben.hold_input(&input).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_neither_empty_nor_endless_nor_a_visitors_guessable_one() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (visitor, buyer) = (house.visitor(), house.buyer("anna"));
    let before = Digest::of(&house).await;
    let long = "ä".repeat(256);
    for (caller, key) in [
        (&visitor, ""),
        (&visitor, "fifteen letters"),
        (&visitor, long.as_str()),
        (&buyer, ""),
        (&buyer, long.as_str()),
    ] {
        let token = json!({"token": "none", "idempotencyKey": key});
        for answer in [
            caller.hold_input(&holding(&event, &event.seats, key)).await,
            caller.release_input(&token).await,
            caller.confirm_input(&token).await,
        ] {
            assert_eq!(answer.error_code(), "BAD_USER_INPUT", "{key:?}");
            let message = answer.error_message();
            assert!(message.starts_with("input.idempotencyKey: "), "{message}");
        }
    }
    before.assert_unchanged("a bad key").await;
    let longest = "ä".repeat(255);
    let answer = buyer
        .hold_input(&holding(&event, &event.seats, &longest))
        .await;
    assert_eq!(answer.data()["__typename"], "SeatsHeld");
}
