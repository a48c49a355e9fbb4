//! Commands that share a transaction: what one of them does to the others, and what all that
//! goes wrong does to them.
//!
//! A test that wants some commands in one batch takes all connections first: they gather until it
//! lets go.

mod best_available;
mod crowd;
mod failing;
mod foretelling;
mod killed;
mod outrun;
mod put_off;
mod queue;
mod repeated;
mod settling;
mod stopping;

use crate::booking::event_key;
use crate::support::house::settings;
use crate::support::{Answer, Event, House, Seat, checks, eventually};
use futures_util::future::{LocalBoxFuture, join_all};
use serde_json::{Value, json};
use usher::config::BatchSettings;
use usher::db::Connection;
use usher::db::seats::ExpectedSeat;
use usher::domain::conflict::ConflictPolicy;
use usher::domain::hold_seats::{HoldSeats, HoldingSeats, hold_seats};
use usher::domain::idempotency::IdempotentRequest;
use usher::model::Caller;
use usher::model::ids::{EventId, SeatNo};

/// A request that somebody is about to send.
type Request<'request> = LocalBoxFuture<'request, Answer>;

/// So many requests that have gathered are one batch in any case. Of more of them half may be
/// left to the next one.
const FEW: usize = 16;

/// All connections of a house.
async fn all_connections(house: &House) -> Vec<Connection> {
    let database = &house.running.services.database;
    let mut connections = Vec::new();
    for _ in 0..settings().connections {
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

/// Runs these requests in one batch; when they are more than [`FEW`], in two or three.
async fn in_one_batch(house: &House, requests: Vec<impl Future<Output = Answer>>) -> Vec<Answer> {
    let connections = all_connections(house).await;
    let count = requests.len();
    let gathering = async {
        are_waiting(house, count).await;
        drop(connections);
    };
    tokio::join!(join_all(requests), gathering).0
}

/// The same, where they arrive in this order.
async fn in_order(house: &House, requests: Vec<Request<'_>>) -> Vec<Answer> {
    let requests = requests.into_iter().enumerate();
    let one_by_one = requests.map(|(place, request)| async move {
        are_waiting(house, place).await;
        request.await
    });
    in_one_batch(house, one_by_one.collect()).await
}

/// One lane, whose batches have so many commands at most: those of different events meet there.
fn one_lane(size: u32) -> BatchSettings {
    BatchSettings {
        lanes: 1,
        size,
        ..BatchSettings::default()
    }
}

/// What the answer is.
fn kind(answer: &Answer) -> &str {
    answer.0["data"]["__typename"].as_str().unwrap_or("error")
}

/// What each answer is.
fn kinds(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(kind).collect()
}

/// How many of the answers are this.
fn number_of_kind(answers: &[Answer], wanted: &str) -> usize {
    let is_wanted = |answer: &&Answer| kind(answer) == wanted;
    answers.iter().filter(is_wanted).count()
}

async fn number_of(house: &House, rows: &str) -> i64 {
    checks::count(&mut house.sql().await, rows).await
}

/// How many transactions have made those changes of seats that the condition picks.
async fn transactions(house: &House, changes: &str) -> i64 {
    let transactions = format!(
        "(SELECT DISTINCT transaction_id FROM seat_changes WHERE {changes}) AS transactions"
    );
    number_of(house, &transactions).await
}

/// The input that holds these seats, with this changed.
fn holding(event: &Event, seats: &[Seat], changes: Value) -> Value {
    let seats: Vec<Value> = seats.iter().map(Seat::input).collect();
    let mut input = json!({"eventId": event.id, "seats": seats});
    let (Value::Object(all), Value::Object(changes)) = (&mut input, changes) else {
        panic!("changes are an object");
    };
    all.extend(changes);
    input
}

/// What is to be decided for a visitor who wants this seat, as a batcher takes it.
fn holding_one(event: &Event, seat_no: SeatNo) -> (HoldingSeats, Option<IdempotentRequest>) {
    let command = HoldSeats {
        event: EventId(event_key(event)),
        seats: vec![ExpectedSeat {
            seat_no,
            version: 1,
        }],
        into_hold: None,
        on_conflict: ConflictPolicy::Report,
        idempotency_key: None,
    };
    hold_seats(&Caller::Anonymous, command).unwrap()
}

/// A seat as somebody knows it who has seen it at this version.
fn at(seat: &Seat, version: i64) -> Seat {
    Seat {
        version,
        ..seat.clone()
    }
}

/// The seats that an answer says were lost: expected at which version, what they are, and at
/// which version they are that.
fn lost(answer: &Answer) -> Vec<(i64, &str, i64)> {
    assert_eq!(kind(answer), "SeatConflict", "{}", answer.0);
    let conflicts = answer.data()["conflicts"].as_array().unwrap().iter();
    conflicts
        .map(|conflict| {
            let (expected, seat) = (&conflict["expectedVersion"], &conflict["seat"]);
            let status = seat["status"].as_str().unwrap();
            (
                expected.as_i64().unwrap(),
                status,
                seat["version"].as_i64().unwrap(),
            )
        })
        .collect()
}
