//! Seats that the box office sells without a hold.

use super::{assert_lost, at, pick, six_seats};
use crate::booking::{AbsentSweeper, event_of_two_categories, lapse, states, token_of};
use crate::support::actor::{Actor, box_office_input};
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::{Answer, House};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// A booking as this caller sees it by its reference.
async fn by_reference(caller: &Actor, sold: &Answer) -> Value {
    let query = "query($reference: String!) { \
        booking(reference: $reference) { id total { amountMinor } } }";
    let reference = &sold.data()["booking"]["reference"];
    let answer = caller.ask(query, json!({"reference": reference})).await;
    answer.data()["booking"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_sold_at_once_at_their_prices_and_the_buyer_sees_the_booking() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let staff = house.staff();
    // Two of the Stalls and one of the Balcony, named in no order.
    let mut input = box_office_input(&event.id, &pick(&event, &[8, 1, 0]));
    input["buyer"] = json!("anna");
    input["paymentReference"] = json!("till 3, 17:05");
    let sold = staff.book_input(&input).await;
    let data = sold.data();
    assert_eq!(data["__typename"], "SeatsBooked");
    assert_eq!(data["attempts"], 1);
    let booking = &data["booking"];
    assert_eq!(booking["version"], 1);
    assert_eq!(booking["status"], "CONFIRMED");
    assert_eq!(booking["paymentReference"], "till 3, 17:05");
    let total = json!({"amountMinor": 2 * 4_500 + 1_250, "currency": "EUR"});
    assert_eq!(booking["total"], total);
    assert_eq!(states(&booking["seats"]), [("BOOKED", 2); 3]);
    for (seat, place) in booking["seats"].as_array().unwrap().iter().zip([0, 1, 8]) {
        assert_eq!(seat["id"], event.seats[place].id, "in the plan's order");
    }
    let map = house.visitor().seat_map_after(&event.id, &sold).await;
    for place in [0, 1, 8] {
        assert_eq!(map[place]["status"], "BOOKED");
        assert_eq!(map[place]["version"], 2);
    }
    let mut sql = house.sql().await;
    let told = "seat_changes c JOIN bookings b ON b.id = c.owner_id \
                AND b.transaction_id = c.transaction_id \
                WHERE cause = 'BOOKED' AND actor = 'staff:tess' AND b.buyer = 'anna' \
                AND b.hold_id IS NULL AND b.token_hash IS NULL \
                AND b.amounts = '{4500, 4500, 1250}'";
    assert_eq!(checks::count(&mut sql, told).await, 3);
    assert_eq!(checks::count(&mut sql, "holds").await, 0);
    for caller in [house.buyer("anna"), staff] {
        let seen = by_reference(&caller, &sold).await;
        assert_eq!(seen["id"], booking["id"]);
    }
    for caller in [house.buyer("bert"), house.visitor()] {
        assert_eq!(by_reference(&caller, &sold).await, Value::Null);
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sold_to_nobody_is_seen_by_staff_only() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let staff = house.staff();
    let sold = staff.book(&event.id, &event.seats).await;
    assert_eq!(sold.data()["booking"]["paymentReference"], Value::Null);
    assert_eq!(
        by_reference(&staff, &sold).await["total"]["amountMinor"],
        2_000
    );
    // Nor is it that of the member of staff who sold it, as a buyer.
    for caller in [house.visitor(), house.buyer("anna"), house.buyer("tess")] {
        assert_eq!(by_reference(&caller, &sold).await, Value::Null);
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_office_is_bound_to_no_window_and_no_limit_of_buyers() {
    let house = House::open().await;
    let staff = house.staff();
    for window in [
        json!({"saleStartsAt": "2029-01-01T00:00:00Z"}),
        json!({"saleEndsAt": "2020-01-01T00:00:00Z"}),
        json!({}),
    ] {
        let mut changes = json!({
            "maxSeatsPerHold": 1, "maxSeatsPerBuyer": 2, "maxHoldsPerBuyer": 1,
        });
        let more = window.as_object().unwrap().clone();
        changes.as_object_mut().unwrap().extend(more);
        let event = house.open_sale(house.draft(1, 5, changes).await).await;
        let mut input = box_office_input(&event.id, &pick(&event, &[0, 1, 2]));
        input["buyer"] = json!("anna");
        let sold = staff.book_input(&input).await;
        assert_eq!(
            states(&sold.data()["booking"]["seats"]),
            [("BOOKED", 2); 3],
            "{window}"
        );
        if window == json!({}) {
            // What she was sold counts when she holds herself.
            let more = house
                .buyer("anna")
                .hold(&event.id, &pick(&event, &[3]))
                .await;
            assert_eq!(more.data()["__typename"], "LimitExceeded");
            assert_eq!(more.data()["limit"], 2);
            assert_eq!(more.data()["requested"], 4);
            let other = house
                .buyer("bert")
                .hold(&event.id, &pick(&event, &[3]))
                .await;
            assert_eq!(other.data()["__typename"], "SeatsHeld");
        }
        // At the door, when the sale is over.
        staff.close_sale(&event.id, event.version).await.data();
        let sold = staff.book(&event.id, &pick(&event, &[4])).await;
        assert_eq!(sold.data()["__typename"], "SeatsBooked");
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_draft_nor_a_cancelled_event_is_sold() {
    let house = House::open().await;
    let staff = house.staff();
    let draft = house.draft(1, 2, json!({})).await;
    let cancelled = house.event(1, 2).await;
    let version = cancelled.version;
    staff.cancel_event(&cancelled.id, version).await.data();
    let before = Digest::of(&house).await;
    for (event, status) in [(draft, "DRAFT"), (cancelled, "CANCELLED")] {
        let answer = staff.book(&event.id, &event.seats).await;
        assert_eq!(answer.data()["__typename"], "EventStatusConflict");
        assert_eq!(answer.data()["code"], "STATUS_CONFLICT");
        assert_eq!(answer.data()["event"]["status"], status);
        before.assert_unchanged(status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_seats_are_sold_or_none_and_others_are_offered() {
    let house = House::open().await;
    let event = six_seats(&house).await;
    let staff = house.staff();
    let before = Digest::of(&house).await;
    let answer = staff.book(&event.id, &pick(&event, &[4, 3, 2, 1, 0])).await;
    assert_lost(
        &event,
        &answer,
        &[
            (0, 1, "HELD", 2),
            (1, 1, "BOOKED", 2),
            (2, 1, "BLOCKED", 2),
            (3, 1, "AVAILABLE", 3),
        ],
    );
    assert_eq!(answer.data()["attempts"], 1);
    let offered = &answer.data()["alternatives"];
    assert_eq!(
        states(offered),
        [("AVAILABLE", 3), ("AVAILABLE", 1)],
        "{offered}"
    );
    assert_eq!(offered[0]["id"], event.seats[3].id);
    assert_eq!(offered[1]["id"], event.seats[5].id);
    before.assert_unchanged("selling what is taken").await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_sells_the_seats_as_they_have_become() {
    let house = House::open().await;
    let event = six_seats(&house).await;
    let staff = house.staff();
    let mut input = box_office_input(&event.id, &pick(&event, &[3, 4]));
    input["onConflict"] = json!("RETRY");
    let sold = staff.book_input(&input).await;
    let booking = &sold.data()["booking"];
    assert_eq!(states(&booking["seats"]), [("BOOKED", 4), ("BOOKED", 2)]);
    assert_eq!(sold.data()["attempts"], 2);
    let mut input = box_office_input(&event.id, &pick(&event, &[2, 5]));
    input["onConflict"] = json!("RETRY");
    let before = Digest::of(&house).await;
    let lost = staff.book_input(&input).await;
    assert_lost(&event, &lost, &[(2, 1, "BLOCKED", 2)]);
    assert_eq!(lost.data()["attempts"], 1);
    before.assert_unchanged("retrying in vain").await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_one_key_seats_are_sold_once_however_often_and_where_it_is_sent() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 4).await;
    let mut input = box_office_input(&event.id, &pick(&event, &[0, 1]));
    input["idempotencyKey"] = json!("1");
    input["buyer"] = json!("anna");
    input["paymentReference"] = json!("till 3");
    let answers = join_all((0..20).map(|number| {
        let of = if number % 2 == 0 { &house } else { &replica };
        let (staff, input) = (of.staff(), &input);
        async move { staff.book_input(input).await }
    }))
    .await;
    for answer in &answers {
        assert_eq!(answer.data()["__typename"], "SeatsBooked");
        for part in ["booking", "cursor"] {
            assert_eq!(answer.data()[part], answers[0].data()[part]);
        }
    }
    let before = Digest::of(&house).await;
    let staff = house.staff();
    for (field, value) in [
        ("buyer", json!("bert")),
        ("buyer", Value::Null),
        ("paymentReference", json!("till 4")),
        ("onConflict", json!("RETRY")),
        ("seats", json!([event.seats[0].input()])),
    ] {
        let mut other = input.clone();
        other[field] = value;
        let answer = staff.book_input(&other).await;
        assert_eq!(answer.error_code(), "IDEMPOTENCY_KEY_REUSED", "{field}");
    }
    before.assert_unchanged("a key that was used").await;
    // The same key of somebody else, or no key, is another request.
    input.as_object_mut().unwrap().remove("idempotencyKey");
    let lost = staff.book_input(&input).await;
    assert_lost(&event, &lost, &[(0, 1, "BOOKED", 2), (1, 1, "BOOKED", 2)]);
    assert_eq!(checks::count(&mut house.sql().await, "bookings").await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seats_of_a_lapsed_hold_can_be_sold() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (buyer, staff) = (house.buyer("anna"), house.staff());
    let sweeper = AbsentSweeper::of(&house);
    let held = buyer.hold(&event.id, &event.seats).await;
    let first = at(2, pick(&event, &[0]));
    let lost = staff.book(&event.id, &first).await;
    assert_lost(&event, &lost, &[(0, 2, "HELD", 2)]);
    lapse(&house, &held).await;
    let sold = staff.book(&event.id, &first).await;
    assert_eq!(states(&sold.data()["booking"]["seats"]), [("BOOKED", 3)]);
    let confirmed = buyer.confirm(&token_of(&held)).await;
    assert_eq!(confirmed.data()["__typename"], "HoldLapsed");
    assert_eq!(states(&confirmed.data()["lost"]), [("BOOKED", 3)]);
    sweeper.let_go(&house).await;
    let map = staff.seat_map(&event.id).await;
    assert_eq!(states(&map["seats"]), [("BOOKED", 3), ("AVAILABLE", 3)]);
    assert_sound(&house).await;
}
