//! Commands that settle among themselves, in order of arrival, who gets what.

use super::{
    FEW, all_connections, are_waiting, at, holding, holding_one, in_one_batch, in_order, kind,
    kinds, lost, number_of, number_of_kind, one_lane, transactions,
};
use crate::booking::{event_key, states, token_of};
use crate::support::checks::assert_sound;
use crate::support::{Answer, Event, House, Seat};
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::json;
use usher::domain::holding::HoldRefused;
use usher::model::status::SeatStatus;

/// They come past HTTP: so many that the first batch is as large as one may be.
#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_who_want_one_seat_one_gets_it_and_all_others_are_told_who_has() {
    const ALL: usize = 2_000;
    let house = House::open_with_batches(one_lane(1_000)).await;
    let event = house.event(1, 2).await;
    let connections = all_connections(&house).await;
    let batcher = &house.running.services.batcher;
    let waiting = (0..ALL).map(|_| {
        let (work, request) = holding_one(&event, 0);
        batcher.submit(work, request)
    });
    let gathering = async {
        are_waiting(&house, ALL).await;
        drop(connections);
    };
    let (outcomes, ()) = tokio::join!(join_all(waiting), gathering);
    let mut held = 0;
    for outcome in outcomes {
        let Ok((_, settled)) = outcome else {
            panic!("somebody was not answered");
        };
        match settled.unwrap().result {
            Ok(_) => held += 1,
            Err(HoldRefused::Conflict(conflict)) => {
                let [lost] = conflict.lost[..] else {
                    panic!("one seat was lost: {conflict:?}");
                };
                assert_eq!((lost.expected_version, lost.now.version), (1, 2));
                assert_eq!(lost.now.status, SeatStatus::Held);
            }
            Err(refusal) => panic!("refused for another reason: {refusal:?}"),
        }
    }
    assert_eq!(held, 1);
    assert_eq!(number_of(&house, "holds").await, 1);
    assert_eq!(transactions(&house, "true").await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_one_seat_each_loser_is_offered_the_one_beside_it() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let visitor = house.visitor();
    let requests = (0..300).map(|_| visitor.hold(&event.id, &event.seats[..1]));
    let answers = in_one_batch(&house, requests.collect()).await;
    assert_eq!(number_of_kind(&answers, "SeatsHeld"), 1);
    let losers = answers.iter().filter(|answer| kind(answer) != "SeatsHeld");
    for answer in losers {
        assert_eq!(lost(answer), [(1, "HELD", 2)]);
        let alternatives = &answer.data()["alternatives"];
        assert_eq!(states(alternatives), [("AVAILABLE", 1)]);
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_holds_are_one_transaction_and_very_many_are_few() {
    for (count, at_most) in [(FEW, 1), (60, 8)] {
        let house = House::open().await;
        let event = house.event(1, count).await;
        let visitor = house.visitor();
        let seats = event.seats.chunks(1);
        let requests = seats.map(|seat| visitor.hold(&event.id, seat)).collect();
        let answers = in_one_batch(&house, requests).await;
        assert_eq!(number_of_kind(&answers, "SeatsHeld"), count);
        let made = transactions(&house, "true").await;
        assert!(made <= at_most, "{made} transactions for {count} holds");
        assert_sound(&house).await;
    }
}

/// Whoever lost one seat has taken nothing from whoever wants the other one.
#[tokio::test(flavor = "multi_thread")]
async fn overlapping_sets_are_held_whole_or_not_at_all_in_order_of_arrival() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let visitor = house.visitor();
    let pairs = event.seats.windows(2);
    let requests = pairs.map(|pair| visitor.hold(&event.id, pair).boxed_local());
    let answers = in_order(&house, requests.collect()).await;
    let expected = ["SeatsHeld", "SeatConflict", "SeatsHeld", "SeatConflict"];
    assert_eq!(kinds(&answers), expected);
    for (loser, seat) in [(1, 1), (3, 3)] {
        assert_eq!(lost(&answers[loser]), [(1, "HELD", 2)]);
        let conflict = &answers[loser].data()["conflicts"][0];
        assert_eq!(conflict["seat"]["id"], json!(event.seats[seat].id));
    }
    assert_eq!(transactions(&house, "true").await, 1);
    assert_sound(&house).await;
}

/// The other way round another one wins: it is the order that decides.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_first_wins_whatever_seat_it_is() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let visitor = house.visitor();
    let pairs = event.seats.windows(2);
    let requests = pairs.map(|pair| visitor.hold(&event.id, pair).boxed_local());
    let mut requests: Vec<_> = requests.collect();
    requests.swap(0, 1);
    let answers = in_order(&house, requests).await;
    // (1,2) came first, so (0,1) and (2,3) have lost, and (3,4) has not.
    let expected = ["SeatsHeld", "SeatConflict", "SeatConflict", "SeatsHeld"];
    assert_eq!(kinds(&answers), expected);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_buyer_hold_within_a_batch() {
    let house = House::open().await;
    let draft = house.draft(1, 10, json!({"maxSeatsPerBuyer": 3})).await;
    let event: Event = house.open_sale(draft).await;
    let anna = house.buyer("anna");
    let seats = event.seats.chunks(1);
    let requests = seats.map(|seat: &[Seat]| anna.hold(&event.id, seat));
    let answers = in_one_batch(&house, requests.collect()).await;
    assert_eq!(number_of_kind(&answers, "SeatsHeld"), 3);
    assert_eq!(number_of_kind(&answers, "LimitExceeded"), 7);
    assert_sound(&house).await;
}

/// The seats of a booking that was answered.
fn booked(answer: &Answer) -> Vec<(&str, i64)> {
    let data = answer.data();
    assert_eq!(data["__typename"], "HoldConfirmed", "{data}");
    states(&data["booking"]["seats"])
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_every_kind_and_of_two_events_are_answered_as_if_alone() {
    let house = House::open_with_batches(one_lane(256)).await;
    let (first, second) = (house.event(1, 6).await, house.event(1, 6).await);
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let confirming = token_of(&anna.hold(&first.id, &first.seats[..2]).await);
    let releasing = token_of(&bert.hold(&second.id, &second.seats[..1]).await);
    let before = number_of(&house, "seat_changes").await;
    assert_eq!(before, 3);
    let answers = in_order(
        &house,
        vec![
            bert.hold(&first.id, &first.seats[2..4]).boxed_local(),
            anna.confirm(&confirming).boxed_local(),
            bert.release(&releasing, None).boxed_local(),
            anna.best(&second.id, 2).boxed_local(),
            bert.hold(&second.id, &second.seats[..1]).boxed_local(),
            bert.hold(&first.id, &first.seats[1..3]).boxed_local(),
            anna.confirm("no token").boxed_local(),
        ],
    )
    .await;
    let [held, confirmed, released, best, too_late, conflict, unknown] = &answers[..] else {
        panic!("seven answers");
    };
    assert_eq!(states(&held.data()["hold"]["seats"]), [("HELD", 2); 2]);
    assert_eq!(booked(confirmed), [("BOOKED", 3); 2]);
    assert_eq!(states(&released.data()["seats"]), [("AVAILABLE", 3)]);
    assert_eq!(states(&best.data()["hold"]["seats"]), [("HELD", 2); 2]);
    // It expected the seat as it was before somebody had it and gave it back.
    assert_eq!(lost(too_late), [(1, "AVAILABLE", 3)]);
    assert_eq!(lost(conflict), [(1, "BOOKED", 3), (1, "HELD", 2)]);
    assert_eq!(unknown.data()["__typename"], "HoldNotFound");
    let made = "cause IN ('BOOKED', 'RELEASED') OR (cause = 'HELD' AND (event_id, seat_no) \
                NOT IN (SELECT event_id, seat_no FROM seat_changes \
                        WHERE cause IN ('BOOKED', 'RELEASED')))";
    assert_eq!(transactions(&house, made).await, 1, "all of it at once");
    assert_ne!(event_key(&first), event_key(&second));
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_release_and_a_confirmation_of_one_hold_the_first_one_counts() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let anna = house.buyer("anna");
    let [first, second] = [0, 1].map(|place| &event.seats[place..=place]);
    let given_back = token_of(&anna.hold(&event.id, first).await);
    let booked_at_once = token_of(&anna.hold(&event.id, second).await);
    let answers = in_order(
        &house,
        vec![
            anna.release(&given_back, None).boxed_local(),
            anna.confirm(&given_back).boxed_local(),
            anna.confirm(&booked_at_once).boxed_local(),
            anna.release(&booked_at_once, None).boxed_local(),
        ],
    )
    .await;
    let expected = ["SeatsReleased", "HoldEnded", "HoldConfirmed", "HoldEnded"];
    assert_eq!(kinds(&answers), expected);
    assert_eq!(number_of(&house, "bookings").await, 1);
    let left = "seats WHERE (seat_no, status) IN ((0, 'AVAILABLE'), (1, 'BOOKED'))";
    assert_eq!(number_of(&house, left).await, 2);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_confirmed_twice_in_a_batch_is_one_booking() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let anna = house.buyer("anna");
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let with = |payment: &str| json!({"token": token, "paymentReference": payment});
    let (webhook, another) = (with("paid"), with("another"));
    let answers = in_order(
        &house,
        vec![
            anna.confirm(&token).boxed_local(),
            anna.confirm(&token).boxed_local(),
            anna.confirm_input(&webhook).boxed_local(),
            anna.confirm_input(&another).boxed_local(),
        ],
    )
    .await;
    let booking = |answer: &Answer| answer.data()["booking"].clone();
    let references: Vec<_> = answers
        .iter()
        .map(|answer| booking(answer)["reference"].clone())
        .collect();
    assert!(
        references
            .iter()
            .all(|reference| *reference == references[0])
    );
    for before_payment in &answers[..2] {
        assert_eq!(booked(before_payment), [("BOOKED", 3); 2]);
    }
    // The webhook tells of the payment, and the first payment stays.
    for answer in &answers[2..] {
        assert_eq!(booking(answer)["paymentReference"], "paid");
    }
    let paid = "bookings WHERE payment_reference = 'paid' AND version = 2";
    assert_eq!(number_of(&house, paid).await, 1);
    assert_eq!(number_of(&house, "bookings").await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_came_with_the_first_confirmation_stays() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let anna = house.buyer("anna");
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let inputs =
        ["first", "second"].map(|payment| json!({"token": token, "paymentReference": payment}));
    let requests = inputs
        .iter()
        .map(|input| anna.confirm_input(input).boxed_local());
    let answers = in_order(&house, requests.collect()).await;
    for answer in &answers {
        assert_eq!(answer.data()["booking"]["paymentReference"], "first");
        assert_eq!(answer.data()["booking"]["version"], 1);
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_grows_and_is_confirmed_in_one_batch_is_booked_whole() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let anna = house.buyer("anna");
    let growing = token_of(&anna.hold(&event.id, &event.seats[..1]).await);
    let grow = |place: usize| {
        holding(
            &event,
            &event.seats[place..=place],
            json!({"holdToken": growing}),
        )
    };
    let (grow_in_time, grow_too_late) = (grow(1), grow(2));
    let answers = in_order(
        &house,
        vec![
            anna.hold_input(&grow_in_time).boxed_local(),
            anna.confirm(&growing).boxed_local(),
        ],
    )
    .await;
    assert_eq!(
        states(&answers[0].data()["hold"]["seats"]),
        [("HELD", 2); 2]
    );
    assert_eq!(booked(&answers[1]), [("BOOKED", 3); 2]);
    let late = anna.hold_input(&grow_too_late).await;
    assert_eq!(late.data()["__typename"], "HoldEnded");
    assert_eq!(
        number_of(&house, "bookings WHERE cardinality(seat_nos) = 2").await,
        1
    );
    assert_sound(&house).await;
}

/// The other order: what is confirmed does not grow.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_confirmed_does_not_grow_in_the_same_batch() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let anna = house.buyer("anna");
    let token = token_of(&anna.hold(&event.id, &event.seats[..1]).await);
    let grow = holding(&event, &event.seats[1..], json!({"holdToken": token}));
    let answers = in_order(
        &house,
        vec![
            anna.confirm(&token).boxed_local(),
            anna.hold_input(&grow).boxed_local(),
        ],
    )
    .await;
    assert_eq!(kinds(&answers), ["HoldConfirmed", "HoldEnded"]);
    let untouched = "seats WHERE seat_no = 1 AND version = 1";
    assert_eq!(number_of(&house, untouched).await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_given_back_in_parts_and_the_rest_is_booked_in_one_batch() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let anna = house.buyer("anna");
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let ids: Vec<[&str; 1]> = event.seats.iter().map(|seat| [seat.id.as_str()]).collect();
    let answers = in_order(
        &house,
        vec![
            anna.release(&token, Some(&ids[0])).boxed_local(),
            anna.release(&token, Some(&ids[2])).boxed_local(),
            anna.release(&token, Some(&ids[0])).boxed_local(),
            anna.confirm(&token).boxed_local(),
            anna.release(&token, Some(&ids[1])).boxed_local(),
        ],
    )
    .await;
    for (answer, left) in answers.iter().zip([3, 2]) {
        assert_eq!(states(&answer.data()["seats"]), [("AVAILABLE", 3)]);
        let rest = answer.data()["hold"]["seats"].as_array().unwrap();
        assert_eq!(rest.len(), left);
    }
    assert_eq!(
        answers[2].error_code(),
        "BAD_USER_INPUT",
        "not its any more"
    );
    assert_eq!(booked(&answers[3]), [("BOOKED", 3); 2]);
    assert_eq!(answers[4].data()["__typename"], "HoldEnded");
    assert_eq!(transactions(&house, "version = 3").await, 1);
    assert_sound(&house).await;
}

/// What was read of a seat counts for those that come after, not what their callers have seen.
#[tokio::test(flavor = "multi_thread")]
async fn who_expects_a_version_that_is_yet_to_come_does_not_get_it_from_those_behind() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let released = [at(&event.seats[0], 3)];
    let answers = in_order(
        &house,
        vec![
            bert.hold(&event.id, &released).boxed_local(),
            anna.release(&token, None).boxed_local(),
        ],
    )
    .await;
    assert_eq!(lost(&answers[0]), [(3, "HELD", 2)]);
    assert_eq!(states(&answers[1].data()["seats"]), [("AVAILABLE", 3)]);
    assert_sound(&house).await;
}
