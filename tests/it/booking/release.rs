//! Giving held seats back: all, some, none of them.

use super::{seats_of, states, token_of};
use crate::support::House;
use crate::support::actor::Actor;
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use serde_json::{Value, json};

async fn hold_of(caller: &Actor, token: &str) -> Value {
    let query = "query($token: String!) { hold(token: $token) { \
        id total { amountMinor } seats { id status version } } }";
    let answer = caller.ask(query, json!({"token": token})).await;
    answer.data()["hold"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_hold_is_given_back_and_can_be_held_again() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats).await);
    let released = buyer.release(&token, None).await;
    let data = released.data();
    assert_eq!(data["__typename"], "SeatsReleased");
    assert_eq!(data["hold"], Value::Null, "nothing is left");
    assert_eq!(states(&data["seats"]), [("AVAILABLE", 3); 3]);
    assert_eq!(hold_of(&buyer, &token).await, Value::Null);
    let causes = "seat_changes WHERE cause = 'RELEASED' AND actor = 'buyer:anna'";
    assert_eq!(checks::count(&mut house.sql().await, causes).await, 3);
    // With what the answer says, somebody else holds them without another query.
    let held = house
        .visitor()
        .hold(&event.id, &seats_of(&data["seats"]))
        .await;
    assert_eq!(states(&held.data()["hold"]["seats"]), [("HELD", 4); 3]);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_of_a_hold_is_given_back_and_the_rest_is_booked() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats).await;
    let token = token_of(&held);
    // In no order, and one of them named twice: it is given back once.
    let named = [3, 1, 3].map(|seat: usize| event.seats[seat].id.as_str());
    let released = buyer.release(&token, Some(&named)).await;
    let data = released.data();
    assert_eq!(states(&data["seats"]), [("AVAILABLE", 3); 2]);
    assert_eq!(data["seats"][0]["id"], event.seats[1].id);
    assert_eq!(data["seats"][1]["id"], event.seats[3].id);
    assert_eq!(data["hold"]["id"], held.data()["hold"]["id"]);
    assert_eq!(data["hold"]["total"]["amountMinor"], 2_000);
    assert_eq!(states(&data["hold"]["seats"]), [("HELD", 2); 2]);
    let left = hold_of(&buyer, &token).await;
    assert_eq!(left["seats"][1]["id"], event.seats[2].id);
    assert_eq!(left["total"]["amountMinor"], 2_000);

    let confirmed = buyer.confirm(&token).await;
    let booking = &confirmed.data()["booking"];
    assert_eq!(booking["total"]["amountMinor"], 2_000);
    assert_eq!(states(&booking["seats"]), [("BOOKED", 3); 2]);
    assert_eq!(booking["seats"][0]["id"], event.seats[0].id);
    assert_eq!(booking["seats"][1]["id"], event.seats[2].id);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_whose_seats_are_given_back_one_by_one_ends_with_the_last() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let visitor = house.visitor();
    let token = token_of(&visitor.hold(&event.id, &event.seats).await);
    for (index, seat) in event.seats.iter().enumerate() {
        let released = visitor.release(&token, Some(&[&seat.id])).await;
        let left = &released.data()["hold"];
        let total = left["total"]["amountMinor"].as_i64().unwrap_or_default();
        assert_eq!(total, 1_000 * (2 - i64::try_from(index).unwrap()));
        assert_eq!(left.is_null(), index == 2);
    }
    let ended = visitor.confirm(&token).await;
    assert_eq!(ended.data()["code"], "HOLD_ENDED");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_not_in_the_hold_is_not_given_back() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats[..2]).await);
    bert.hold(&event.id, &event.seats[2..3]).await.data();
    let gone = &event.seats[1].id;
    anna.release(&token, Some(&[gone])).await.data();
    let before = Digest::of(&house).await;
    // Somebody else's, nobody's, and one that was given back before.
    for seat in [&event.seats[2].id, &event.seats[3].id, gone] {
        for named in [vec![seat.as_str()], vec![&event.seats[0].id, seat]] {
            let answer = anna.release(&token, Some(&named)).await;
            assert_eq!(answer.error_code(), "BAD_USER_INPUT");
            before
                .assert_unchanged("a seat that is not in the hold")
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_over_is_not_released_again() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let released = token_of(&buyer.hold(&event.id, &event.seats[..1]).await);
    buyer.release(&released, None).await.data();
    let booked = token_of(&buyer.hold(&event.id, &event.seats[1..]).await);
    buyer.confirm(&booked).await.data();
    let before = Digest::of(&house).await;
    for (token, said) in [(&released, "released"), (&booked, "booking")] {
        for seats in [None, Some(&[event.seats[1].id.as_str()][..])] {
            let answer = buyer.release(token, seats).await;
            assert_eq!(answer.data()["__typename"], "HoldEnded");
            assert_eq!(answer.data()["code"], "HOLD_ENDED");
            let message = answer.data()["message"].as_str().unwrap();
            assert!(message.contains(said), "{message}");
            before.assert_unchanged("a release of what is over").await;
        }
    }
    let confirmed = buyer.confirm(&released).await;
    assert_eq!(confirmed.data()["code"], "HOLD_ENDED");
    before
        .assert_unchanged("a confirm of what was released")
        .await;
    assert_sound(&house).await;
}
