//! The server picks the seats, for several parties of one batch, and beside those who pick for
//! themselves.

use super::{
    in_one_batch, in_order, kind, kinds, number_of, number_of_kind, one_lane, transactions,
};
use crate::booking::{states, token_of};
use crate::support::checks::assert_sound;
use crate::support::lock::Lock;
use crate::support::{House, insist};
use futures_util::FutureExt;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_room_waits_for_what_is_given_back_in_the_same_batch() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let [anna, bert, carl] = ["anna", "bert", "carl"].map(|name| house.buyer(name));
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let answers = in_order(
        &house,
        vec![
            anna.release(&token, None).boxed_local(),
            bert.best(&event.id, 2).boxed_local(),
            carl.best(&event.id, 1).boxed_local(),
        ],
    )
    .await;
    assert_eq!(
        kinds(&answers),
        ["SeatsReleased", "SeatsHeld", "NotEnoughSeats"]
    );
    assert_eq!(
        states(&answers[1].data()["hold"]["seats"]),
        [("HELD", 4); 2]
    );
    assert_eq!(answers[2].data()["largestGroup"], 0);
    assert_eq!(transactions(&house, "true").await, 3);
    assert_sound(&house).await;
}

/// Nobody knows yet what will become of the seats: "there are no seats" would be false.
#[tokio::test(flavor = "multi_thread")]
async fn while_others_are_at_all_seats_nobody_is_told_that_there_are_none() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let visitor = house.visitor();
    let all = "BEGIN; SELECT 1 FROM seats WHERE event_id = 1 ORDER BY seat_no FOR UPDATE";
    let lock = Lock::by(&house.database_url, all).await;
    let requests = [1, 2, 4].map(|party| visitor.best(&event.id, party));
    let answers = in_one_batch(&house, requests.into()).await;
    for answer in &answers {
        assert_eq!(answer.error_code(), "CONTENDED", "{}", answer.0);
    }
    lock.let_go().await;
    let held = visitor.best(&event.id, 4).await;
    assert_eq!(kind(&held), "SeatsHeld");
    // Now it is true.
    let none = visitor.best(&event.id, 1).await;
    assert_eq!(kind(&none), "NotEnoughSeats");
    assert_sound(&house).await;
}

/// Others are at some of the seats: the server picks among the others.
#[tokio::test(flavor = "multi_thread")]
async fn all_parties_of_a_batch_get_seats_that_nobody_else_is_at() {
    let house = House::open().await;
    let event = house.event(2, 6).await;
    let visitor = house.visitor();
    let first_row = "BEGIN; SELECT 1 FROM seats WHERE seat_no < 6 ORDER BY seat_no FOR UPDATE";
    let lock = Lock::by(&house.database_url, first_row).await;
    let requests = (0..3).map(|_| visitor.best(&event.id, 2));
    let answers = in_one_batch(&house, requests.collect()).await;
    assert_eq!(kinds(&answers), ["SeatsHeld"; 3]);
    let in_second_row = "seats WHERE seat_no >= 6 AND status = 'HELD'";
    assert_eq!(number_of(&house, in_second_row).await, 6);
    lock.let_go().await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_two_replicas_sell_the_house_to_the_last_seat() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(4, 10).await;
    // Of one person each, so that no seat is left alone between two parties.
    let batch = async |house: &House| {
        let visitor = house.visitor();
        let requests = (0..25).map(|_| insist(async || visitor.best(&event.id, 1).await));
        in_one_batch(house, requests.collect()).await
    };
    let (here, there) = tokio::join!(batch(&house), batch(&replica));
    let answers = [here, there].concat();
    assert_eq!(number_of_kind(&answers, "SeatsHeld"), 40);
    assert_eq!(number_of_kind(&answers, "NotEnoughSeats"), 10);
    assert_eq!(number_of(&house, "seats WHERE status = 'HELD'").await, 40);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_batch_keeps_its_own_rule_against_lone_seats() {
    let house = House::open_with_batches(one_lane(256)).await;
    let with_rule = async |rule: &str| {
        let draft = house.draft(2, 5, json!({"orphanRule": rule})).await;
        house.open_sale(draft).await
    };
    let (strict, warning) = (with_rule("ENFORCE").await, with_rule("WARN").await);
    let visitor = house.visitor();
    let answers = in_order(
        &house,
        vec![
            visitor.hold(&strict.id, &strict.seats[1..3]).boxed_local(),
            visitor
                .hold(&warning.id, &warning.seats[1..3])
                .boxed_local(),
            visitor.hold(&strict.id, &strict.seats[..2]).boxed_local(),
            visitor.best(&strict.id, 5).boxed_local(),
            visitor.best(&warning.id, 5).boxed_local(),
            // The rest of the first row: two of three always leave one.
            visitor.hold(&strict.id, &strict.seats[2..4]).boxed_local(),
        ],
    )
    .await;
    let expected = [
        "SeatsLeftAlone",
        "SeatsHeld",
        "SeatsHeld",
        "SeatsHeld",
        "SeatsHeld",
        "SeatsHeld",
    ];
    assert_eq!(kinds(&answers), expected);
    let lone = |number: usize| {
        answers[number].data()["loneSeats"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((lone(1), lone(2)), (1, 0));
    assert_eq!(transactions(&house, "true").await, 1);
    assert_sound(&house).await;
}
