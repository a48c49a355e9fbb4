//! What each seat of a hold and of a booking costs: fixed when it is held.

use super::{event_key, event_of_two_categories, token_of};
use crate::support::House;
use crate::support::actor::Actor;
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

const PRICED: &str = "total { amountMinor currency } \
    lineItems { seat { id price { amountMinor } } price { amountMinor currency } }";

/// The amounts of the line items, in their order; fails unless they come to the total.
fn amounts(of: &Value) -> Vec<i64> {
    let items = of["lineItems"].as_array().unwrap();
    let amounts: Vec<i64> = items
        .iter()
        .map(|item| {
            assert_eq!(item["price"]["currency"], of["total"]["currency"]);
            item["price"]["amountMinor"].as_i64().unwrap()
        })
        .collect();
    assert_eq!(of["total"]["amountMinor"], amounts.iter().sum::<i64>());
    amounts
}

async fn hold_of(caller: &Actor, token: &str) -> Value {
    let query = format!("query($token: String!) {{ hold(token: $token) {{ {PRICED} }} }}");
    let answer = caller.ask(&query, json!({"token": token})).await;
    answer.data()["hold"].clone()
}

async fn booking_of(caller: &Actor, reference: &Value) -> Value {
    let query =
        format!("query($reference: String!) {{ booking(reference: $reference) {{ {PRICED} }} }}");
    let answer = caller.ask(&query, json!({"reference": reference})).await;
    answer.data()["booking"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_keeps_the_price_that_it_was_held_at() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats[7..9]).await);
    assert_eq!(amounts(&hold_of(&buyer, &token).await), [4_500, 1_250]);

    let dearer = format!(
        "UPDATE event_prices SET amount_minor = amount_minor + 100 WHERE event_id = {}",
        event_key(&event)
    );
    house.sql().await.batch_execute(&dearer).await.unwrap();
    // Of the same two categories, one before those that it has and one after.
    let more = [&event.seats[..1], &event.seats[9..10]].concat();
    let grown = buyer.hold_into(&event.id, &more, Some(&token)).await;
    token_of(&grown);
    let hold = hold_of(&buyer, &token).await;
    assert_eq!(amounts(&hold), [4_600, 4_500, 1_250, 1_350]);
    let places = [0, 7, 8, 9];
    for (item, place) in hold["lineItems"].as_array().unwrap().iter().zip(places) {
        assert_eq!(item["seat"]["id"], event.seats[place].id);
        let now = if place < 8 { 4_600 } else { 1_350 };
        assert_eq!(
            item["seat"]["price"]["amountMinor"], now,
            "what is asked now"
        );
    }
    let left: &[&str] = &[&event.seats[7].id];
    buyer.release(&token, Some(left)).await.data();
    assert_eq!(
        amounts(&hold_of(&buyer, &token).await),
        [4_600, 1_250, 1_350]
    );

    house.sql().await.batch_execute(&dearer).await.unwrap();
    let confirmed = buyer.confirm(&token).await;
    let reference = &confirmed.data()["booking"]["reference"];
    let booking = booking_of(&buyer, reference).await;
    assert_eq!(amounts(&booking), [4_600, 1_250, 1_350]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_booking_still_says_what_it_cost() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let buyer = house.buyer("anna");
    let booking = super::book(&buyer, &event, &event.seats[6..9]).await;
    let some = buyer.cancel(&booking, Some(&event.seats[7..8])).await;
    let some = &some.data()["booking"];
    assert_eq!(amounts(some), [4_500, 1_250]);
    let all = buyer.cancel(some, None).await;
    assert_eq!(amounts(&all.data()["booking"]), [4_500, 1_250]);
    let seen = booking_of(&buyer, &booking["reference"]).await;
    assert_eq!(amounts(&seen), [4_500, 1_250]);
}
