//! `onConflict`: told at once, or tried again while the seats can still be had.

use super::{AbsentSweeper, lapse, seats_of, states, token_of};
use crate::support::checks::assert_sound;
use crate::support::{Answer, Event, House, Seat};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

fn retrying(event: &Event, seats: &[Seat]) -> Value {
    let seats: Vec<Value> = seats.iter().map(Seat::input).collect();
    json!({"eventId": event.id, "seats": seats, "onConflict": "RETRY"})
}

/// Somebody holds these seats and gives them back: two versions on, and available.
async fn touch(house: &House, event: &Event, seats: &[Seat]) {
    let somebody = house.visitor();
    let token = token_of(&somebody.hold(&event.id, seats).await);
    somebody.release(&token, None).await;
}

fn attempts(answer: &Answer) -> i64 {
    answer.data()["attempts"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_free_again_is_held_when_asked_to_try_again() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    touch(&house, &event, &event.seats[..1]).await;
    let buyer = house.buyer("anna");
    let reported = buyer.hold(&event.id, &event.seats[..2]).await;
    assert_eq!(reported.data()["__typename"], "SeatConflict");
    assert_eq!(attempts(&reported), 1);
    let conflict = &reported.data()["conflicts"][0];
    assert_eq!(conflict["expectedVersion"], 1);
    assert_eq!(conflict["seat"]["version"], 3);
    assert_eq!(conflict["seat"]["status"], "AVAILABLE");
    let held = buyer.hold_input(&retrying(&event, &event.seats[..2])).await;
    assert_eq!(
        states(&held.data()["hold"]["seats"]),
        [("HELD", 4), ("HELD", 2)]
    );
    assert_eq!(attempts(&held), 2);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_of_a_lapsed_hold_can_be_had_too() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let held = house.visitor().hold(&event.id, &event.seats).await;
    // If it came between two of the attempts there would be one more.
    let sweeper = AbsentSweeper::of(&house);
    lapse(&house, &held).await;
    let held = house
        .buyer("anna")
        .hold_input(&retrying(&event, &event.seats))
        .await;
    assert_eq!(states(&held.data()["hold"]["seats"]), [("HELD", 3)]);
    assert_eq!(attempts(&held), 2);
    sweeper.let_go(&house).await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_told_at_once() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    touch(&house, &event, &event.seats[..1]).await;
    house.visitor().hold(&event.id, &event.seats[1..2]).await;
    house.block("seat_no = 2").await;
    let wanted = &event.seats[..3];
    let refused = house
        .buyer("anna")
        .hold_input(&retrying(&event, wanted))
        .await;
    assert_eq!(refused.data()["__typename"], "SeatConflict");
    assert_eq!(attempts(&refused), 1);
    let now: Vec<_> = refused.data()["conflicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|conflict| conflict["seat"].clone())
        .collect();
    let now = Value::Array(now);
    assert_eq!(
        states(&now),
        [("AVAILABLE", 3), ("HELD", 2), ("BLOCKED", 2)],
        "every one that was lost"
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_who_try_again_for_one_seat_get_it_once() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    touch(&house, &event, &event.seats).await;
    let input = retrying(&event, &event.seats);
    let answers = join_all((0..20).map(|number| {
        let (buyer, input) = (house.buyer(&format!("buyer-{number}")), &input);
        async move { buyer.hold_input(input).await }
    }))
    .await;
    let held = answers
        .iter()
        .filter(|answer| answer.data()["__typename"] == "SeatsHeld");
    assert_eq!(held.count(), 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trying_again_has_an_end() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    // A seat that looks as if it could be had, and is never got.
    house
        .sql()
        .await
        .batch_execute(
            "CREATE FUNCTION outrun() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER outrun BEFORE UPDATE ON seats FOR EACH ROW EXECUTE FUNCTION outrun()",
        )
        .await
        .unwrap();
    let buyer = house.buyer("anna");
    let refused = buyer.hold_input(&retrying(&event, &event.seats)).await;
    assert_eq!(refused.data()["__typename"], "SeatConflict");
    assert_eq!(attempts(&refused), 20);
    assert_eq!(
        refused.data()["alternatives"][0]["id"],
        json!(event.seats[0].id),
        "the seat is there, and the client may try on"
    );
    let reported = buyer.hold(&event.id, &event.seats).await;
    // At once: when the seat is looked at after it was lost.
    assert_eq!(attempts(&reported), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_was_asked_for_is_no_alternative_to_another() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    house.visitor().hold(&event.id, &event.seats[1..2]).await;
    // The first was lost; its nearest neighbour that is free is the buyer's own choice.
    let refused = house.buyer("anna").hold(&event.id, &event.seats[..2]).await;
    let alternatives = seats_of(&refused.data()["alternatives"]);
    assert_eq!(alternatives, [event.seats[2].clone()]);
}
