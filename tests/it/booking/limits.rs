//! How much of an event one buyer may have.

use super::{lapse, lapse_all, leaving, published, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::house::concurrency;
use crate::support::lock::Lock;
use crate::support::{Answer, Event, House, Seat, eventually, insist};
use futures_util::future::join_all;
use serde_json::{Value, json};
use usher::config::Concurrency;

async fn event_with(house: &House, limits: Value) -> Event {
    house.open_sale(house.draft(10, 10, limits).await).await
}

/// Which limit was exceeded, what is allowed, and what it would have come to.
fn exceeded(answer: &Answer) -> (&str, i64, i64) {
    let data = answer.data();
    assert_eq!(data["__typename"], "LimitExceeded", "{data}");
    assert_eq!(data["code"], "LIMIT_EXCEEDED");
    let number = |field: &str| data[field].as_i64().unwrap();
    (
        data["kind"].as_str().unwrap(),
        number("limit"),
        number("requested"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_of_a_buyer_are_counted_over_holds_and_bookings() {
    let house = House::open().await;
    let event = event_with(&house, json!({"maxSeatsPerBuyer": 5})).await;
    let (anna, ben) = (house.buyer("anna"), house.buyer("ben"));
    let booked = token_of(&anna.hold(&event.id, &event.seats[..2]).await);
    anna.confirm(&booked).await;
    let held = token_of(&anna.hold(&event.id, &event.seats[2..4]).await);
    let refused = anna.hold(&event.id, &event.seats[4..6]).await;
    assert_eq!(exceeded(&refused), ("SEATS_PER_BUYER", 5, 6));
    let refused = anna
        .hold_into(&event.id, &event.seats[4..6], Some(&held))
        .await;
    assert_eq!(exceeded(&refused), ("SEATS_PER_BUYER", 5, 6));
    let into = anna
        .hold_into(&event.id, &event.seats[4..5], Some(&held))
        .await;
    assert_eq!(into.data()["__typename"], "SeatsHeld", "the fifth");
    // Another buyer and another event have limits of their own.
    let bens = ben.hold(&event.id, &event.seats[5..10]).await;
    assert_eq!(bens.data()["__typename"], "SeatsHeld");
    let other = event_with(&house, json!({"maxSeatsPerBuyer": 5})).await;
    let there = anna.hold(&other.id, &other.seats[..5]).await;
    assert_eq!(there.data()["__typename"], "SeatsHeld");
    // What is given back does not count any more.
    anna.release(&held, None).await;
    let again = anna.hold(&event.id, &event.seats[10..13]).await;
    assert_eq!(again.data()["__typename"], "SeatsHeld");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_holds_of_a_buyer_are_counted() {
    let house = House::open().await;
    let event = event_with(&house, json!({"maxHoldsPerBuyer": 2})).await;
    let anna = house.buyer("anna");
    let first = anna.hold(&event.id, &event.seats[..1]).await;
    let second = token_of(&anna.hold(&event.id, &event.seats[1..2]).await);
    let refused = anna.hold(&event.id, &event.seats[2..3]).await;
    assert_eq!(exceeded(&refused), ("HOLDS_PER_BUYER", 2, 3));
    let into = anna
        .hold_into(&event.id, &event.seats[2..3], Some(&second))
        .await;
    assert_eq!(into.data()["__typename"], "SeatsHeld", "no further hold");
    // A hold that has lapsed is over, and so is one that is confirmed.
    lapse(&house, &first).await;
    let third = anna.hold(&event.id, &event.seats[3..4]).await;
    anna.confirm(&token_of(&third)).await;
    let fourth = anna.hold(&event.id, &event.seats[4..5]).await;
    assert_eq!(fourth.data()["__typename"], "SeatsHeld");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_limits_count_per_hold_and_staff_are_not_limited() {
    let house = House::open().await;
    let limits = json!({"maxSeatsPerBuyer": 2, "maxHoldsPerBuyer": 1, "maxSeatsPerHold": 4});
    let event = event_with(&house, limits).await;
    let (visitor, staff) = (house.visitor(), house.staff());
    let refused = visitor.hold(&event.id, &event.seats[..3]).await;
    assert_eq!(exceeded(&refused), ("SEATS_PER_BUYER", 2, 3));
    for seats in event.seats[..6].chunks(2) {
        let held = visitor.hold(&event.id, seats).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld");
    }
    for seats in event.seats[6..14].chunks(4) {
        let held = staff.hold(&event.id, seats).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld");
    }
    let refused = staff.hold(&event.id, &event.seats[14..19]).await;
    assert_eq!(exceeded(&refused), ("SEATS_PER_HOLD", 4, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_counts_only_now_is_counted_when_it_is_confirmed() {
    let house = House::open().await;
    let event = event_with(&house, json!({"maxSeatsPerBuyer": 3})).await;
    let (anna, visitor) = (house.buyer("anna"), house.visitor());
    // Held before signing in.
    let before = token_of(&visitor.hold(&event.id, &event.seats[..2]).await);
    let held = token_of(&anna.hold(&event.id, &event.seats[2..4]).await);
    let refused = anna.confirm(&before).await;
    assert_eq!(exceeded(&refused), ("SEATS_PER_BUYER", 3, 4));
    let as_visitor = visitor.confirm(&before).await;
    assert_eq!(as_visitor.data()["__typename"], "HoldConfirmed");
    // Lapsed, and others held in its place: by its owner or by a webhook.
    lapse_all(&house, "buyer = 'anna'").await;
    let instead = token_of(&anna.hold(&event.id, &event.seats[4..6]).await);
    for caller in [&anna, &house.staff()] {
        let refused = caller.confirm(&held).await;
        assert_eq!(exceeded(&refused), ("SEATS_PER_BUYER", 3, 4));
    }
    anna.release(&instead, None).await;
    published(&house).await;
    let confirmed = anna.confirm(&held).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_who_races_himself_does_not_pass_his_limits() {
    let house = House::open().await;
    let limits = json!({"maxSeatsPerBuyer": 7, "maxHoldsPerBuyer": 3});
    let event = event_with(&house, limits).await;
    let anna = house.buyer("anna");
    let answers = join_all((0..50).map(|number| {
        let (anna, event) = (&anna, &event);
        let two = 2 * number..2 * number + 2;
        insist(async move || anna.hold(&event.id, &event.seats[two.clone()]).await)
    }))
    .await;
    let held: Vec<String> = answers
        .iter()
        .filter(|answer| answer.data()["__typename"] == "SeatsHeld")
        .map(token_of)
        .collect();
    assert_eq!(held.len(), 3);
    for answer in &answers {
        if answer.data()["__typename"] != "SeatsHeld" {
            exceeded(answer);
        }
    }
    // The same with requests that add to one hold.
    let map = anna.seat_map(&event.id).await;
    let seats = map["seats"].as_array().unwrap().iter();
    let free: Vec<Seat> = seats
        .filter(|seat| seat["status"] == "AVAILABLE")
        .map(Seat::from)
        .collect();
    let answers = join_all(free.chunks(1).take(50).map(|seat| {
        let (anna, event, held) = (&anna, &event, &held);
        insist(async move || anna.hold_into(&event.id, seat, Some(&held[0])).await)
    }))
    .await;
    let grown = answers
        .iter()
        .filter(|answer| answer.data()["__typename"] == "SeatsHeld");
    assert_eq!(grown.count(), 1, "the seventh seat");
    let mut sql = house.sql().await;
    assert_eq!(
        checks::count(&mut sql, "seats WHERE status = 'HELD'").await,
        7
    );
    assert_sound(&house).await;
}

/// A hold that runs out while it is being confirmed counts for its buyer all the same: as
/// the hold before, and as the booking after.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_runs_out_while_it_is_confirmed_is_counted() {
    let house = House::open().await;
    let event = event_with(&house, json!({"maxSeatsPerBuyer": 2})).await;
    let anna = house.buyer("anna");
    let held = anna.hold(&event.id, &event.seats[..2]).await;
    let mut sql = house.sql().await;
    // From here on the confirmation has two seconds to begin.
    let soon = leaving(2, &held);
    let mut seat = Lock::on_first_seat_after(&house.database_url, &soon).await;
    let confirming = tokio::spawn({
        let (anna, token) = (anna.clone(), token_of(&held));
        async move { anna.confirm(&token).await }
    });
    seat.is_wanted_by(1).await;
    eventually("the hold has run out", async || {
        let over = "holds WHERE status = 'ACTIVE' AND expires_at <= now()";
        (checks::count(&mut sql, over).await == 1).then_some(())
    })
    .await;
    let more = tokio::spawn({
        let (anna, event) = (anna.clone(), event.clone());
        async move { anna.hold(&event.id, &event.seats[2..4]).await }
    });
    if concurrency() != Concurrency::Serializable {
        // It waits for its turn.
        seat.is_wanted_by(2).await;
    }
    seat.let_go().await;
    let (confirmed, more) = (confirming.await.unwrap(), more.await.unwrap());
    let kinds = [&confirmed, &more].map(|answer| answer.data()["__typename"].clone());
    if concurrency() == Concurrency::Serializable {
        // Whichever is sent back sees what the other has done.
        let stood = kinds.iter().filter(|kind| **kind != "LimitExceeded");
        assert_eq!(stood.count(), 1, "{kinds:?}");
    } else {
        assert_eq!(kinds, ["HoldConfirmed", "LimitExceeded"]);
    }
    assert_sound(&house).await;
}

/// Whoever swaps seats for as many others asks for no more, whatever the limits have become.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_refused_who_asks_for_no_more_than_before() {
    let house = House::open().await;
    let event = event_with(&house, json!({"maxSeatsPerHold": 4, "maxSeatsPerBuyer": 4})).await;
    let (anna, staff) = (house.buyer("anna"), house.staff());
    let token = token_of(&anna.hold(&event.id, &event.seats[..2]).await);
    anna.hold(&event.id, &event.seats[2..4]).await;
    // The box office may sell more than a buyer may hold, and move those people.
    let booked = staff.book(&event.id, &event.seats[10..16]).await;
    let booking = booked.data()["booking"].clone();
    let lower = json!({
        "eventId": event.id, "version": event.version,
        "maxSeatsPerHold": 1, "maxSeatsPerBuyer": 1, "maxHoldsPerBuyer": 1,
    });
    let lowered = staff.update_event(&lower).await;
    assert_eq!(lowered.data()["__typename"], "EventUpdated");
    let moved = staff
        .exchange_booked(&booking, &event.seats[10..12], &event.seats[20..22])
        .await;
    assert_eq!(moved.data()["__typename"], "SeatsExchanged");
    let swapped = anna
        .exchange_held(&token, &event.seats[..1], &event.seats[30..31])
        .await;
    assert_eq!(swapped.data()["__typename"], "SeatsExchanged");
    let grown = anna
        .exchange_held(&token, &event.seats[1..2], &event.seats[31..33])
        .await;
    assert_eq!(exceeded(&grown), ("SEATS_PER_HOLD", 1, 3));
    assert_sound(&house).await;
}
