//! Swapping seats of a hold or a booking for others in one step.

use super::{
    book, change_event, event_key, event_of_two_categories, lapse, published, seats_of, seen_at,
    states, token_of,
};
use crate::support::actor::buyer::exchange;
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::{Event, House, Seat};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

fn euros(amount: i64) -> Value {
    json!({"amountMinor": amount, "currency": "EUR"})
}

fn at(status: &str, version: i64) -> (String, i64) {
    (status.to_owned(), version)
}

/// The places of these seats in the event.
fn places(event: &Event, seats: &Value) -> Vec<usize> {
    let place = |seat: Seat| event.seats.iter().position(|known| known.id == seat.id);
    seats_of(seats)
        .into_iter()
        .map(|seat| place(seat).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn held_seats_are_swapped_and_the_hold_keeps_its_time_and_token() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[5..8]).await;
    let token = token_of(&held);
    // Two dear ones for three cheap ones.
    let exchanged = buyer
        .exchange_held(&token, &event.seats[6..8], &event.seats[8..11])
        .await;
    let data = exchanged.data();
    assert_eq!(data["__typename"], "SeatsExchanged");
    assert_eq!(data["attempts"], 1);
    assert_eq!(data["booking"], Value::Null);
    assert_eq!(data["priceDifference"], euros(3 * 1_250 - 2 * 4_500));
    assert_eq!(states(&data["given"]), [("AVAILABLE", 3); 2]);
    assert_eq!(places(&event, &data["given"]), [6, 7]);
    assert_eq!(states(&data["taken"]), [("HELD", 2); 3]);
    assert_eq!(places(&event, &data["taken"]), [8, 9, 10]);
    let hold = &data["hold"];
    assert_eq!(hold["id"], held.data()["hold"]["id"]);
    assert_eq!(hold["expiresAt"], held.data()["hold"]["expiresAt"]);
    assert_eq!(hold["total"], euros(4_500 + 3 * 1_250));
    assert_eq!(places(&event, &hold["seats"]), [5, 8, 9, 10]);
    assert_eq!(states(&hold["seats"]), [("HELD", 2); 4]);

    let seen = seen_at(&buyer, &event, &exchanged).await;
    assert_eq!(
        seen[6..9],
        [at("AVAILABLE", 3), at("AVAILABLE", 3), at("HELD", 2)]
    );
    let mut sql = house.sql().await;
    let given = "seat_changes WHERE cause = 'RELEASED' AND status = 'AVAILABLE' \
                 AND actor = 'buyer:anna' AND version = 3";
    assert_eq!(checks::count(&mut sql, given).await, 2);
    let taken = "seat_changes WHERE cause = 'HELD' AND status = 'HELD' AND version = 2";
    assert_eq!(checks::count(&mut sql, taken).await, 6);
    let as_long = "seats s JOIN holds h ON s.owner_id = h.id AND s.held_until = h.expires_at";
    assert_eq!(checks::count(&mut sql, as_long).await, 4);
    let confirmed = buyer.confirm(&token).await;
    assert_eq!(
        confirmed.data()["booking"]["total"],
        euros(4_500 + 3 * 1_250)
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn booked_seats_are_swapped_at_the_price_of_today() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats[7..9]).await);
    let booking = buyer.confirm(&token).await.data()["booking"].clone();
    let dearer = format!(
        "UPDATE event_prices SET amount_minor = amount_minor + 100 WHERE event_id = {}",
        event_key(&event)
    );
    house.sql().await.batch_execute(&dearer).await.unwrap();
    let exchanged = buyer
        .exchange_booked(&booking, &event.seats[8..9], &event.seats[..2])
        .await;
    let data = exchanged.data();
    assert_eq!(data["__typename"], "SeatsExchanged");
    assert_eq!(data["hold"], Value::Null);
    assert_eq!(data["priceDifference"], euros(2 * 4_600 - 1_250));
    assert_eq!(states(&data["given"]), [("AVAILABLE", 4)]);
    assert_eq!(states(&data["taken"]), [("BOOKED", 2); 2]);
    let after = &data["booking"];
    assert_eq!(after["reference"], booking["reference"]);
    assert_eq!(
        (&after["version"], &after["status"]),
        (&json!(2), &json!("CONFIRMED"))
    );
    assert_eq!(after["total"], euros(2 * 4_600 + 4_500));
    assert_eq!(places(&event, &after["seats"]), [0, 1, 7]);
    let prices: Vec<&Value> = after["lineItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["price"]["amountMinor"])
        .collect();
    assert_eq!(
        prices,
        [4_600, 4_600, 4_500],
        "the one that is kept keeps its price"
    );

    let seen = seen_at(&buyer, &event, &exchanged).await;
    assert_eq!(seen[..2], [at("BOOKED", 2), at("BOOKED", 2)]);
    assert_eq!(seen[7..9], [at("BOOKED", 3), at("AVAILABLE", 4)]);
    let cancelled = "seat_changes WHERE cause = 'CANCELLED' AND seat_no = 8 AND version = 4";
    assert_eq!(checks::count(&mut house.sql().await, cancelled).await, 1);
    // The hold that it was answers the booking as it is now, and a cursor that shows it.
    let confirmed = buyer.confirm(&token).await;
    assert_eq!(confirmed.data()["booking"]["version"], 2);
    assert_eq!(confirmed.data()["cursor"], data["cursor"]);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_lists_every_seat_that_was_lost_and_gives_none_back() {
    let house = House::open().await;
    let event = house.event(1, 8).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats[..2]).await);
    let booking = book(&anna, &event, &event.seats[2..3]).await;
    house.block("seat_no = 3").await;
    token_of(&bert.hold(&event.id, &event.seats[4..5]).await);
    book(&bert, &event, &event.seats[5..6]).await;
    let before = Digest::of(&house).await;
    let wanted = &event.seats[3..7];
    for answer in [
        anna.exchange_held(&token, &event.seats[..1], wanted).await,
        anna.exchange_booked(&booking, &event.seats[2..3], wanted)
            .await,
    ] {
        let data = answer.data();
        assert_eq!(data["__typename"], "SeatConflict");
        assert_eq!(data["code"], "SEAT_CONFLICT");
        assert_eq!(data["attempts"], 1);
        let lost: Vec<(&Value, &Value, &Value)> = data["conflicts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lost| {
                let seat = &lost["seat"];
                assert_eq!(lost["expectedVersion"], 1);
                (&seat["id"], &seat["status"], &seat["version"])
            })
            .collect();
        let expected = [(3, "BLOCKED", 2), (4, "HELD", 2), (5, "BOOKED", 3)].map(
            |(place, status, version): (usize, _, _)| {
                (json!(event.seats[place].id), json!(status), json!(version))
            },
        );
        assert_eq!(
            lost,
            expected
                .each_ref()
                .map(|(id, status, version)| (id, status, version))
        );
        assert_eq!(places(&event, &data["alternatives"]), [7]);
    }
    before.assert_unchanged("lost races").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_available_again_is_had_on_request() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats[..1]).await);
    let berts = token_of(&bert.hold(&event.id, &event.seats[1..]).await);
    bert.release(&berts, None).await.data();
    let (give, take) = event.seats.split_at(1);
    let reported = anna.exchange_held(&token, give, take).await;
    assert_eq!(reported.data()["conflicts"][0]["seat"]["version"], 3);
    let mut input = exchange(json!({"token": token}), give, take);
    input["onConflict"] = json!("RETRY");
    let exchanged = anna.exchange_input(&input).await;
    assert_eq!(exchanged.data()["attempts"], 2);
    assert_eq!(states(&exchanged.data()["taken"]), [("HELD", 4)]);
    // One that somebody has is lost all the same.
    token_of(
        &bert
            .hold(&event.id, &seats_of(&exchanged.data()["given"]))
            .await,
    );
    let mut input = exchange(json!({"token": token}), take, give);
    input["onConflict"] = json!("RETRY");
    let lost = anna.exchange_input(&input).await;
    assert_eq!(lost.data()["code"], "SEAT_CONFLICT");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_over_exchanges_nothing() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let anna = house.buyer("anna");
    let mut held = Vec::new();
    for seat in &event.seats[..4] {
        held.push(anna.hold(&event.id, std::slice::from_ref(seat)).await);
    }
    let tokens: Vec<String> = held.iter().map(token_of).collect();
    lapse(&house, &held[0]).await;
    published(&house).await;
    anna.release(&tokens[1], None).await.data();
    anna.confirm(&tokens[2]).await.data();
    let before = Digest::of(&house).await;
    for (place, token) in tokens[..3].iter().enumerate() {
        let give = &event.seats[place..=place];
        let answer = anna.exchange_held(token, give, &event.seats[4..]).await;
        assert_eq!(answer.data()["__typename"], "HoldEnded");
        assert_eq!(answer.data()["code"], "HOLD_ENDED");
    }
    for caller in [house.buyer("bert"), house.visitor()] {
        let give = &event.seats[3..4];
        let answer = caller
            .exchange_held(&tokens[3], give, &event.seats[4..])
            .await;
        assert_eq!(answer.data()["code"], "HOLD_NOT_FOUND");
    }
    before.assert_unchanged("holds that are over").await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_exchanged_by_its_owner_and_by_staff_only() {
    let house = House::open().await;
    let event = house.event(1, 6).await;
    let (anna, visitor, staff) = (house.buyer("anna"), house.visitor(), house.staff());
    let booking = book(&anna, &event, &event.seats[..1]).await;
    let token = token_of(&visitor.hold(&event.id, &event.seats[1..2]).await);
    let visitors = visitor.confirm(&token).await.data()["booking"].clone();
    let before = Digest::of(&house).await;
    let (free, annas) = (&event.seats[2..3], &event.seats[..1]);
    for caller in [&house.buyer("bert"), &visitor] {
        let answer = caller.exchange_booked(&booking, annas, free).await;
        assert_eq!(answer.data()["__typename"], "BookingNotFound");
        assert_eq!(answer.data()["code"], "BOOKING_NOT_FOUND");
    }
    let answer = anna
        .exchange_booked(&visitors, &event.seats[1..2], free)
        .await;
    assert_eq!(answer.data()["code"], "BOOKING_NOT_FOUND");
    before.assert_unchanged("other people's bookings").await;

    let of = json!({"reference": visitors["reference"], "bookingVersion": 1, "token": token});
    let own = exchange(of, &event.seats[1..2], free);
    let exchanged = visitor.exchange_input(&own).await;
    assert_eq!(exchanged.data()["__typename"], "SeatsExchanged");
    let again = visitor.exchange_input(&own).await;
    assert_eq!(again.data()["code"], "VERSION_CONFLICT");
    assert_eq!(again.data()["booking"], exchanged.data()["booking"]);

    // When the sale is over, only the box office moves people; when the event is
    // cancelled, nobody does.
    change_event(&house, &event, "status = 'CLOSED'").await;
    let closed = anna
        .exchange_booked(&booking, annas, &event.seats[3..4])
        .await;
    assert_eq!(closed.data()["code"], "SALE_NOT_OPEN");
    assert_eq!(closed.data()["status"], "CLOSED");
    let moved = staff
        .exchange_booked(&booking, annas, &event.seats[3..4])
        .await;
    let after = moved.data()["booking"].clone();
    assert_eq!(after["version"], 2);
    change_event(&house, &event, "status = 'CANCELLED'").await;
    let refused = staff
        .exchange_booked(&after, &event.seats[3..4], &event.seats[4..5])
        .await;
    assert_eq!(refused.data()["code"], "SALE_NOT_OPEN");
    assert_eq!(refused.data()["status"], "CANCELLED");
    anna.cancel(&after, None).await.data();
    change_event(&house, &event, "status = 'ON_SALE'").await;
    let mut ended = after.clone();
    ended["version"] = json!(3);
    let answer = anna
        .exchange_booked(&ended, &event.seats[3..4], &event.seats[4..5])
        .await;
    assert_eq!(answer.data()["__typename"], "BookingEnded");
    assert_eq!(answer.data()["code"], "BOOKING_ENDED");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_seat_is_not_exchanged_once_the_sale_is_over() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats[..1]).await);
    change_event(&house, &event, "sale_ends_at = now() - interval '1 second'").await;
    let before = Digest::of(&house).await;
    let (give, take) = event.seats.split_at(1);
    let answer = buyer.exchange_held(&token, give, take).await;
    assert_eq!(answer.data()["code"], "SALE_NOT_OPEN");
    assert_eq!(answer.data()["status"], "ON_SALE");
    before.assert_unchanged("a sale that is over").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_comes_to_in_the_end_is_what_is_limited() {
    let house = House::open().await;
    let limits = json!({"maxSeatsPerHold": 2, "maxSeatsPerBuyer": 3, "maxHoldsPerBuyer": 1});
    let draft = house.draft(1, 8, limits).await;
    let event = house.open_sale(draft).await;
    let buyer = house.buyer("anna");
    let booking = book(&buyer, &event, &event.seats[..1]).await;
    let token = token_of(&buyer.hold(&event.id, &event.seats[1..3]).await);
    let before = Digest::of(&house).await;
    let given = &event.seats[1..2];
    let answer = buyer.exchange_held(&token, given, &event.seats[3..5]).await;
    let data = answer.data();
    assert_eq!(data["code"], "LIMIT_EXCEEDED");
    assert_eq!(
        (&data["kind"], &data["limit"]),
        (&json!("SEATS_PER_HOLD"), &json!(2))
    );
    assert_eq!(data["requested"], 3);
    let answer = buyer
        .exchange_booked(&booking, &event.seats[..1], &event.seats[3..5])
        .await;
    let data = answer.data();
    assert_eq!(
        (&data["kind"], &data["limit"]),
        (&json!("SEATS_PER_BUYER"), &json!(3))
    );
    assert_eq!(data["requested"], 4);
    before.assert_unchanged("a seat too many").await;
    // As many as before is as much as is allowed: the hold counts once.
    let same = buyer
        .exchange_held(&token, &event.seats[1..3], &event.seats[3..5])
        .await;
    assert_eq!(same.data()["__typename"], "SeatsExchanged");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_under_a_key_is_answered_again() {
    let house = House::open().await;
    let event = house.event(1, 6).await;
    let (buyer, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&buyer.hold(&event.id, &event.seats[..1]).await);
    let booking = book(&buyer, &event, &event.seats[1..2]).await;
    let keyed = |of: Value, give: &[Seat], take: &[Seat], key: &str| {
        let mut input = exchange(of, give, take);
        input["idempotencyKey"] = json!(key);
        input
    };
    let of_hold = json!({"token": token});
    let of_booking = json!({"reference": booking["reference"], "bookingVersion": 1});
    let (first, second) = (&event.seats[..1], &event.seats[1..2]);
    let inputs = [
        keyed(of_hold.clone(), first, &event.seats[2..4], "seats 1"),
        keyed(of_booking, second, &event.seats[4..5], "seats 2"),
    ];
    let mut answers = Vec::new();
    for input in &inputs {
        let answer = buyer.exchange_input(input).await;
        assert_eq!(answer.data()["__typename"], "SeatsExchanged");
        answers.push(answer);
    }
    // What was given back is somebody else's now, and both have ended.
    for answer in &answers {
        token_of(
            &bert
                .hold(&event.id, &seats_of(&answer.data()["given"]))
                .await,
        );
    }
    buyer.release(&token, None).await.data();
    buyer
        .cancel(&answers[1].data()["booking"], None)
        .await
        .data();
    let before = Digest::of(&house).await;
    for (input, answer) in inputs.iter().zip(&answers) {
        assert_eq!(buyer.exchange_input(input).await.data(), answer.data());
    }
    let other = keyed(of_hold, first, &event.seats[5..], "seats 1");
    let reused = buyer.exchange_input(&other).await;
    assert_eq!(reused.error_code(), "IDEMPOTENCY_KEY_REUSED");
    before.assert_unchanged("the same keys").await;
    assert_sound(&house).await;
}
