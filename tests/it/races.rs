//! Many buyers, the same seats, the same moment.

use crate::support::checks::{self, assert_sound};
use crate::support::house::{concurrency, settings};
use crate::support::lock::Lock;
use crate::support::{Event, House, PATIENCE, Seat, cluster, insist};
use diesel::QueryableByName;
use diesel::sql_types::{Integer, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;
use usher::config::{Concurrency, DatabaseSettings};

#[tokio::test(flavor = "multi_thread")]
async fn of_200_buyers_of_one_seat_one_wins_and_199_are_told_what_they_lost_to() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let buyers = (0..200).map(|number| house.buyer(&format!("buyer-{number}")));
    let answers = join_all(buyers.map(|buyer| {
        let event = &event;
        insist(async move || buyer.hold(&event.id, &event.seats).await)
    }))
    .await;

    let (won, lost): (Vec<_>, Vec<_>) = answers
        .iter()
        .map(crate::support::Answer::data)
        .partition(|data| data["__typename"] == "SeatsHeld");
    assert_eq!(won.len(), 1);
    assert_eq!(won[0]["hold"]["seats"][0]["version"], 2);
    assert_eq!(lost.len(), 199);
    for refusal in lost {
        assert_eq!(refusal["__typename"], "SeatConflict");
        assert_eq!(refusal["code"], "SEAT_CONFLICT");
        let conflict = &refusal["conflicts"][0];
        assert_eq!(conflict["expectedVersion"], 1);
        assert_eq!(conflict["seat"]["version"], 2);
        assert_eq!(conflict["seat"]["status"], "HELD");
        assert_eq!(
            refusal["alternatives"].as_array().unwrap().len(),
            0,
            "the house is full"
        );
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_sets_are_held_whole_or_not_at_all() {
    let house = House::open().await;
    let event = house.event(4, 10).await;
    let sets: Vec<Vec<Seat>> = (0..100).map(|buyer| four_of(&event, buyer)).collect();
    let answers = join_all(sets.iter().enumerate().map(|(number, seats)| {
        let buyer = house.buyer(&format!("buyer-{number}"));
        let event = &event;
        insist(async move || buyer.hold(&event.id, seats).await)
    }))
    .await;

    let mut taken = Vec::new();
    for (answer, wanted) in answers.iter().zip(&sets) {
        let data = answer.data();
        if data["__typename"] == "SeatsHeld" {
            let held: Vec<_> = data["hold"]["seats"]
                .as_array()
                .unwrap()
                .iter()
                .map(Seat::from)
                .collect();
            assert_eq!(held.len(), 4, "all of the set");
            assert!(held.iter().all(|seat| seat.version == 2));
            assert!(
                wanted
                    .iter()
                    .all(|seat| held.iter().any(|held| held.id == seat.id))
            );
            taken.extend(held.into_iter().map(|seat| seat.id));
        } else {
            let conflicts = data["conflicts"].as_array().unwrap();
            assert!(!conflicts.is_empty() && conflicts.len() <= 4, "{data}");
            for conflict in conflicts {
                assert_eq!(conflict["seat"]["status"], "HELD", "{data}");
                assert_eq!(conflict["seat"]["version"], 2, "{data}");
            }
        }
    }
    let held = taken.len();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), held, "no seat twice");
    // Nobody who lost left anything behind: what is held is what was won.
    let mut sql = house.sql().await;
    assert_eq!(
        checks::count(&mut sql, "seats WHERE status = 'HELD'").await,
        held as i64
    );
    assert_eq!(checks::count(&mut sql, "seat_changes").await, held as i64);
    assert_eq!(checks::count(&mut sql, "holds").await, held as i64 / 4);
    assert_sound(&house).await;
}

/// Four seats of the house, another four for each buyer, in no order.
fn four_of(event: &Event, buyer: usize) -> Vec<Seat> {
    let count = event.seats.len();
    let steps = [0, 7, 3, 11];
    steps
        .iter()
        .map(|step| event.seats[(buyer * 5 + step) % count].clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_go_from_hand_to_hand_without_a_hole_in_their_versions() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    // Each holds whatever is free, at the version it is at, and gives it back.
    join_all((0..20).map(|number| {
        let buyer = house.buyer(&format!("buyer-{number}"));
        let event = &event;
        async move {
            for _ in 0..5 {
                let seats = buyer.seats(&event.id).await;
                let seats = &seats[number % 3..=number % 3];
                let answer = insist(async || buyer.hold(&event.id, seats).await).await;
                if let Some(token) = answer.data()["token"].as_str() {
                    let released = insist(async || buyer.release(token, None).await).await;
                    assert_eq!(released.data()["__typename"], "SeatsReleased");
                }
            }
        }
    }))
    .await;
    let mut sql = house.sql().await;
    assert!(
        checks::count(&mut sql, "seat_changes").await >= 6,
        "every seat was had"
    );
    assert_eq!(
        checks::count(&mut sql, "seats WHERE status <> 'AVAILABLE'").await,
        0
    );
    assert_sound(&house).await;
}

/// The negative control: the same race for one seat without any check in the
/// UPDATE, as a program does that reads, decides and writes.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_check_a_seat_is_sold_many_times() {
    const BUYERS: usize = 20;

    #[derive(QueryableByName)]
    struct Status {
        #[diesel(sql_type = Text)]
        status: String,
    }

    #[derive(QueryableByName)]
    #[allow(dead_code, reason = "only whether there is one matters")]
    struct Version {
        #[diesel(sql_type = Integer)]
        version: i32,
    }

    let house = House::open().await;
    house.event(1, 1).await;
    let everybody_has_read = Arc::new(Barrier::new(BUYERS));
    let winners = join_all((0..BUYERS).map(|_| {
        let everybody_has_read = Arc::clone(&everybody_has_read);
        let url = house.database_url.clone();
        async move {
            let mut sql = cluster::connect(&url).await;
            let read = "SELECT status FROM seats WHERE event_id = 1 AND seat_no = 0";
            let seat: Status = diesel::sql_query(read).get_result(&mut sql).await.unwrap();
            assert_eq!(seat.status, "AVAILABLE");
            everybody_has_read.wait().await;
            let write = "WITH mine AS (SELECT gen_random_uuid() AS id), \
                 hold AS (INSERT INTO holds (event_id, id, token_hash, seat_nos, amounts, \
                                             currency, expires_at) \
                          SELECT 1, id, '', '{0}', '{1000}', 'EUR', now() + interval '1 hour' \
                          FROM mine) \
                 UPDATE seats SET version = version + 1, status = 'HELD', owner_id = mine.id, \
                        held_until = now() + interval '1 hour', cause = 'HELD' \
                 FROM mine WHERE event_id = 1 AND seat_no = 0 RETURNING version";
            let written: Vec<Version> = diesel::sql_query(write).load(&mut sql).await.unwrap();
            written.len()
        }
    }))
    .await;
    assert_eq!(
        winners.iter().sum::<usize>(),
        BUYERS,
        "every one of them believes to have it"
    );
    let violations = checks::violations(&mut house.sql().await).await;
    assert!(
        violations.len() >= BUYERS,
        "the checks see it: {violations:#?}"
    );
}

/// The negative control of the version alone: the check of the state is kept, and
/// a decision on a seat that has changed hands since still goes through.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_version_a_decision_on_an_old_seat_goes_through() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    // Bert has seen the seat at version 1. Anna holds it and gives it back.
    let held = anna.hold(&event.id, &event.seats).await;
    anna.release(held.data()["token"].as_str().unwrap(), None)
        .await;

    let refused = bert.hold(&event.id, &event.seats).await;
    let conflict = &refused.data()["conflicts"][0];
    assert_eq!(conflict["expectedVersion"], 1);
    assert_eq!(conflict["seat"]["version"], 3);
    assert_eq!(conflict["seat"]["status"], "AVAILABLE");

    let by_state_alone = "UPDATE seats SET version = version + 1, status = 'BLOCKED', \
        cause = 'BLOCKED' WHERE event_id = 1 AND seat_no = 0 AND status = 'AVAILABLE'";
    let updated = diesel::sql_query(by_state_alone)
        .execute(&mut house.sql().await)
        .await;
    assert_eq!(
        updated.unwrap(),
        1,
        "nothing told it that the seat had changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_sell_a_seat_once() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 20).await;
    let answers = join_all((0..40).map(|number| {
        let of = if number % 2 == 0 { &house } else { &replica };
        let buyer = of.buyer(&format!("buyer-{number}"));
        let event = &event;
        async move {
            buyer
                .hold(&event.id, &event.seats[number / 2..=number / 2])
                .await
        }
    }))
    .await;
    let won = answers
        .iter()
        .filter(|answer| answer.data()["__typename"] == "SeatsHeld")
        .count();
    assert_eq!(won, 20, "each seat has one of its two buyers");
    assert_sound(&house).await;
}

/// Two transactions that lock the same rows in opposite order: PostgreSQL ends
/// one of them, and the loser is run again.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_run_again_and_counted() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut other = house.sql().await;
    // A transaction looks for a deadlock once, when it has waited for a while. So
    // that it is usher's which finds this one, however slow the machine is, the
    // other has to wait first: usher stops at a gate when it has the first seat.
    let stop = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                    'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END'; \
                CREATE TRIGGER wait BEFORE UPDATE ON seats FOR EACH ROW \
                    WHEN (NEW.seat_no = 0) EXECUTE FUNCTION wait()";
    other.batch_execute(stop).await.unwrap();
    let closed = "BEGIN; SELECT pg_advisory_xact_lock(7)";
    let mut gate = if concurrency() == Concurrency::Pessimistic {
        // There usher takes all seats in one statement, before it changes any: it stops at the
        // first one, and the other comes to stand behind it.
        Lock::on_first_seat(&house.database_url).await
    } else {
        Lock::by(&house.database_url, closed).await
    };
    let lock = |seat_no: i32| {
        format!("SELECT 1 FROM seats WHERE event_id = 1 AND seat_no = {seat_no} FOR UPDATE")
    };
    let second = format!("SET deadlock_timeout = '1h'; BEGIN; {}", lock(1));
    other.batch_execute(&second).await.unwrap();
    let buyer = house.buyer("anna");
    let holding = tokio::spawn({
        let event = event.clone();
        async move { buyer.hold(&event.id, &event.seats).await }
    });
    gate.is_wanted_by(1).await;
    let first = format!("{}; COMMIT", lock(0));
    let waiting = tokio::spawn(async move { other.batch_execute(&first).await });
    gate.is_wanted_by(2).await;
    // Now usher wants the second seat as well.
    gate.let_go().await;
    waiting.await.unwrap().unwrap();
    let answer = holding.await.unwrap();
    assert_eq!(answer.data()["__typename"], "SeatsHeld");
    assert_eq!(answer.data()["attempts"], 2);
    assert_sound(&house).await;
}

/// Nobody waits for good: not for a row that somebody keeps locked, and not for a
/// database that takes too long. Neither is a fault of the server.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_is_told_to_try_again() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let for_locks = DatabaseSettings {
        lock_timeout: Duration::from_millis(500),
        ..settings()
    };
    let for_statements = DatabaseSettings {
        // Enough for those with which a server starts.
        statement_timeout: Duration::from_secs(2),
        ..settings()
    };
    for (impatient, code) in [(for_locks, "CONTENDED"), (for_statements, "UNAVAILABLE")] {
        let server = house.replica_with(impatient).await;
        let busy = Lock::on_first_seat(&house.database_url).await;
        let answer = server.buyer("anna").hold(&event.id, &event.seats).await;
        assert_eq!(answer.error_code(), code);
        busy.let_go().await;
        server.running.stop(PATIENCE).await;
    }
    let held = house.buyer("anna").hold(&event.id, &event.seats).await;
    assert_eq!(
        held.data()["__typename"],
        "SeatsHeld",
        "nothing was done before"
    );
    assert_sound(&house).await;
}
