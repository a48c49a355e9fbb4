//! Exchanges and cancellations that make no sense.

use super::{assert_error, assert_refusal};
use crate::support::actor::Actor;
use crate::support::actor::buyer::exchange;
use crate::support::digest::Digest;
use crate::support::{Event, House, Seat};
use serde_json::{Value, json};

/// Anna has the first two of six seats in a hold, and the next two in a booking.
struct Stage {
    house: House,
    event: Event,
    anna: Actor,
    token: String,
    booking: Value,
}

impl Stage {
    async fn new() -> Self {
        let house = House::open().await;
        let event = house.event(1, 6).await;
        let anna = house.buyer("anna");
        let held = anna.hold(&event.id, &event.seats[..2]).await;
        let token = held.data()["token"].as_str().unwrap().to_owned();
        let other = anna.hold(&event.id, &event.seats[2..4]).await;
        let confirmed = anna.confirm(other.data()["token"].as_str().unwrap()).await;
        Self {
            booking: confirmed.data()["booking"].clone(),
            house,
            event,
            anna,
            token,
        }
    }

    /// The two forms of an exchange, each with the seats that it can give.
    fn forms(&self) -> [(Value, &[Seat]); 2] {
        let reference = &self.booking["reference"];
        [
            (json!({"token": self.token}), &self.event.seats[..2]),
            (
                json!({"reference": reference, "bookingVersion": 1}),
                &self.event.seats[2..4],
            ),
        ]
    }

    /// Fails unless this exchange is bad input that says so.
    async fn refuses(&self, input: &Value, message: &str) {
        let before = Digest::of(&self.house).await;
        let answer = self.anna.exchange_input(input).await;
        assert_error(&answer, "BAD_USER_INPUT");
        let told = answer.error_message();
        assert!(told.contains(message), "{message:?} is not in {told:?}");
        before.assert_unchanged(message).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_of_a_hold_or_of_a_booking_at_a_version() {
    let stage = Stage::new().await;
    let (give, take) = (&stage.event.seats[..1], &stage.event.seats[4..5]);
    let (token, reference) = (&stage.token, &stage.booking["reference"]);
    for (of, field) in [
        (json!({}), "input.token: "),
        (json!({"bookingVersion": 1}), "input.bookingVersion: "),
        (
            json!({"token": token, "bookingVersion": 1}),
            "input.bookingVersion: ",
        ),
        (json!({"reference": reference}), "input.bookingVersion: "),
        (
            json!({"reference": reference, "token": token}),
            "input.bookingVersion: ",
        ),
        (
            json!({"reference": "1-ABCU-EFGH", "bookingVersion": 1}),
            "input.reference: ",
        ),
    ] {
        stage.refuses(&exchange(of, give, take), field).await;
    }
    // The token of a hold that is not the booking's does no harm beside its reference.
    let of = json!({"reference": reference, "bookingVersion": 1, "token": token});
    let input = exchange(of, &stage.event.seats[2..3], take);
    let answer = stage.anna.exchange_input(&input).await;
    assert_eq!(answer.data()["__typename"], "SeatsExchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_names_own_seats_for_others_of_the_same_event() {
    let stage = Stage::new().await;
    let other = stage.house.event(1, 6).await;
    let free = &stage.event.seats[4..6];
    let in_its_place = |seats: &[Seat], of: &[Seat]| [seats, of].concat();
    for (of, own) in stage.forms() {
        let refuse = async |give: &[Seat], take: &[Seat], message: &str| {
            stage
                .refuses(&exchange(of.clone(), give, take), message)
                .await;
        };
        refuse(&[], free, "giveSeatIds: name at least one").await;
        refuse(own, &[], "takeSeats: name at least one").await;
        refuse(
            own,
            &own[..1],
            "takeSeats[0].seatId: this seat is given back",
        )
        .await;
        let with_itself = in_its_place(free, &own[1..]);
        let message = "takeSeats[2].seatId: this seat is given back";
        refuse(own, &with_itself, message).await;
        let message = "takeSeats[0].seatId: this seat is in the";
        refuse(&own[..1], &own[1..], message).await;
        let twice = in_its_place(free, &free[1..]);
        let message = "takeSeats[2].seatId: this seat is named before";
        refuse(own, &twice, message).await;
        // One that is free, one of the other kind, one of the other event with the number
        // of one that is in it.
        let strange = in_its_place(own, &free[..1]);
        let message = "giveSeatIds[2]: this seat is not in the";
        refuse(&strange, &free[1..], message).await;
        let (_, others) = stage
            .forms()
            .into_iter()
            .find(|(_, seats)| *seats != own)
            .unwrap();
        refuse(others, free, "giveSeatIds[0]: this seat is not in the").await;
        refuse(
            &other.seats[..1],
            free,
            "giveSeatIds[0]: this seat is not in the",
        )
        .await;
        refuse(
            own,
            &other.seats[4..],
            "takeSeats[0].seatId: this is a seat of another",
        )
        .await;
        let mixed = in_its_place(&free[..1], &other.seats[..1]);
        refuse(
            own,
            &mixed,
            "takeSeats[1].seatId: this is a seat of another",
        )
        .await;
        for version in [0, -1, i64::from(i32::MIN)] {
            let id = free[0].id.clone();
            let impossible = [Seat { id, version }];
            refuse(own, &impossible, "takeSeats[0].version: ").await;
        }
        let many = vec![own[0].clone(); 1_001];
        refuse(&many, free, "giveSeatIds: name at most 1000").await;
        refuse(own, &many, "takeSeats: name at most 1000").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_the_event_does_not_have_is_not_exchanged_for() {
    let stage = Stage::new().await;
    let before = Digest::of(&stage.house).await;
    let plain = super::inside(&stage.event.seats[0].id);
    let beyond = Seat {
        id: super::id_of(&format!("{}6", plain.strip_suffix('0').unwrap())),
        version: 1,
    };
    for (of, own) in stage.forms() {
        let input = exchange(of, own, std::slice::from_ref(&beyond));
        let answer = stage.anna.exchange_input(&input).await;
        assert_error(&answer, "NOT_FOUND");
        assert!(answer.error_message().contains("input.takeSeats[0].seatId"));
    }
    before.assert_unchanged("a seat beyond the plan").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_names_seats_of_the_booking_at_its_version() {
    let stage = Stage::new().await;
    let (anna, booking, seats) = (&stage.anna, &stage.booking, &stage.event.seats);
    let other = stage.house.event(1, 6).await;
    let before = Digest::of(&stage.house).await;
    for (named, message) in [
        (&seats[..0], "input.seatIds: name at least one"),
        (
            &seats[..1],
            "input.seatIds[0]: this seat is not in the booking",
        ),
        (
            &seats[3..5],
            "input.seatIds[1]: this seat is not in the booking",
        ),
        (
            &other.seats[2..3],
            "input.seatIds[0]: this seat is not in the",
        ),
    ] {
        let answer = anna.cancel(booking, Some(named)).await;
        assert_error(&answer, "BAD_USER_INPUT");
        assert!(answer.error_message().contains(message), "{}", answer.0);
    }
    for version in [0, -1, 2, i32::MIN, i32::MAX] {
        let mut seen = booking.clone();
        seen["version"] = json!(version);
        let answer = anna.cancel(&seen, None).await;
        assert_refusal(&answer, "BookingVersionConflict", "VERSION_CONFLICT");
        assert_eq!(answer.data()["expectedVersion"], version);
        assert_eq!(answer.data()["booking"]["version"], 1);
    }
    for unknown in ["1-0000-0000", "7ZZZZZZZZZZZZ-ZZZZ-ZZZZ"] {
        let input = json!({"reference": unknown, "version": 1});
        let answer = stage.house.staff().cancel_input(&input).await;
        assert_refusal(&answer, "BookingNotFound", "BOOKING_NOT_FOUND");
    }
    before.assert_unchanged("cancellations of nothing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_neither_empty_nor_endless_nor_a_visitors_short_one() {
    let stage = Stage::new().await;
    let (anna, visitor) = (&stage.anna, &stage.house.visitor());
    let (free, forms) = (&stage.event.seats[4..5], stage.forms());
    let before = Digest::of(&stage.house).await;
    for (caller, key) in [
        (anna, String::new()),
        (anna, "x".repeat(256)),
        (visitor, "x".repeat(15)),
    ] {
        let with_key = |mut input: Value| {
            input["idempotencyKey"] = json!(key);
            input
        };
        let [held, booked] = forms
            .each_ref()
            .map(|(of, own)| exchange(of.clone(), own, free));
        let cancelled = json!({"reference": stage.booking["reference"], "version": 1});
        for answer in [
            caller
                .extend_input(&with_key(json!({"token": stage.token})))
                .await,
            caller.exchange_input(&with_key(held)).await,
            caller.exchange_input(&with_key(booked)).await,
            caller.cancel_input(&with_key(cancelled)).await,
        ] {
            assert_error(&answer, "BAD_USER_INPUT");
            assert!(answer.error_message().starts_with("input.idempotencyKey: "));
        }
    }
    before.assert_unchanged("keys that are none").await;
}
