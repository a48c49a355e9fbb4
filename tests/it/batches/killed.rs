//! Connections that are lost in the middle of a batch: each command is done once, or its caller
//! is told.

use super::{in_one_batch, in_order, kinds, number_of, number_of_kind};
use crate::booking::{hold_key, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::cut::Cut;
use crate::support::house::settings;
use crate::support::lock::Lock;
use crate::support::program::Server;
use crate::support::{Answer, Event, House, eventually};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::Duration;
use usher::config::{BatchSettings, DatabaseSettings};

/// Ends the backends that this condition picks, once there is one.
async fn kill(sql: &mut AsyncPgConnection, condition: &str) {
    let meant = format!("pg_stat_activity WHERE datname = current_database() AND {condition}");
    // Looked for and ended by one statement: it may have gone on before another one comes.
    let ended = format!(
        "(SELECT pg_terminate_backend(pid) AS is_ended FROM {meant}) AS backends WHERE is_ended"
    );
    eventually("a backend is ended half-way", async || {
        (checks::count(sql, &ended).await > 0).then_some(())
    })
    .await;
}

/// All seats of an event, each by somebody else, in one batch.
async fn each_seat(house: &House, event: &Event) -> Vec<Answer> {
    let visitor = house.visitor();
    let requests = event
        .seats
        .chunks(1)
        .map(|seat| visitor.hold(&event.id, seat));
    in_one_batch(house, requests.collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_backend_is_killed_while_it_writes_is_done_all_the_same() {
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
    let killing = kill(&mut sql, "wait_event = 'PgSleep'");
    let (answers, ()) = tokio::join!(each_seat(&house, &event), killing);
    assert_eq!(kinds(&answers), ["SeatsHeld"; 10]);
    assert_eq!(number_of(&house, "holds").await, 10);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_backend_is_killed_while_it_reads_is_done_all_the_same() {
    let house = House::open().await;
    let event = house.event(1, 10).await;
    let (anna, visitor) = (house.buyer("anna"), house.visitor());
    let held = anna.hold(&event.id, &event.seats[..1]).await;
    let token = token_of(&held);
    let lock = format!(
        "BEGIN; SELECT 1 FROM holds WHERE id = '{}' FOR UPDATE",
        hold_key(&held)
    );
    let lock = Lock::by(&house.database_url, &lock).await;
    let confirming = anna.confirm(&token).boxed_local();
    let others = event.seats[1..].chunks(1);
    let others = others.map(|seat| visitor.hold(&event.id, seat).boxed_local());
    let requests = [confirming].into_iter().chain(others).collect();
    let mut sql = house.sql().await;
    let killing = async {
        kill(&mut sql, "wait_event_type = 'Lock'").await;
        lock.let_go().await;
    };
    let (answers, ()) = tokio::join!(in_order(&house, requests), killing);
    assert_eq!(kinds(&answers[..1]), ["HoldConfirmed"], "{}", answers[0].0);
    assert_eq!(kinds(&answers[1..]), ["SeatsHeld"; 9]);
    assert_eq!(number_of(&house, "bookings").await, 1);
    assert_sound(&house).await;
}

/// Ends so many backends when they are told to commit, before they do.
async fn at_commit(house: &House, times: usize) {
    let at_commit = format!(
        "CREATE SEQUENCE commits; \
         CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN IF nextval(''commits'') <= {times} THEN \
                  PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(60); \
              END IF; RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER kill AFTER UPDATE ON seats DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION kill()"
    );
    house.sql().await.batch_execute(&at_commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_several_lanes_whose_commits_came_too_late_are_done_again() {
    let house = House::open().await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(house.event(1, 10).await);
    }
    at_commit(&house, 4).await;
    let visitor = house.visitor();
    let requests = events.iter().flat_map(|event| {
        let seats = event.seats.chunks(1);
        seats.map(|seat| visitor.hold(&event.id, seat))
    });
    let answers = in_one_batch(&house, requests.collect()).await;
    assert_eq!(number_of_kind(&answers, "SeatsHeld"), 40);
    assert_eq!(number_of(&house, "holds").await, 40);
    assert_eq!(number_of(&house, "seats WHERE version = 2").await, 40);
    let as_often = "commits WHERE last_value >= 44";
    assert_eq!(number_of(&house, as_often).await, 1, "four of them in vain");
    assert_sound(&house).await;
}

/// Who has lost the only connection asks about its batch over the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_one_connection_finds_out_as_well() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let one = DatabaseSettings {
        connections: 1,
        ..settings()
    };
    let server = house
        .replica_with_batches(one, BatchSettings::default())
        .await;
    at_commit(&house, 1).await;
    let visitor = server.visitor();
    let requests = event
        .seats
        .chunks(1)
        .map(|seat| visitor.hold(&event.id, seat));
    let answers = join_all(requests).await;
    assert_eq!(kinds(&answers), ["SeatsHeld"; 5]);
    assert_eq!(number_of(&house, "holds").await, 5);
    assert_sound(&house).await;
}

/// `holdSeats` by Anna for each seat, with a key of its own.
async fn annas(server: &House, event: &Event) -> Vec<Answer> {
    let anna = server.buyer("anna");
    let inputs: Vec<_> = event
        .seats
        .chunks(1)
        .enumerate()
        .map(|(number, seat)| {
            let key = json!({"idempotencyKey": format!("key-{number}")});
            super::holding(event, seat, key)
        })
        .collect();
    let requests = inputs.iter().map(|input| anna.hold_input(input));
    in_one_batch(server, requests.collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_many_that_nobody_heard_of_is_found_out() {
    let house = House::open().await;
    let event = house.event(1, 10).await;
    let cut = Cut::before(&house.database_url, "buyer:anna").await;
    let far = house.replica_at(&cut.database_url).await;
    cut.after_next_commit();
    let answers = annas(&far, &event).await;
    assert!(cut.is_done());
    assert_eq!(kinds(&answers), ["SeatsHeld"; 10]);
    // As they were held the first time, and not a second time.
    assert_eq!(number_of(&house, "seats WHERE version = 2").await, 10);
    assert_eq!(number_of(&house, "holds").await, 10);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_many_that_nobody_can_tell_of_is_told_to_each_when_asked_again() {
    let house = House::open().await;
    let event = house.event(1, 10).await;
    let cut = Cut::before(&house.database_url, "buyer:anna").await;
    // It asks for as long as it would wait for a connection.
    let impatient = DatabaseSettings {
        acquire_timeout: Duration::from_secs(3),
        ..settings()
    };
    let far = house.replica_of(&cut.database_url, impatient).await;
    cut.all_after_next_commit();
    let answers = annas(&far, &event).await;
    assert!(cut.is_done());
    for answer in &answers {
        assert_eq!(answer.error_code(), "UNAVAILABLE", "{}", answer.0);
    }
    cut.mend();
    let answers = annas(&house, &event).await;
    assert_eq!(kinds(&answers), ["SeatsHeld"; 10]);
    assert_eq!(number_of(&house, "holds").await, 10);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_batch_is_given_up_is_logged_once() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let cut = Cut::before(&house.database_url, "anonymous").await;
    let flags = ["--log", "warn", "--database-acquire-timeout", "3s"];
    let way = [("DATABASE_URL", cut.database_url.as_str())];
    let server = Server::beside_with(&house, &flags, &way).await;
    cut.all_after_next_commit();
    let answer = server.visitor().hold(&event.id, &event.seats).await;
    assert_eq!(answer.error_code(), "UNAVAILABLE", "{}", answer.0);
    cut.mend();
    server.signal(Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    let number_of = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    assert_eq!(number_of("a batch is given up"), 1, "{log:#?}");
    // Nor is each of its commands.
    assert_eq!(number_of("the database is unavailable"), 0, "{log:#?}");
    assert_sound(&house).await;
}
