//! Seats that staff keep out of the sale, and give back to it.

use super::{assert_lost, at, pick, six_seats};
use crate::booking::{AbsentSweeper, lapse, states, token_of};
use crate::support::actor::box_office_input;
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::{Answer, House};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_seat_is_out_of_the_sale_until_it_is_unblocked() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let (staff, buyer) = (house.staff(), house.buyer("anna"));
    // In no order; answered in the plan's.
    let blocked = staff.block(&event.id, &pick(&event, &[2, 1])).await;
    let data = blocked.data();
    assert_eq!(data["__typename"], "SeatsBlocked");
    assert_eq!(data["event"]["id"], event.id);
    assert_eq!(data["attempts"], 1);
    assert_eq!(states(&data["seats"]), [("BLOCKED", 2); 2]);
    assert_eq!(data["seats"][0]["id"], event.seats[1].id);
    let map = buyer.seat_map_after(&event.id, &blocked).await;
    assert_eq!(
        states(&map),
        [
            ("AVAILABLE", 1),
            ("BLOCKED", 2),
            ("BLOCKED", 2),
            ("AVAILABLE", 1)
        ]
    );
    let wanted = at(2, pick(&event, &[1]));
    let lost = buyer.hold(&event.id, &wanted).await;
    assert_lost(&event, &lost, &[(1, 2, "BLOCKED", 2)]);

    let unblocked = staff
        .unblock(&event.id, &at(2, pick(&event, &[2, 1])))
        .await;
    let data = unblocked.data();
    assert_eq!(data["__typename"], "SeatsUnblocked");
    assert_eq!(data["event"]["id"], event.id);
    assert_eq!(data["attempts"], 1);
    assert_eq!(states(&data["seats"]), [("AVAILABLE", 3); 2]);
    let map = buyer.seat_map_after(&event.id, &unblocked).await;
    assert_eq!(states(&map)[1..3], [("AVAILABLE", 3); 2]);
    let held = buyer.hold(&event.id, &at(3, pick(&event, &[1]))).await;
    assert_eq!(states(&held.data()["hold"]["seats"]), [("HELD", 4)]);
    let mut sql = house.sql().await;
    for (cause, status) in [("BLOCKED", "BLOCKED"), ("UNBLOCKED", "AVAILABLE")] {
        let told = format!(
            "seat_changes WHERE cause = '{cause}' AND status = '{status}' \
             AND actor = 'staff:tess' AND owner_id IS NULL"
        );
        assert_eq!(checks::count(&mut sql, &told).await, 2, "{cause}");
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_blocked_in_every_status_but_cancelled() {
    let house = House::open().await;
    let staff = house.staff();
    let draft = house.draft(1, 2, json!({})).await;
    let (first, second) = (pick(&draft, &[0]), pick(&draft, &[1]));
    let is = |answer: Answer, kind: &str| assert_eq!(answer.data()["__typename"], kind);
    is(staff.block(&draft.id, &first).await, "SeatsBlocked");
    is(
        staff.unblock(&draft.id, &at(2, first.clone())).await,
        "SeatsUnblocked",
    );
    let event = house.open_sale(draft).await;
    is(
        staff.block(&event.id, &at(3, first.clone())).await,
        "SeatsBlocked",
    );
    staff.close_sale(&event.id, event.version).await.data();
    is(
        staff.unblock(&event.id, &at(4, first.clone())).await,
        "SeatsUnblocked",
    );
    is(
        staff.block(&event.id, &at(5, first.clone())).await,
        "SeatsBlocked",
    );
    let cancelled = staff.cancel_event(&event.id, event.version + 1).await;
    is(cancelled, "EventCancelled");
    let before = Digest::of(&house).await;
    for answer in [
        staff.block(&event.id, &second).await,
        staff.unblock(&event.id, &at(6, first)).await,
    ] {
        assert_eq!(answer.data()["__typename"], "EventStatusConflict");
        assert_eq!(answer.data()["code"], "STATUS_CONFLICT");
        assert_eq!(answer.data()["event"]["status"], "CANCELLED");
        before.assert_unchanged("a cancelled event").await;
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_seats_are_blocked_or_none_and_every_loser_is_listed() {
    let house = House::open().await;
    let event = six_seats(&house).await;
    let staff = house.staff();
    let before = Digest::of(&house).await;
    let all = pick(&event, &[5, 4, 3, 2, 1, 0]);
    let answer = staff.block(&event.id, &all).await;
    let mut lost = [
        (0, 1, "HELD", 2),
        (1, 1, "BOOKED", 2),
        (2, 1, "BLOCKED", 2),
        (3, 1, "AVAILABLE", 3),
    ];
    assert_lost(&event, &answer, &lost);
    assert_eq!(answer.data()["alternatives"], json!([]));
    assert_eq!(answer.data()["attempts"], 1);
    before.assert_unchanged("blocking what is taken").await;
    // At the versions that they have, it is what they are that is in the way.
    let answer = staff
        .block(&event.id, &at(2, pick(&event, &[0, 1, 2])))
        .await;
    for (_, expected, _, _) in &mut lost {
        *expected = 2;
    }
    assert_lost(&event, &answer, &lost[..3]);

    let mut not_blocked = pick(&event, &[0, 1, 3, 4, 5]);
    for (seat, version) in not_blocked.iter_mut().zip([2, 2, 3, 1, 1]) {
        seat.version = version;
    }
    not_blocked.extend(at(2, pick(&event, &[2])));
    let answer = staff.unblock(&event.id, &not_blocked).await;
    assert_lost(
        &event,
        &answer,
        &[
            (0, 2, "HELD", 2),
            (1, 2, "BOOKED", 2),
            (3, 3, "AVAILABLE", 3),
            (4, 1, "AVAILABLE", 1),
            (5, 1, "AVAILABLE", 1),
        ],
    );
    assert_eq!(answer.data()["alternatives"], json!([]));
    let stale = staff.unblock(&event.id, &pick(&event, &[2])).await;
    assert_lost(&event, &stale, &[(2, 1, "BLOCKED", 2)]);
    before
        .assert_unchanged("unblocking what is not blocked")
        .await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_goes_on_with_what_the_seats_have_become() {
    let house = House::open().await;
    let event = six_seats(&house).await;
    let staff = house.staff();
    let retrying = |places: &[usize]| {
        let mut input = box_office_input(&event.id, &pick(&event, places));
        input["onConflict"] = json!("RETRY");
        input
    };
    let blocked = staff.block_input(&retrying(&[3, 4])).await;
    assert_eq!(
        states(&blocked.data()["seats"]),
        [("BLOCKED", 4), ("BLOCKED", 2)]
    );
    assert_eq!(blocked.data()["attempts"], 2);
    let unblocked = staff.unblock_input(&retrying(&[2, 3, 4])).await;
    assert_eq!(
        states(&unblocked.data()["seats"]),
        [("AVAILABLE", 3), ("AVAILABLE", 5), ("AVAILABLE", 3)]
    );
    assert_eq!(unblocked.data()["attempts"], 2);
    let before = Digest::of(&house).await;
    // Nothing makes a held seat worth waiting for.
    let lost = staff.block_input(&retrying(&[0, 3])).await;
    assert_lost(&event, &lost, &[(0, 1, "HELD", 2), (3, 1, "AVAILABLE", 5)]);
    assert_eq!(lost.data()["attempts"], 1);
    let lost = staff.unblock_input(&retrying(&[5])).await;
    assert_lost(&event, &lost, &[(5, 1, "AVAILABLE", 1)]);
    before.assert_unchanged("retrying in vain").await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_one_key_seats_are_blocked_once() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let staff = house.staff();
    let with_key = |key: &str, version: i64, places: &[usize]| {
        let seats = at(version, pick(&event, places));
        let mut input = box_office_input(&event.id, &seats);
        input["idempotencyKey"] = json!(key);
        input
    };
    let first = staff.block_input(&with_key("b", 1, &[0, 1])).await;
    assert_eq!(first.data()["__typename"], "SeatsBlocked");
    let undone = staff.unblock_input(&with_key("u", 2, &[0])).await;
    assert_eq!(undone.data()["__typename"], "SeatsUnblocked");
    let before = Digest::of(&house).await;
    // As it was answered then, although one seat has been given back since.
    let again = staff.block_input(&with_key("b", 1, &[0, 1])).await;
    assert_eq!(again.data(), first.data());
    let again = staff.unblock_input(&with_key("u", 2, &[0])).await;
    assert_eq!(again.data(), undone.data());
    for answer in [
        staff.block_input(&with_key("b", 1, &[0, 2])).await,
        staff.block_input(&with_key("b", 1, &[1, 0])).await,
        // The same input for the other mutation.
        staff.unblock_input(&with_key("b", 1, &[0, 1])).await,
        staff.block_input(&with_key("u", 2, &[0])).await,
    ] {
        assert_eq!(answer.error_code(), "IDEMPOTENCY_KEY_REUSED");
    }
    // A refusal leaves the key free.
    let refused = staff.block_input(&with_key("r", 1, &[1])).await;
    assert_lost(&event, &refused, &[(1, 1, "BLOCKED", 2)]);
    before
        .assert_unchanged("requests that were sent again")
        .await;
    let other = staff.block_input(&with_key("r", 1, &[2])).await;
    assert_eq!(other.data()["__typename"], "SeatsBlocked");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seat_of_a_lapsed_hold_can_be_blocked() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (buyer, staff) = (house.buyer("anna"), house.staff());
    let sweeper = AbsentSweeper::of(&house);
    let held = buyer.hold(&event.id, &event.seats).await;
    let seats = at(2, event.seats.clone());
    let lost = staff.block(&event.id, &seats).await;
    assert_lost(&event, &lost, &[(0, 2, "HELD", 2)]);
    lapse(&house, &held).await;
    let blocked = staff.block(&event.id, &seats).await;
    assert_eq!(states(&blocked.data()["seats"]), [("BLOCKED", 3)]);
    let confirmed = buyer.confirm(&token_of(&held)).await;
    assert_eq!(confirmed.data()["__typename"], "HoldLapsed");
    sweeper.let_go(&house).await;
    let map = staff.seat_map(&event.id).await;
    assert_eq!(states(&map["seats"]), [("BLOCKED", 3)]);
    assert_sound(&house).await;
}
