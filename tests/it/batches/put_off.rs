//! Seats that change twice: the database lets each take one step in one statement, so the
//! second step is the next batch's.

use super::{at, holding, in_order, kinds, lost, number_of, transactions};
use crate::booking::{states, token_of};
use crate::support::checks::assert_sound;
use crate::support::{Answer, House, Seat};
use futures_util::FutureExt;
use serde_json::json;

/// The seats of a hold that was answered.
fn held(answer: &Answer) -> Vec<(&str, i64)> {
    let data = answer.data();
    assert_eq!(data["__typename"], "SeatsHeld", "{data}");
    states(&data["hold"]["seats"])
}

/// Somebody who saw the seat taken knows what it will be once it is given back.
#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_given_back_is_there_for_the_next_batch() {
    for policy in ["REPORT", "RETRY"] {
        for seen_at in [1, 3] {
            // Told at once, whoever saw it before it was taken has lost it.
            if policy == "REPORT" && seen_at == 1 {
                continue;
            }
            let house = House::open().await;
            let event = house.event(1, 3).await;
            let [anna, bert, carl] = ["anna", "bert", "carl"].map(|name| house.buyer(name));
            let token = token_of(&anna.hold(&event.id, &event.seats[..1]).await);
            let seat = [at(&event.seats[0], seen_at)];
            let wanted = holding(&event, &seat, json!({"onConflict": policy}));
            let answers = in_order(
                &house,
                vec![
                    anna.release(&token, None).boxed_local(),
                    bert.hold_input(&wanted).boxed_local(),
                    carl.hold(&event.id, &event.seats[1..]).boxed_local(),
                ],
            )
            .await;
            assert_eq!(states(&answers[0].data()["seats"]), [("AVAILABLE", 3)]);
            assert_eq!(held(&answers[1]), [("HELD", 4)]);
            assert_eq!(held(&answers[2]), [("HELD", 2); 2]);
            // Each step of the version is a change of its own in the feed.
            assert_eq!(number_of(&house, "seat_changes WHERE seat_no = 0").await, 3);
            let first = "version = 3 OR seat_no > 0";
            assert_eq!(transactions(&house, first).await, 1);
            let both = "(version > 2 AND seat_no = 0) OR seat_no > 0";
            assert_eq!(transactions(&house, both).await, 2);
            assert_sound(&house).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_seen_a_seat_before_it_was_taken_is_told_that_it_was_given_back() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let answers = in_order(
        &house,
        vec![
            anna.release(&token, None).boxed_local(),
            bert.hold(&event.id, &event.seats).boxed_local(),
        ],
    )
    .await;
    assert_eq!(lost(&answers[1]), [(1, "AVAILABLE", 3)]);
    assert_sound(&house).await;
}

/// Two are put off: among them, too, the first one wins.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_put_off_keep_their_order() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let [anna, bert, carl] = ["anna", "bert", "carl"].map(|name| house.buyer(name));
    let token = token_of(&anna.hold(&event.id, &event.seats[..2]).await);
    let released: Vec<Seat> = event.seats[..2].iter().map(|seat| at(seat, 3)).collect();
    let with_another = [released[1].clone(), event.seats[2].clone()];
    let answers = in_order(
        &house,
        vec![
            anna.release(&token, None).boxed_local(),
            bert.hold(&event.id, &with_another).boxed_local(),
            carl.hold(&event.id, &released).boxed_local(),
        ],
    )
    .await;
    assert_eq!(
        kinds(&answers),
        ["SeatsReleased", "SeatsHeld", "SeatConflict"]
    );
    assert_eq!(held(&answers[1]), [("HELD", 4), ("HELD", 2)]);
    assert_eq!(lost(&answers[2]), [(3, "HELD", 4)]);
    // Whoever lost one of the two has not taken the other one.
    let free = "seats WHERE seat_no = 0 AND status = 'AVAILABLE' AND version = 3";
    assert_eq!(number_of(&house, free).await, 1);
    assert_sound(&house).await;
}

/// From hand to hand in as many batches as it takes, each with one step.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_grows_is_given_back_whole() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats[..1]).await);
    let growing = holding(&event, &event.seats[1..], json!({"holdToken": token}));
    let wanted = [at(&event.seats[0], 3), at(&event.seats[1], 3)];
    let wanted = holding(&event, &wanted, json!({"onConflict": "RETRY"}));
    let answers = in_order(
        &house,
        vec![
            anna.hold_input(&growing).boxed_local(),
            anna.release(&token, None).boxed_local(),
        ],
    )
    .await;
    assert_eq!(held(&answers[0]), [("HELD", 2); 2]);
    assert_eq!(states(&answers[1].data()["seats"]), [("AVAILABLE", 3); 2]);
    assert_eq!(held(&bert.hold_input(&wanted).await), [("HELD", 4); 2]);
    assert_eq!(transactions(&house, "seat_no = 1").await, 3);
    assert_sound(&house).await;
}
