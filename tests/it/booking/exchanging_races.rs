//! Exchanges that meet each other, and others who want the same seats.

use super::{book, hold_key, seats_of, states, tally, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::lock::Lock;
use crate::support::{Answer, Event, House, Seat, eventually};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// One hold for each of these seats, by a buyer of its own; answers the tokens.
async fn hold_each(house: &House, event: &Event, seats: &[Seat]) -> Vec<String> {
    let mut tokens = Vec::new();
    for (number, seat) in seats.iter().enumerate() {
        let buyer = house.buyer(&format!("buyer-{number}"));
        let held = buyer.hold(&event.id, std::slice::from_ref(seat)).await;
        tokens.push(token_of(&held));
    }
    tokens
}

/// A seat as it was a moment ago, whoever has it.
async fn seat(house: &House, event: &Event, place: usize) -> Seat {
    house.visitor().seats(&event.id).await[place].clone()
}

/// The checked UPDATE decides: without it each of the twenty would believe to have
/// the seat, as `races::without_a_check_a_seat_is_sold_many_times` shows.
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_want_the_same_seat_for_theirs_one_gets_it() {
    let house = House::open().await;
    let event = house.event(1, 21).await;
    let (own, wanted) = event.seats.split_at(20);
    let tokens = hold_each(&house, &event, own).await;
    let answers = join_all((0..20).map(|number| {
        let buyer = house.buyer(&format!("buyer-{number}"));
        let (token, give) = (&tokens[number], &own[number..=number]);
        async move { buyer.exchange_held(token, give, wanted).await }
    }))
    .await;
    let expected = BTreeMap::from([("SeatConflict", 19), ("SeatsExchanged", 1)]);
    assert_eq!(tally(&answers), expected);
    for (number, answer) in answers.iter().enumerate() {
        let data = answer.data();
        let now = seat(&house, &event, number).await;
        if data["__typename"] == "SeatsExchanged" {
            assert_eq!(states(&data["taken"]), [("HELD", 2)]);
            assert_eq!(now.version, 3, "its own is given back");
        } else {
            assert_eq!(data["conflicts"][0]["seat"]["version"], 2);
            assert_eq!(data["conflicts"][0]["seat"]["status"], "HELD");
            assert_eq!(now.version, 2, "it keeps its own");
        }
    }
    let mut sql = house.sql().await;
    let held = "seats WHERE status = 'HELD'";
    assert_eq!(checks::count(&mut sql, held).await, 20);
    assert_sound(&house).await;
}

/// Each wants what the other has: neither is free at any moment, so both are told,
/// and nobody waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn two_who_want_each_others_seats_are_both_told_at_once() {
    let house = House::open().await;
    let event = house.event(10, 2).await;
    for pair in event.seats.chunks(2) {
        let tokens = hold_each(&house, &event, pair).await;
        let (anna, bert) = (house.buyer("buyer-0"), house.buyer("buyer-1"));
        let seen = house.visitor().seats(&event.id).await;
        let now = |seat: &Seat| seen.iter().find(|now| now.id == seat.id).unwrap().clone();
        let now = [now(&pair[0]), now(&pair[1])];
        let (one, two) = tokio::join!(
            anna.exchange_held(&tokens[0], &now[..1], &now[1..]),
            bert.exchange_held(&tokens[1], &now[1..], &now[..1]),
        );
        for answer in [one, two] {
            assert_eq!(answer.data()["code"], "SEAT_CONFLICT");
            assert_eq!(answer.data()["conflicts"][0]["seat"]["status"], "HELD");
        }
    }
    assert_sound(&house).await;
}

/// Everybody moves one seat on, again and again: holds, bookings and seats are locked
/// crosswise. Every answer is one of the two that there can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_moves_about_loses_nothing() {
    let house = House::open().await;
    let event = house.event(1, 12).await;
    let moved = join_all((0..6).map(|number| {
        let (house, event) = (&house, &event);
        async move {
            let buyer = house.buyer(&format!("buyer-{number}"));
            let start = &event.seats[2 * number..=2 * number];
            let mut booking = book(&buyer, event, start).await;
            let (mut place, mut moves) = (2 * number, 0);
            for step in 0..15 {
                let seats = buyer.seats(&event.id).await;
                // One on, then five on, so that their ways cross.
                let next = (place + 1 + step % 2 * 4) % 12;
                let (give, take) = (&seats[place..=place], &seats[next..=next]);
                let answer = buyer.exchange_booked(&booking, give, take).await;
                match answer.data()["__typename"].as_str().unwrap() {
                    "SeatsExchanged" => {
                        booking = answer.data()["booking"].clone();
                        (place, moves) = (next, moves + 1);
                    }
                    other => assert_eq!(other, "SeatConflict"),
                }
            }
            assert_eq!(booking["version"], 1 + moves);
            moves
        }
    }))
    .await;
    assert!(moved.iter().sum::<i32>() > 6, "some did move: {moved:?}");
    let mut sql = house.sql().await;
    let booked = "seats WHERE status = 'BOOKED'";
    assert_eq!(checks::count(&mut sql, booked).await, 6);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_exchanges_of_one_version_one_wins() {
    let house = House::open().await;
    let event = house.event(1, 21).await;
    let buyer = house.buyer("anna");
    let booking = book(&buyer, &event, &event.seats[..1]).await;
    let answers: Vec<Answer> = join_all(event.seats[1..].iter().map(|seat| {
        let take = std::slice::from_ref(seat);
        buyer.exchange_booked(&booking, &event.seats[..1], take)
    }))
    .await;
    let expected = [("BookingVersionConflict", 19), ("SeatsExchanged", 1)];
    assert_eq!(tally(&answers), BTreeMap::from(expected));
    for answer in &answers {
        assert_eq!(answer.data()["booking"]["version"], 2);
    }
    assert_sound(&house).await;
}

/// The hold has lapsed while the exchange waited for the new seat, and somebody took
/// the old one: it cannot be given back, so the new one is not taken either.
#[tokio::test(flavor = "multi_thread")]
async fn a_seat_to_give_that_is_gone_undoes_the_exchange() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let held = anna.hold(&event.id, &event.seats[1..]).await;
    // Of the two, the one that is waited for comes first in the order of locks.
    let mut seat = Lock::on_first_seat(&house.database_url).await;
    let exchanging = tokio::spawn({
        let (anna, token, seats) = (anna.clone(), token_of(&held), event.seats.clone());
        async move { anna.exchange_held(&token, &seats[1..], &seats[..1]).await }
    });
    seat.is_wanted_by(1).await;
    let mut sql = house.sql().await;
    let past = "now() - interval '1 second'";
    let end = format!("UPDATE seats SET held_until = {past} WHERE seat_no = 1");
    sql.batch_execute(&end).await.unwrap();
    let taken = bert
        .hold(&event.id, &seats_of(&held.data()["hold"]["seats"]))
        .await;
    token_of(&taken);
    seat.let_go().await;
    let answer = exchanging.await.unwrap();
    assert_eq!(answer.data()["__typename"], "HoldEnded");
    assert_eq!(answer.data()["message"], "the hold has lapsed");
    let map = anna.seat_map(&event.id).await;
    assert_eq!(states(&map["seats"]), [("AVAILABLE", 1), ("HELD", 3)]);
    // Its hold ends as well, as it would have by itself.
    let end = format!(
        "UPDATE holds SET expires_at = {past} WHERE id = '{}'",
        hold_key(&held)
    );
    sql.batch_execute(&end).await.unwrap();
    eventually("it is published", async || {
        let lapsed = "holds WHERE status = 'LAPSED'";
        (checks::count(&mut sql, lapsed).await == 1).then_some(())
    })
    .await;
    assert_sound(&house).await;
}

/// A hold that is confirmed while its seats are exchanged: either has the seats that
/// it was answered with.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_confirmed_meanwhile_is_whole() {
    let house = House::open().await;
    let event = house.event(10, 2).await;
    for row in event.seats.chunks(2) {
        let buyer = house.buyer("anna");
        let token = token_of(&buyer.hold(&event.id, &row[..1]).await);
        let (confirmed, exchanged) = tokio::join!(
            buyer.confirm(&token),
            buyer.exchange_held(&token, &row[..1], &row[1..]),
        );
        let booked = &confirmed.data()["booking"]["seats"];
        assert_eq!(booked.as_array().unwrap().len(), 1);
        let has = match exchanged.data()["__typename"].as_str().unwrap() {
            "SeatsExchanged" => &row[1],
            other => {
                assert_eq!(other, "HoldEnded");
                &row[0]
            }
        };
        assert_eq!(booked[0]["id"], has.id);
    }
    assert_sound(&house).await;
}
