//! Commands that share a transaction: what one of them does to the others, and what all that
//! goes wrong does to them.
//!
//! A test that wants some commands in one batch takes all connections first: they gather until it
//! lets go.

use crate::booking::{event_key, hold_key, states, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::lock::Lock;
use crate::support::{Answer, Event, House, Seat, eventually};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::json;
use usher::db::Connection;
use usher::db::seats::ExpectedSeat;
use usher::domain::conflict::ConflictPolicy;
use usher::domain::hold_seats::{HoldSeats, hold_seats};
use usher::model::Caller;
use usher::model::ids::EventId;

/// All connections of a house.
async fn all_connections(house: &House) -> Vec<Connection> {
    let database = &house.running.services.database;
    let mut connections = Vec::new();
    for _ in 0..16 {
        connections.push(database.connection().await.unwrap());
    }
    connections
}

/// Waits until so many commands wait.
async fn are_waiting(house: &House, count: usize) {
    eventually("all have gathered", async || {
        (house.running.services.batcher.waiting() == count).then_some(())
    })
    .await;
}

/// Runs these requests in one batch.
async fn in_one_batch(house: &House, requests: Vec<impl Future<Output = Answer>>) -> Vec<Answer> {
    let connections = all_connections(house).await;
    let count = requests.len();
    let gathering = async {
        are_waiting(house, count).await;
        drop(connections);
    };
    tokio::join!(join_all(requests), gathering).0
}

fn kinds(answers: &[Answer], kind: &str) -> usize {
    let is_kind = |answer: &&Answer| answer.0["data"]["__typename"] == kind;
    answers.iter().filter(is_kind).count()
}

async fn number_of(house: &House, rows: &str) -> i64 {
    checks::count(&mut house.sql().await, rows).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_who_want_one_seat_one_gets_it_and_all_others_are_told_who_has() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let visitor = house.visitor();
    let requests = (0..1_000).map(|_| visitor.hold(&event.id, &event.seats[..1]));
    let answers = in_one_batch(&house, requests.collect()).await;
    assert_eq!(kinds(&answers, "SeatsHeld"), 1);
    assert_eq!(kinds(&answers, "SeatConflict"), 999);
    for answer in &answers {
        let lost = &answer.0["data"]["conflicts"][0];
        if lost.is_object() {
            assert_eq!(lost["expectedVersion"], 1);
            assert_eq!(
                (&lost["seat"]["status"], &lost["seat"]["version"]),
                (&json!("HELD"), &json!(2))
            );
        }
    }
    assert_eq!(number_of(&house, "holds").await, 1);
    assert_eq!(number_of(&house, "seat_changes").await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_holds_are_one_transaction() {
    let house = House::open().await;
    let event = house.event(1, 40).await;
    let visitor = house.visitor();
    let seats = event.seats.chunks(1);
    let requests = seats.map(|seat| visitor.hold(&event.id, seat)).collect();
    let answers = in_one_batch(&house, requests).await;
    assert_eq!(kinds(&answers, "SeatsHeld"), 40);
    let transactions = "(SELECT DISTINCT transaction_id FROM seat_changes) AS transactions";
    assert_eq!(number_of(&house, transactions).await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_sets_are_held_whole_or_not_at_all_in_order_of_arrival() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let visitor = house.visitor();
    let pairs = event.seats.windows(2);
    let requests = pairs.map(|pair| visitor.hold(&event.id, pair)).collect();
    let answers = in_one_batch(&house, requests).await;
    // Whoever lost one seat has taken nothing from whoever wants the other one.
    assert!(kinds(&answers, "SeatsHeld") >= 2);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_database_refuses_fails_alone() {
    let house = House::open().await;
    let event = house.event(1, 20).await;
    house
        .sql()
        .await
        .batch_execute(
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN RAISE EXCEPTION ''poison''; END'; \
             CREATE TRIGGER poison BEFORE UPDATE ON seats FOR EACH ROW \
                 WHEN (NEW.seat_no = 7) EXECUTE FUNCTION poison()",
        )
        .await
        .unwrap();
    let visitor = house.visitor();
    let seats = event.seats.chunks(1);
    let requests = seats.map(|seat| visitor.hold(&event.id, seat)).collect();
    let answers = in_one_batch(&house, requests).await;
    assert_eq!(kinds(&answers, "SeatsHeld"), 19);
    assert_eq!(answers[7].error_code(), "INTERNAL_SERVER_ERROR");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_a_locked_seat_waits_alone() {
    let house = House::open().await;
    let event = house.event(1, 10).await;
    let visitor = house.visitor();
    let mut lock = Lock::on_first_seat(&house.database_url).await;
    let (first, others) = event.seats.split_at(1);
    let waiting = visitor.hold(&event.id, first);
    let requests = others.chunks(1).map(|seat| visitor.hold(&event.id, seat));
    let answers = async {
        let answers = join_all(requests).await;
        // All of them are answered, and the lock is still there.
        assert_eq!(kinds(&answers, "SeatsHeld"), 9);
        lock.is_wanted_by(1).await;
        lock.let_go().await;
    };
    let connections = all_connections(&house).await;
    let gathering = async {
        are_waiting(&house, 10).await;
        drop(connections);
    };
    let (held, (), ()) = tokio::join!(waiting, answers, gathering);
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_backend_is_killed_is_done_all_the_same() {
    let house = House::open().await;
    let event = house.event(1, 10).await;
    let mut sql = house.sql().await;
    sql.batch_execute(
        "CREATE SEQUENCE calls; \
         CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN IF nextval(''calls'') = 1 THEN PERFORM pg_sleep(60); END IF; RETURN NULL; END'; \
         CREATE TRIGGER linger AFTER UPDATE ON seats FOR EACH STATEMENT EXECUTE FUNCTION linger()",
    )
    .await
    .unwrap();
    let visitor = house.visitor();
    let seats = event.seats.chunks(1);
    let requests: Vec<_> = seats.map(|seat| visitor.hold(&event.id, seat)).collect();
    let lingering = "pg_stat_activity WHERE wait_event = 'PgSleep' \
                     AND datname = current_database()";
    let killing = async {
        eventually("the batch is half done", async || {
            (checks::count(&mut sql, lingering).await == 1).then_some(())
        })
        .await;
        let kill = format!("SELECT pg_terminate_backend(pid) FROM {lingering}");
        sql.batch_execute(&kill).await.unwrap();
    };
    let (answers, ()) = tokio::join!(in_one_batch(&house, requests), killing);
    assert_eq!(kinds(&answers, "SeatsHeld"), 10);
    assert_eq!(number_of(&house, "holds").await, 10);
    assert_sound(&house).await;
}

/// The same seat twice: each step of its version is a change of its own in the feed.
#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_given_back_is_there_for_the_next_batch() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let connections = all_connections(&house).await;
    let retrying = json!({
        "eventId": event.id, "seats": [event.seats[0].input()], "onConflict": "RETRY",
    });
    let releasing = anna.release(&token, None);
    let holding = async {
        are_waiting(&house, 1).await;
        bert.hold_input(&retrying).await
    };
    let gathering = async {
        are_waiting(&house, 2).await;
        drop(connections);
    };
    let (released, held, ()) = tokio::join!(releasing, holding, gathering);
    assert_eq!(states(&released.data()["seats"]), [("AVAILABLE", 3)]);
    assert_eq!(states(&held.data()["hold"]["seats"]), [("HELD", 4)]);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_twice_in_a_batch_is_used_once() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let anna = house.buyer("anna");
    let input = json!({
        "eventId": event.id, "seats": [event.seats[0].input()], "idempotencyKey": "twice",
    });
    let requests = (0..5).map(|_| anna.hold_input(&input)).collect();
    let answers = in_one_batch(&house, requests).await;
    let holds: Vec<String> = answers.iter().map(hold_key).collect();
    assert!(holds.iter().all(|hold| *hold == holds[0]));
    assert_eq!(number_of(&house, "holds").await, 1);
    let other = json!({
        "eventId": event.id, "seats": [event.seats[1].input()], "idempotencyKey": "twice",
    });
    let refused = anna.hold_input(&other).await;
    assert_eq!(refused.error_code(), "IDEMPOTENCY_KEY_REUSED");
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
    assert_eq!(kinds(&answers, "SeatsHeld"), 3);
    assert_eq!(kinds(&answers, "LimitExceeded"), 7);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_before_the_batch_has_asked_for_nothing() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let connections = all_connections(&house).await;
    let command = HoldSeats {
        event: EventId(event_key(&event)),
        seats: vec![ExpectedSeat {
            seat_no: 0,
            version: 1,
        }],
        into_hold: None,
        on_conflict: ConflictPolicy::Report,
        idempotency_key: None,
    };
    let (work, request) = hold_seats(&Caller::Anonymous, command).unwrap();
    let batcher = house.running.services.batcher.clone();
    let leaving = tokio::spawn(async move { batcher.submit(work, request).await.is_ok() });
    are_waiting(&house, 1).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    drop(connections);
    let held = house.visitor().hold(&event.id, &event.seats).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    assert_sound(&house).await;
}
