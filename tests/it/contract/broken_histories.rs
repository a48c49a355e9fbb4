//! The negative control of the histories: usher's rules broken one at a time, in the
//! same database and beside the same calls, and found in what was recorded.

use super::calls::Mutation;
use super::crowd::let_loose;
use super::history::{Done, Outcome, Rule, Sighting};
use super::outcomes::hold_of;
use super::recorder::{Client, LIMITS, Recorder, now};
use crate::support::{House, cluster};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::join_all;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Barrier;

/// A program that reads a seat, decides, and writes: nothing in its UPDATE asks
/// whether the seat is still what it read.
struct Careless<'recorder, 'house> {
    recorder: &'recorder Recorder<'house>,
    client: Client,
}

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    hold: String,
    #[diesel(sql_type = BigInt)]
    transaction: i64,
}

impl<'recorder, 'house> Careless<'recorder, 'house> {
    fn new(recorder: &'recorder Recorder<'house>, subject: &str) -> Self {
        Self {
            recorder,
            client: Client::buyer(recorder.house, subject),
        }
    }

    /// Holds a seat that it has seen at this version, and says so.
    async fn hold(&self, seat: usize, seen: i64) {
        let start = now();
        let event = self.recorder.event_key;
        let name = &self.client.name;
        let buyer = name.trim_start_matches("buyer:");
        let write = format!(
            "WITH mine AS (SELECT gen_random_uuid() AS id), \
             hold AS (INSERT INTO holds (event_id, id, token_hash, buyer, seat_nos, amounts, \
                                         currency, expires_at) \
                      SELECT {event}, id, '', '{buyer}', '{{{seat}}}', '{{1000}}', 'EUR', \
                             now() + interval '1 hour' FROM mine) \
             UPDATE seats SET version = version + 1, status = 'HELD', owner_id = mine.id, \
                    held_until = now() + interval '1 hour', cause = 'HELD', actor = '{name}' \
             FROM mine WHERE event_id = {event} AND seat_no = {seat} \
             RETURNING version, mine.id::text AS hold, \
                       pg_current_xact_id()::text::bigint AS transaction"
        );
        let mut sql = cluster::connect(&self.recorder.house.database_url).await;
        let written: Written = diesel::sql_query(write).get_result(&mut sql).await.unwrap();
        let became = Sighting {
            seat,
            version: written.version.into(),
            status: "HELD".to_owned(),
        };
        let done = Done {
            transaction: written.transaction.cast_unsigned(),
            owner: Some(written.hold),
            changed: vec![became.clone()],
            decided_on: vec![(seat, seen)],
            all: Some(vec![became]),
            may_be_again: false,
        };
        let outcome = Outcome::Done(done);
        self.recorder.record(&self.client, (start, now()), outcome);
    }
}

/// Holds a seat that nobody has had.
async fn hold(recorder: &Recorder<'_>, client: &Client, seat: usize) -> String {
    let input = recorder.hold_input(&[(seat, 1)], None, false);
    let (answer, _) = recorder.call(client, Mutation::HoldSeats, &input).await;
    assert_eq!(answer["__typename"], "SeatsHeld");
    answer["token"].as_str().unwrap().to_owned()
}

async fn release(recorder: &Recorder<'_>, client: &Client, token: &str) {
    let input = json!({"token": token});
    let (answer, _) = recorder.call(client, Mutation::ReleaseHold, &input).await;
    assert_eq!(answer["__typename"], "SeatsReleased");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_skips_the_check_is_found() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 3).await;
    let anna = Client::buyer(&house, "anna");
    // Bert has seen seat 0 before Anna holds it.
    hold(&recorder, &anna, 0).await;
    Careless::new(&recorder, "bert").hold(0, 1).await;
    // Nobody minds when he is the first.
    Careless::new(&recorder, "bert").hold(1, 1).await;
    let history = recorder.history().await;
    let rules = [Rule::Decided, Rule::Taken, Rule::Owned];
    assert_eq!(history.broken_rules(), rules);
}

/// The version alone: the state is checked by chance, because the seat is free again.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_skips_the_version_is_found() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 1).await;
    let anna = Client::buyer(&house, "anna");
    let token = hold(&recorder, &anna, 0).await;
    release(&recorder, &anna, &token).await;
    Careless::new(&recorder, "bert").hold(0, 1).await;
    let history = recorder.history().await;
    assert_eq!(history.broken_rules(), [Rule::Decided]);
}

/// The same in a crowd: two who do not check among 16 who do.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_skips_the_check_is_found_in_a_crowd() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 4).await;
    let careless = ["mallory", "oscar"].map(|subject| Careless::new(&recorder, subject));
    let both = Arc::new(Barrier::new(2));
    let at_the_same_seats = careless.iter().map(async |careless| {
        for seat in 0..4 {
            both.wait().await;
            careless.hold(seat, 1).await;
        }
    });
    tokio::join!(
        let_loose(&recorder, 16, 4, rand::random()),
        join_all(at_the_same_seats)
    );
    let found = recorder.history().await.broken_rules();
    for rule in [Rule::Decided, Rule::Taken, Rule::Owned] {
        assert!(found.contains(&rule), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_are_not_published_are_found() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 3).await;
    let anna = Client::buyer(&house, "anna");
    hold(&recorder, &anna, 0).await;
    let mut sql = house.sql().await;
    let trigger = |what: &str| format!("ALTER TABLE seats {what} TRIGGER seats_publish");
    sql.batch_execute(&trigger("DISABLE")).await.unwrap();
    let token = hold(&recorder, &anna, 1).await;
    sql.batch_execute(&trigger("ENABLE")).await.unwrap();
    release(&recorder, &anna, &token).await;
    let history = recorder.history().await;
    let rules = [Rule::Versions, Rule::Explained, Rule::Taken, Rule::Seen];
    assert_eq!(history.broken_rules(), rules);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_from_an_old_reading_are_found() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 1).await;
    let anna = Client::buyer(&house, "anna");
    let input = recorder.hold_input(&[(0, 3)], None, false);
    // A replica that has not heard of Anna's hold says what it knows.
    let (_, stale) = recorder.call(&anna, Mutation::HoldSeats, &input).await;
    let refusing = |recorder: &Recorder<'_>| {
        let bert = Client::buyer(recorder.house, "bert");
        recorder.record(&bert, (now(), now()), stale.clone());
    };
    refusing(&recorder);
    hold(&recorder, &anna, 0).await;
    refusing(&recorder);
    let history = recorder.history().await;
    let violations = history.violations();
    // The first time it was right. The second time neither the seat that is said to be
    // lost nor the same one as what is offered instead was so any more.
    assert_eq!(violations.len(), 2, "{violations:#?}");
    for violation in violations {
        assert_eq!(violation.rule, Rule::Seen);
        assert!(violation.how.contains("was no more"), "{violation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_count_is_found() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 3).await;
    let anna = Client::buyer(&house, "anna");
    for seat in 0..LIMITS.holds_per_buyer {
        hold(&recorder, &anna, seat).await;
    }
    Careless::new(&recorder, "anna").hold(2, 1).await;
    let history = recorder.history().await;
    assert_eq!(history.broken_rules(), [Rule::Limits]);
}

/// A success that was never done, as a server would tell that answers before it
/// commits.
#[tokio::test(flavor = "multi_thread")]
async fn successes_that_never_were_are_found() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 1).await;
    let anna = Client::buyer(&house, "anna");
    let token = hold(&recorder, &anna, 0).await;
    let released = Sighting {
        seat: 0,
        version: 3,
        status: "AVAILABLE".to_owned(),
    };
    let done = Done {
        transaction: 1,
        owner: hold_of(&token),
        changed: vec![released],
        decided_on: Vec::new(),
        all: None,
        may_be_again: false,
    };
    recorder.record(&anna, (now(), now()), Outcome::Done(done));
    let history = recorder.history().await;
    assert_eq!(history.broken_rules(), [Rule::Explained, Rule::Seen]);
}
