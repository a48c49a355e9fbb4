//! Seats that another process changes between the reading and the writing of a batch.

use super::{at, holding, in_one_batch, in_order, kinds, lost, number_of};
use crate::booking::states;
use crate::support::checks::{self, assert_sound};
use crate::support::gate::Gate;
use crate::support::house::concurrency;
use crate::support::{Answer, Event, House, Seat};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use serde_json::json;
use usher::config::Concurrency;

/// Somebody else has had the first seat and given it back.
const THERE_AND_BACK: &str = "BEGIN; \
    UPDATE seats SET status = 'BLOCKED', version = version + 1, cause = 'BLOCKED' \
        WHERE seat_no = 0; \
    UPDATE seats SET status = 'AVAILABLE', version = version + 1, cause = 'UNBLOCKED' \
        WHERE seat_no = 0; \
    COMMIT";
/// Somebody else has the first seat.
const GONE: &str = "UPDATE seats SET status = 'BLOCKED', version = version + 1, \
    cause = 'BLOCKED' WHERE seat_no = 0";

/// Answers these requests after a batch of them has read the seats and before it writes, others
/// do this. Who locks what it reads is spared that: there they do it before.
async fn overtaken_by(
    house: &House,
    others: &str,
    requests: Vec<super::Request<'_>>,
) -> Vec<Answer> {
    let mut gate = Gate::before_changes(&house.database_url).await;
    if concurrency() == Concurrency::Pessimistic {
        // It is the first one at the gate, which would let nobody through.
        gate.open().await;
        house.sql().await.batch_execute(others).await.unwrap();
        return in_order(house, requests).await;
    }
    let overtaking = async {
        gate.is_reached().await;
        gate.connection().batch_execute(others).await.unwrap();
        gate.open().await;
    };
    tokio::join!(in_order(house, requests), overtaking).0
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knew_of_the_change_wins_and_who_did_not_is_told_of_it() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let [anna, bert, carl] = ["anna", "bert", "carl"].map(|name| house.buyer(name));
    let knowing = [at(&event.seats[0], 3)];
    let answers = overtaken_by(
        &house,
        THERE_AND_BACK,
        vec![
            anna.hold(&event.id, &event.seats[..1]).boxed_local(),
            bert.hold(&event.id, &knowing).boxed_local(),
            carl.hold(&event.id, &event.seats[1..]).boxed_local(),
        ],
    )
    .await;
    assert_eq!(lost(&answers[0])[0].0, 1);
    assert!(lost(&answers[0])[0].2 >= 3, "{}", answers[0].0);
    assert_eq!(kinds(&answers[1..]), ["SeatsHeld"; 2], "{}", answers[1].0);
    assert_eq!(states(&answers[1].data()["hold"]["seats"]), [("HELD", 4)]);
    assert_eq!(
        states(&answers[2].data()["hold"]["seats"]),
        [("HELD", 2); 2]
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_would_try_again_gets_a_seat_that_came_back() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let retrying = holding(&event, &event.seats, json!({"onConflict": "RETRY"}));
    let answers = overtaken_by(
        &house,
        THERE_AND_BACK,
        vec![
            anna.hold(&event.id, &event.seats).boxed_local(),
            bert.hold_input(&retrying).boxed_local(),
        ],
    )
    .await;
    assert_eq!(lost(&answers[0]), [(1, "AVAILABLE", 3)]);
    assert_eq!(states(&answers[1].data()["hold"]["seats"]), [("HELD", 4)]);
    assert!(answers[1].data()["attempts"].as_u64().unwrap() > 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_a_seat_to_another_process_drags_nobody_down() {
    let house = House::open().await;
    let event = house.event(1, 15).await;
    let visitor = house.visitor();
    let pair_and_rest: Vec<&[Seat]> = [&event.seats[..2]]
        .into_iter()
        .chain(event.seats[1..].chunks(1))
        .collect();
    let requests = pair_and_rest
        .iter()
        .map(|seats| visitor.hold(&event.id, seats).boxed_local());
    let answers = overtaken_by(&house, GONE, requests.collect()).await;
    // The other seat of the pair is for the next one who wants it.
    assert_eq!(lost(&answers[0]), [(1, "BLOCKED", 2)]);
    assert_eq!(kinds(&answers[1..]), ["SeatsHeld"; 14]);
    assert_eq!(number_of(&house, "holds").await, 14);
    assert_sound(&house).await;
}

/// What a transaction does that has read the first seat at version 1 and holds it: with the
/// version in the condition of its UPDATE or without.
fn holding_by_hand(condition: &str) -> String {
    format!(
        "WITH mine AS (SELECT gen_random_uuid() AS id), changed AS ( \
             UPDATE seats SET version = version + 1, status = 'HELD', owner_id = mine.id, \
                    held_until = now() + interval '1 hour', cause = 'HELD' \
             FROM mine WHERE seat_no = 0 AND {condition} RETURNING mine.id) \
         INSERT INTO holds (event_id, id, token_hash, seat_nos, amounts, currency, expires_at) \
         SELECT 1, id, '', '{{0}}', '{{1000}}', 'EUR', now() + interval '1 hour' FROM changed"
    )
}

/// How many holds come of that when somebody else takes the seat after it was read.
async fn overtaken_by_hand(event: &Event, house: &House, condition: &str) -> usize {
    let mut slow: AsyncPgConnection = house.sql().await;
    slow.batch_execute("BEGIN").await.unwrap();
    let unsold = "seats WHERE seat_no = 0 AND version = 1 AND status = 'AVAILABLE'";
    assert_eq!(checks::count(&mut slow, unsold).await, 1);
    let visitor = house.visitor();
    let requests = vec![visitor.hold(&event.id, &event.seats)];
    let faster = in_one_batch(house, requests).await;
    assert_eq!(kinds(&faster), ["SeatsHeld"]);
    let write = holding_by_hand(condition);
    let written = diesel::sql_query(write).execute(&mut slow).await.unwrap();
    slow.batch_execute("COMMIT").await.unwrap();
    written
}

/// The negative control: the same interleaving, with the version in the UPDATE and without.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_version_the_seat_is_taken_twice() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    assert_eq!(overtaken_by_hand(&event, &house, "version = 1").await, 0);
    assert_sound(&house).await;
    let house = House::open().await;
    let event = house.event(1, 1).await;
    assert_eq!(overtaken_by_hand(&event, &house, "true").await, 1);
    assert_eq!(number_of(&house, "holds WHERE status = 'ACTIVE'").await, 2);
    let violations = checks::violations(&mut house.sql().await).await;
    assert!(!violations.is_empty(), "the checks see it");
}
