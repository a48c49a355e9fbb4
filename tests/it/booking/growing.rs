//! Adding seats to a hold that is running.

use super::{event_of_two_categories, seats_of, states, token_of};
use crate::support::House;
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use futures_util::future::join_all;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_grows_at_its_price_and_keeps_its_time_and_token() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[4..6]).await;
    let token = token_of(&held);
    let more = [&event.seats[8..9], &event.seats[..1]].concat();
    let grown = buyer.hold_into(&event.id, &more, Some(&token)).await;
    assert_eq!(token_of(&grown), token);
    let (before, after) = (&held.data()["hold"], &grown.data()["hold"]);
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["expiresAt"], before["expiresAt"]);
    let total = json!({"amountMinor": 3 * 4_500 + 1_250, "currency": "EUR"});
    assert_eq!(after["total"], total);
    assert_eq!(states(&after["seats"]), [("HELD", 2); 4]);
    let ids: Vec<String> = seats_of(&after["seats"])
        .into_iter()
        .map(|seat| seat.id)
        .collect();
    let in_order = [0, 4, 5, 8].map(|seat: usize| event.seats[seat].id.clone());
    assert_eq!(ids, in_order, "in the plan's order");
    let mut sql = house.sql().await;
    let as_long = "seats s JOIN holds h ON s.owner_id = h.id AND s.held_until = h.expires_at";
    assert_eq!(
        checks::count(&mut sql, as_long).await,
        4,
        "the new ones, too"
    );

    let confirmed = buyer.confirm(&token).await;
    assert_eq!(confirmed.data()["booking"]["total"], total);
    assert_eq!(
        states(&confirmed.data()["booking"]["seats"]),
        [("BOOKED", 3); 4]
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_limit_counts_the_seats_of_the_hold() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({"maxSeatsPerHold": 3})).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats[..2]).await);
    let before = Digest::of(&house).await;
    let answer = buyer
        .hold_into(&event.id, &event.seats[2..4], Some(&token))
        .await;
    assert_eq!(answer.data()["code"], "LIMIT_EXCEEDED");
    assert_eq!(answer.data()["limit"], 3);
    assert_eq!(answer.data()["requested"], 4);
    before.assert_unchanged("a seat too many").await;
    let third = buyer
        .hold_into(&event.id, &event.seats[2..3], Some(&token))
        .await;
    assert_eq!(third.data()["hold"]["seats"].as_array().unwrap().len(), 3);
    // One that was given back makes room.
    buyer
        .release(&token, Some(&[&event.seats[0].id]))
        .await
        .data();
    let again = buyer
        .hold_into(&event.id, &event.seats[3..4], Some(&token))
        .await;
    assert_eq!(again.data()["__typename"], "SeatsHeld");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_leaves_the_hold_as_it_was() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats[..1]).await);
    bert.hold(&event.id, &event.seats[2..3]).await.data();
    let before = Digest::of(&house).await;
    let answer = anna
        .hold_into(&event.id, &event.seats[1..], Some(&token))
        .await;
    let data = answer.data();
    assert_eq!(data["code"], "SEAT_CONFLICT");
    assert_eq!(data["conflicts"].as_array().unwrap().len(), 1);
    assert_eq!(data["conflicts"][0]["seat"]["id"], event.seats[2].id);
    before.assert_unchanged("a lost race").await;
    let confirmed = anna.confirm(&token).await;
    let booking = &confirmed.data()["booking"];
    assert_eq!(booking["seats"].as_array().unwrap().len(), 1);
    assert_eq!(booking["total"]["amountMinor"], 1_000);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_grows_many_times_at_once_has_every_seat_and_every_price() {
    let house = House::open().await;
    let event = house.event(1, 21).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats[..1]).await);
    let grown = join_all(event.seats[1..].iter().map(|seat| {
        let (buyer, event, token) = (&buyer, &event, &token);
        async move {
            buyer
                .hold_into(&event.id, std::slice::from_ref(seat), Some(token))
                .await
        }
    }))
    .await;
    for answer in &grown {
        assert_eq!(token_of(answer), token);
    }
    let confirmed = buyer.confirm(&token).await;
    let booking = &confirmed.data()["booking"];
    assert_eq!(states(&booking["seats"]), [("BOOKED", 3); 21]);
    assert_eq!(booking["total"]["amountMinor"], 21_000);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_hold_is_grown_and_confirmed_by_whoever_has_its_token() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let token = token_of(&house.visitor().hold(&event.id, &event.seats[..1]).await);
    // Who signs in on the way to the till goes on with the hold.
    let anna = house.buyer("anna");
    let grown = anna
        .hold_into(&event.id, &event.seats[1..], Some(&token))
        .await;
    assert_eq!(token_of(&grown), token);
    let confirmed = anna.confirm(&token).await;
    assert_eq!(confirmed.data()["booking"]["total"]["amountMinor"], 2_000);
    assert_sound(&house).await;
}
