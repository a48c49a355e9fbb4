//! Events that are called off.

use super::ask_event;
use crate::booking::{lapse_all, published, states, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::lock::Lock;
use crate::support::{Answer, House, eventually};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

fn kind(answer: &Answer) -> &str {
    answer.data()["__typename"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_event_its_holds_end_and_its_bookings_stay() {
    let house = House::open().await;
    let event = house.event(1, 6).await;
    let elsewhere = house.event(1, 1).await;
    let (staff, anna, visitor) = (house.staff(), house.buyer("anna"), house.visitor());
    let of_anna = anna.hold(&event.id, &event.seats[..2]).await;
    let of_visitor = visitor.hold(&event.id, &event.seats[2..3]).await;
    let sold = anna.hold(&event.id, &event.seats[3..4]).await;
    let sold = anna.confirm(&token_of(&sold)).await;
    staff.block(&event.id, &event.seats[4..5]).await.data();
    let other = anna.hold(&elsewhere.id, &elsewhere.seats).await;

    let cancelled = staff.cancel_event(&event.id, event.version).await;
    let data = cancelled.data();
    assert_eq!(data["__typename"], "EventCancelled");
    assert_eq!(
        data["event"],
        json!({"id": event.id, "version": event.version + 1, "status": "CANCELLED"})
    );
    assert_eq!(data["endedHolds"], 2);
    assert_eq!(data["releasedSeats"], 3);
    let map = visitor.seat_map_after(&event.id, &cancelled).await;
    assert_eq!(
        states(&map),
        [
            ("AVAILABLE", 3),
            ("AVAILABLE", 3),
            ("AVAILABLE", 3),
            ("BOOKED", 3),
            ("BLOCKED", 2),
            ("AVAILABLE", 1),
        ]
    );
    let mut sql = house.sql().await;
    let told = "seat_changes WHERE cause = 'CANCELLED' AND status = 'AVAILABLE' \
                AND actor = 'staff:tess' AND owner_id IS NULL";
    assert_eq!(checks::count(&mut sql, told).await, 3);
    let released = "holds WHERE event_id = 1 AND status = 'RELEASED'";
    assert_eq!(checks::count(&mut sql, released).await, 2);

    let before = Digest::of(&house).await;
    for (caller, held) in [(&anna, &of_anna), (&visitor, &of_visitor)] {
        let token = token_of(held);
        let query = "query($token: String!) { hold(token: $token) { id } }";
        let seen = caller.ask(query, json!({"token": token})).await;
        assert_eq!(seen.data()["hold"], Value::Null);
        assert_eq!(kind(&caller.confirm(&token).await), "SaleNotOpen");
        assert_eq!(kind(&caller.release(&token, None).await), "HoldEnded");
    }
    let late = anna.hold(&event.id, &event.seats[5..]).await;
    assert_eq!(kind(&late), "SaleNotOpen");
    assert_eq!(late.data()["status"], "CANCELLED");
    let query = "query($reference: String!) { booking(reference: $reference) \
        { status event { status } seats { status } } }";
    let reference = &sold.data()["booking"]["reference"];
    let booking = anna.ask(query, json!({"reference": reference})).await;
    assert_eq!(
        booking.data()["booking"],
        json!({
            "status": "CONFIRMED", "event": {"status": "CANCELLED"},
            "seats": [{"status": "BOOKED"}],
        })
    );
    // For good.
    let version = event.version + 1;
    for answer in [
        staff.cancel_event(&event.id, version).await,
        staff.try_open_sale(&event.id, version).await,
        staff.close_sale(&event.id, version).await,
    ] {
        assert_eq!(kind(&answer), "EventStatusConflict");
        assert_eq!(answer.data()["code"], "STATUS_CONFLICT");
        assert_eq!(answer.data()["event"]["status"], "CANCELLED");
    }
    before.assert_unchanged("an event that is cancelled").await;
    // Another event is none of its business.
    assert_eq!(
        kind(&anna.confirm(&token_of(&other)).await),
        "HoldConfirmed"
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_and_a_closed_event_can_be_cancelled_at_their_version_only() {
    let house = House::open().await;
    let staff = house.staff();
    let draft = house.draft(1, 1, json!({})).await;
    let closed = house.event(1, 1).await;
    let held = house.visitor().hold(&closed.id, &closed.seats).await;
    staff.close_sale(&closed.id, closed.version).await.data();
    for (event, version, holds) in [(&draft, 1, 0), (&closed, 3, 1)] {
        let before = Digest::of(&house).await;
        for stale in [version - 1, version + 1] {
            let answer = staff.cancel_event(&event.id, stale).await;
            assert_eq!(kind(&answer), "EventVersionConflict");
            assert_eq!(answer.data()["code"], "VERSION_CONFLICT");
            assert_eq!(answer.data()["expectedVersion"], stale);
            assert_eq!(answer.data()["event"]["version"], version);
        }
        before.assert_unchanged("a stale version").await;
        let cancelled = staff.cancel_event(&event.id, version).await;
        assert_eq!(cancelled.data()["event"]["status"], "CANCELLED");
        assert_eq!(cancelled.data()["endedHolds"], holds);
        // The cursor is good also when no seat has changed.
        let map = staff.seat_map_after(&event.id, &cancelled).await;
        assert_eq!(map[0]["status"], "AVAILABLE");
    }
    let confirmed = house.visitor().confirm(&token_of(&held)).await;
    assert_eq!(kind(&confirmed), "SaleNotOpen");
    // Whether anybody had seen it before is written nowhere: only drafts are hidden.
    let seen = ask_event(&house.visitor(), &draft.id, "status").await;
    assert_eq!(seen, json!({"status": "CANCELLED"}));
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_staff_who_cancel_at_once_one_wins_and_the_others_are_told() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 4).await;
    let buyer = house.buyer("anna");
    for seat in &event.seats {
        let seat = std::slice::from_ref(seat);
        buyer.hold(&event.id, seat).await.data();
    }
    let answers = join_all((0..20).map(|number| {
        let of = if number % 2 == 0 { &house } else { &replica };
        let (staff, event) = (of.staff(), &event);
        async move { staff.cancel_event(&event.id, event.version).await }
    }))
    .await;
    let won = answers
        .iter()
        .filter(|answer| kind(answer) == "EventCancelled");
    assert_eq!(
        won.map(|won| &won.data()["endedHolds"]).collect::<Vec<_>>(),
        [4]
    );
    let lost = answers
        .iter()
        .filter(|answer| kind(answer) == "EventVersionConflict");
    assert_eq!(lost.count(), 19);
    assert_sound(&house).await;
}

/// A hold that lapsed and has lost a seat to somebody else, whom the cancellation ends
/// as well: each seat goes back once.
#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_gives_back_what_is_still_its_own() {
    use crate::booking::{AbsentSweeper, lapse};
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let sweeper = AbsentSweeper::of(&house);
    let lapsed = anna.hold(&event.id, &event.seats).await;
    lapse(&house, &lapsed).await;
    let mut first = event.seats[..1].to_vec();
    first[0].version = 2;
    bert.hold(&event.id, &first).await.data();
    let cancelled = house.staff().cancel_event(&event.id, event.version).await;
    assert_eq!(cancelled.data()["endedHolds"], 2);
    assert_eq!(cancelled.data()["releasedSeats"], 2);
    let map = anna.seat_map_after(&event.id, &cancelled).await;
    assert_eq!(states(&map), [("AVAILABLE", 4), ("AVAILABLE", 3)]);
    sweeper.let_go(&house).await;
    assert_sound(&house).await;
}

/// It had read the event before the cancellation, and is visible after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_was_being_made_cannot_be_confirmed_and_lapses() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut seat = Lock::on_first_seat(&house.database_url).await;
    let buyer = house.buyer("anna");
    let holding = tokio::spawn({
        let (buyer, event) = (buyer.clone(), event.clone());
        async move { buyer.hold(&event.id, &event.seats).await }
    });
    seat.is_wanted_by(1).await;
    let cancelled = house.staff().cancel_event(&event.id, event.version).await;
    assert_eq!(cancelled.data()["endedHolds"], 0);
    seat.let_go().await;
    let held = holding.await.unwrap();
    let token = token_of(&held);
    let before = Digest::of(&house).await;
    let refused = buyer.confirm(&token).await;
    assert_eq!(kind(&refused), "SaleNotOpen");
    assert_eq!(refused.data()["code"], "SALE_NOT_OPEN");
    assert_eq!(refused.data()["status"], "CANCELLED");
    before.assert_unchanged("confirming a stray").await;
    lapse_all(&house, "true").await;
    published(&house).await;
    assert_eq!(kind(&buyer.confirm(&token).await), "SaleNotOpen");
    let map = buyer.seat_map(&event.id).await;
    assert_eq!(states(&map["seats"]), [("AVAILABLE", 3); 2]);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_being_confirmed_is_waited_for() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let waiting = buyer.hold(&event.id, &event.seats[1..]).await;
    let mut seat = Lock::on_first_seat(&house.database_url).await;
    let confirming = tokio::spawn({
        let (buyer, token) = (buyer.clone(), token_of(&held));
        async move { buyer.confirm(&token).await }
    });
    seat.is_wanted_by(1).await;
    let cancelling = tokio::spawn({
        let (staff, event) = (house.staff(), event.clone());
        async move { staff.cancel_event(&event.id, event.version).await }
    });
    seat.is_wanted_by(2).await;
    seat.let_go().await;
    assert_eq!(kind(&confirming.await.unwrap()), "HoldConfirmed");
    let cancelled = cancelling.await.unwrap();
    assert_eq!(cancelled.data()["endedHolds"], 1, "the other one");
    assert_eq!(cancelled.data()["releasedSeats"], 1);
    assert_eq!(
        kind(&buyer.confirm(&token_of(&waiting)).await),
        "SaleNotOpen"
    );
    assert_sound(&house).await;
}

/// Asks again while too many others are in the way, which SERIALIZABLE transactions may
/// be; answers also whether the last question came after the cancellation was `answered`.
async fn insist(answered: &AtomicBool, ask: impl AsyncFn() -> Answer) -> (bool, Answer) {
    loop {
        let too_late = answered.load(Ordering::SeqCst);
        let answer = ask().await;
        if answer.0["errors"][0]["extensions"]["code"] != "CONTENDED" {
            return (too_late, answer);
        }
    }
}

/// Fifty buyers hold and confirm one seat after the other until they are told that the
/// event is cancelled. A confirm that did not look at the event's status would be caught
/// here: some of them are sent after the cancellation was answered.
#[tokio::test(flavor = "multi_thread")]
async fn once_a_cancellation_is_answered_nobody_books() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(50, 40).await;
    let answered = AtomicBool::new(false);
    let buying = join_all(event.seats.chunks(40).enumerate().map(|(number, row)| {
        let of = if number % 2 == 0 { &house } else { &replica };
        let buyer = of.buyer(&format!("buyer-{number}"));
        let (event, answered) = (&event.id, &answered);
        async move {
            let mut refused = Vec::new();
            for seat in row {
                let seat = std::slice::from_ref(seat);
                let (too_late, held) =
                    insist(answered, async || buyer.hold(event, seat).await).await;
                if kind(&held) == "SaleNotOpen" {
                    refused.push("SaleNotOpen".to_owned());
                    break;
                }
                assert!(!too_late, "held after the cancellation: {}", held.0);
                let token = token_of(&held);
                let (too_late, confirmed) =
                    insist(answered, async || buyer.confirm(&token).await).await;
                match kind(&confirmed) {
                    "HoldConfirmed" => assert!(!too_late, "booked after the cancellation"),
                    refusal @ ("HoldEnded" | "SaleNotOpen") => refused.push(refusal.to_owned()),
                    other => panic!("{other}"),
                }
            }
            refused
        }
    }));
    let cancelling = async {
        let mut sql = house.sql().await;
        eventually("some seats are sold", async || {
            (checks::count(&mut sql, "bookings").await >= 50).then_some(())
        })
        .await;
        let cancelled = house.staff().cancel_event(&event.id, event.version).await;
        answered.store(true, Ordering::SeqCst);
        cancelled
    };
    let (refused, cancelled) = tokio::join!(buying, cancelling);
    assert_eq!(kind(&cancelled), "EventCancelled", "{}", cancelled.0);
    for refused in refused {
        assert_eq!(refused.last().unwrap(), "SaleNotOpen");
    }
    let mut sql = house.sql().await;
    let at_all = checks::count(&mut sql, "bookings").await;
    assert!((50..2_000).contains(&at_all), "{at_all} sold");
    // What is still held was being held in that moment, and lapses.
    lapse_all(&house, "true").await;
    published(&house).await;
    assert_eq!(
        checks::count(&mut sql, "holds WHERE status = 'ACTIVE'").await,
        0
    );
    assert_eq!(
        checks::count(&mut sql, "seats WHERE status = 'HELD'").await,
        0
    );
    let sold = "seats WHERE status = 'BOOKED'";
    assert_eq!(checks::count(&mut sql, sold).await, at_all);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_holds_end_in_one_call() {
    let house = House::open().await;
    let event = house.event(60, 100).await;
    let mut sql = house.sql().await;
    // Each has a seat of every third of the house.
    sql.batch_execute(
        "BEGIN; \
         INSERT INTO holds (event_id, id, token_hash, seat_nos, amounts, currency, expires_at) \
             SELECT 1, gen_random_uuid(), '', ARRAY[n, 2000 + n, 4000 + n], \
                    '{1000, 1000, 1000}', 'EUR', now() + interval '1 hour' \
             FROM generate_series(0, 1999) n; \
         UPDATE seats SET status = 'HELD', version = 2, cause = 'HELD', actor = 'test', \
                owner_id = h.id, held_until = h.expires_at \
             FROM holds h WHERE seats.seat_no = ANY (h.seat_nos); \
         COMMIT",
    )
    .await
    .unwrap();
    assert_sound(&house).await;
    let cancelled = house.staff().cancel_event(&event.id, event.version).await;
    assert_eq!(cancelled.data()["endedHolds"], 2_000);
    assert_eq!(cancelled.data()["releasedSeats"], 6_000);
    let map = house.visitor().seat_map_after(&event.id, &cancelled).await;
    let free = states(&map)
        .into_iter()
        .filter(|seat| *seat == ("AVAILABLE", 3));
    assert_eq!(free.count(), 6_000);
    let transactions = "(SELECT DISTINCT transaction_id FROM seat_changes \
                        WHERE cause = 'CANCELLED') cancelling";
    assert_eq!(checks::count(&mut sql, transactions).await, 1);
    assert_sound(&house).await;
}
