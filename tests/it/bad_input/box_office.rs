//! What may be wrong with what staff ask for: whoever is not staff, seats that make no
//! sense, buyers and payments that cannot be, and bad keys.

use super::{assert_error, assert_refusal, id_of};
use crate::support::actor::{Actor, box_office_input};
use crate::support::digest::Digest;
use crate::support::{Answer, House, Seat};
use serde_json::{Value, json};

/// The three mutations of seats, each with this input.
async fn each(caller: &Actor, input: &Value) -> [Answer; 3] {
    [
        caller.block_input(input).await,
        caller.unblock_input(input).await,
        caller.book_input(input).await,
    ]
}

/// Fails unless each of the three answers an error of this code about this field, and
/// changes nothing.
async fn assert_bad(house: &House, input: &Value, code: &str, field: &str) {
    let before = Digest::of(house).await;
    for answer in each(&house.staff(), input).await {
        assert_error(&answer, code);
        let message = answer.error_message();
        let start = format!("input.{field}: ");
        assert!(message.starts_with(&start), "{start:?}: {message}");
    }
    before.assert_unchanged(field).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_may_do_the_work_of_the_box_office() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let good = box_office_input(&event.id, &event.seats);
    let nonsense = box_office_input(&event.id, &[]);
    let before = Digest::of(&house).await;
    for (caller, code) in [
        (house.visitor(), "UNAUTHENTICATED"),
        (house.buyer("tess"), "FORBIDDEN"),
    ] {
        for input in [&good, &nonsense] {
            for answer in each(&caller, input).await {
                assert_error(&answer, code);
            }
        }
        for version in [event.version, 99] {
            let answer = caller.cancel_event(&event.id, version).await;
            assert_error(&answer, code);
        }
        before.assert_unchanged(code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_that_make_no_sense_are_neither_blocked_nor_sold() {
    let house = House::open().await;
    let event = house.event(11, 100).await;
    let other = house.event(1, 2).await;
    let seats = |seats: &[Seat]| box_office_input(&event.id, seats);
    let at = |version: i64| {
        json!({
            "eventId": event.id,
            "seats": [event.seats[0].input(), {"seatId": event.seats[1].id, "version": version}],
        })
    };
    let bad = "BAD_USER_INPUT";
    assert_bad(&house, &seats(&[]), bad, "seats").await;
    assert_bad(&house, &seats(&event.seats[..1_001]), bad, "seats").await;
    let twice = [&event.seats[..2], &event.seats[..1]].concat();
    assert_bad(&house, &seats(&twice), bad, "seats[2].seatId").await;
    let foreign = [&event.seats[..1], &other.seats[..1]].concat();
    assert_bad(&house, &seats(&foreign), bad, "seats[1].seatId").await;
    for version in [0, -1, i64::from(i32::MIN)] {
        assert_bad(&house, &at(version), bad, "seats[1].version").await;
    }
    let before = Digest::of(&house).await;
    for version in [1 << 31, i64::MIN] {
        for answer in each(&house.staff(), &at(version)).await {
            assert_error(&answer, bad);
        }
    }
    // A seat of the plan of nobody.
    let event_no = super::inside(&event.id).replace("Event:", "");
    for unknown in ["1100", "2147483647"] {
        let unknown = Seat {
            id: id_of(&format!("Seat:{event_no}:{unknown}")),
            version: 1,
        };
        let named = [&event.seats[..1], &[unknown]].concat();
        assert_bad(&house, &seats(&named), "NOT_FOUND", "seats[1].seatId").await;
    }
    let wrong_kind = json!({"eventId": event.id, "seats": [{"seatId": event.id, "version": 1}]});
    assert_bad(&house, &wrong_kind, bad, "seats[0].seatId").await;
    let no_event = json!({"eventId": event.seats[0].id, "seats": []});
    assert_bad(&house, &no_event, bad, "eventId").await;
    for nothing in ["'; DROP TABLE seats; --", "", "\0", "💺"] {
        let no_event = json!({"eventId": nothing, "seats": []});
        assert_bad(&house, &no_event, bad, "eventId").await;
    }
    let unknown = json!({
        "eventId": id_of("Event:99"), "seats": [{"seatId": id_of("Seat:99:0"), "version": 1}],
    });
    for answer in each(&house.staff(), &unknown).await {
        assert_error(&answer, "NOT_FOUND");
        assert_eq!(answer.error_message(), "there is no such event");
    }
    // The highest version is a lost race.
    for answer in each(&house.staff(), &at(i64::from(i32::MAX))).await {
        assert_refusal(&answer, "SeatConflict", "SEAT_CONFLICT");
    }
    before.assert_unchanged("seats that make no sense").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_seats_are_blocked_given_back_and_sold_in_one_call() {
    let house = House::open().await;
    let event = house.event(11, 100).await;
    let staff = house.staff();
    let thousand = |version: i64| {
        let mut seats = event.seats[..1_000].to_vec();
        for seat in &mut seats {
            seat.version = version;
        }
        seats
    };
    let blocked = staff.block(&event.id, &thousand(1)).await;
    assert_eq!(blocked.data()["__typename"], "SeatsBlocked");
    let unblocked = staff.unblock(&event.id, &thousand(2)).await;
    assert_eq!(unblocked.data()["__typename"], "SeatsUnblocked");
    let sold = staff.book(&event.id, &thousand(3)).await;
    let booking = &sold.data()["booking"];
    assert_eq!(booking["total"]["amountMinor"], 1_000_000);
    assert_eq!(booking["seats"].as_array().unwrap().len(), 1_000);
    crate::support::checks::assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_is_somebody_who_could_sign_in() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let staff = house.staff();
    let mut input = box_office_input(&event.id, &event.seats[..1]);
    let before = Digest::of(&house).await;
    for bad in [
        String::new(),
        "x".repeat(256),
        "x".repeat(10_000),
        "ä".repeat(128),
        "a\0b".into(),
        "anna\n".into(),
        "\u{1b}[2J".into(),
        "\u{85}".into(),
    ] {
        input["buyer"] = json!(bad);
        let answer = staff.book_input(&input).await;
        assert_error(&answer, "BAD_USER_INPUT");
        assert!(answer.error_message().starts_with("input.buyer: "));
        before.assert_unchanged("a bad buyer").await;
    }
    let longest = "'; -- 💺 المسرح\u{202e}".to_owned();
    let longest = format!("{longest}{}", "x".repeat(255 - longest.len()));
    input["buyer"] = json!(longest);
    let sold = staff.book_input(&input).await;
    let reference = &sold.data()["booking"]["reference"];
    let query = "query($reference: String!) { booking(reference: $reference) { id } }";
    let buyer = house.buyer(&longest);
    let seen = buyer.ask(query, json!({"reference": reference})).await;
    assert_eq!(seen.data()["booking"]["id"], sold.data()["booking"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_the_box_office_is_short_and_printable() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let staff = house.staff();
    let mut input = box_office_input(&event.id, &event.seats);
    let before = Digest::of(&house).await;
    for bad in [
        "x".repeat(256),
        "x".repeat(1_000_000),
        "ä".repeat(128),
        "a\0b".into(),
        "\n".into(),
    ] {
        input["paymentReference"] = json!(bad);
        let answer = staff.book_input(&input).await;
        assert_error(&answer, "BAD_USER_INPUT");
        let message = answer.error_message();
        assert!(message.starts_with("input.paymentReference: "), "{message}");
        before.assert_unchanged("a bad payment reference").await;
    }
    let longest = "'; -- 💳".to_owned() + &"x".repeat(245);
    input["paymentReference"] = json!(longest);
    let sold = staff.book_input(&input).await;
    assert_eq!(sold.data()["booking"]["paymentReference"], longest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_box_office_has_from_1_to_255_characters() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let mut input = box_office_input(&event.id, &event.seats);
    for bad in [String::new(), "ä".repeat(256), "x".repeat(1_000_000)] {
        input["idempotencyKey"] = json!(bad);
        assert_bad(&house, &input, "BAD_USER_INPUT", "idempotencyKey").await;
    }
    let staff = house.staff();
    input["idempotencyKey"] = json!("ä".repeat(255));
    let sold = staff.book_input(&input).await;
    assert_eq!(sold.data()["__typename"], "SeatsBooked");
    let again = staff.book_input(&input).await;
    assert_eq!(again.data(), sold.data());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_cancelled_at_the_version_that_it_is_at_only() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let staff = house.staff();
    let before = Digest::of(&house).await;
    for version in [0, -1, 1, 3, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let answer = staff.cancel_event(&event.id, version).await;
        assert_refusal(&answer, "EventVersionConflict", "VERSION_CONFLICT");
        assert_eq!(answer.data()["expectedVersion"], version);
        assert_eq!(answer.data()["event"]["version"], 2);
    }
    for version in [1 << 31, i64::MIN] {
        let answer = staff.cancel_event(&event.id, version).await;
        assert_error(&answer, "BAD_USER_INPUT");
    }
    let answer = staff.cancel_event(&id_of("Event:99"), 1).await;
    assert_error(&answer, "NOT_FOUND");
    for nothing in ["", "x", "\0", &event.seats[0].id, &id_of("Event:0")] {
        let answer = staff.cancel_event(nothing, 2).await;
        let code = answer.error_code();
        assert!(["BAD_USER_INPUT", "NOT_FOUND"].contains(&code), "{code}");
        assert_error(&answer, code);
    }
    before
        .assert_unchanged("an event that is not cancelled")
        .await;
}
