//! People who buy through the proxy, each on a connection that they keep.

use crate::support::{Event, Seat};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const HOLD: &str = "mutation($input: HoldSeatsInput!) { result: holdSeats(input: $input) { \
    __typename ... on SeatsHeld { token } ... on Refusal { message } } }";
const RELEASE: &str = "mutation($input: ReleaseHoldInput!) { result: releaseHold(input: $input) { \
    __typename ... on Refusal { message } } }";

/// How often one of them asks for a seat.
const PACE: Duration = Duration::from_millis(30);

/// Somebody whose requests may fail; each failure is told and not hidden.
struct Buyer {
    client: Client,
    url: String,
    event: String,
}

impl Buyer {
    fn new(proxy: &str, event: &Event) -> Self {
        Self {
            client: Client::new(),
            url: format!("{proxy}/graphql"),
            event: event.id.clone(),
        }
    }

    /// The result of a mutation when it has done what it was asked for.
    async fn mutate(&self, query: &str, input: Value, done: &str) -> Result<Value, String> {
        let body = json!({"query": query, "variables": {"input": input}});
        let answer = self.client.post(&self.url).json(&body).send().await;
        let answer = answer.map_err(|error| format!("no answer: {error:?}"))?;
        let status = answer.status();
        let text = answer.text().await;
        let text = text.map_err(|error| format!("half an answer: {error:?}"))?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let result = &value["data"]["result"];
        if status == StatusCode::OK && result["__typename"] == done {
            Ok(result.clone())
        } else {
            Err(format!("{status}: {text}"))
        }
    }

    async fn hold(&self, seat: &Seat) -> Result<Value, String> {
        let input = json!({"eventId": self.event, "seats": [seat.input()]});
        self.mutate(HOLD, input, "SeatsHeld").await
    }

    /// Holds a seat and gives it back. What is not answered is asked again, under the
    /// same key; tells what that was.
    async fn hold_and_release(&self, seat: &Seat) -> Vec<String> {
        let mut failures = Vec::new();
        let key = format!("the hold of the seat {}", seat.id);
        let seats = [seat.input()];
        let input = json!({"eventId": self.event, "seats": seats, "idempotencyKey": key});
        let held = self.insist(&mut failures, HOLD, input, "SeatsHeld").await;
        let key = format!("the release of the seat {}", seat.id);
        let input = json!({"token": held["token"], "idempotencyKey": key});
        let done = "SeatsReleased";
        self.insist(&mut failures, RELEASE, input, done).await;
        failures
    }

    /// Asks until it is done, at a pace.
    async fn insist(
        &self,
        failures: &mut Vec<String>,
        query: &str,
        input: Value,
        done: &str,
    ) -> Value {
        let mut pace = interval(PACE);
        loop {
            pace.tick().await;
            match self.mutate(query, input.clone(), done).await {
                Ok(result) => return result,
                Err(failure) => failures.push(failure),
            }
            assert!(failures.len() < 1000, "no end of it: {failures:#?}");
        }
    }
}

/// Buyers who hold seat after seat, never the same, until they are told to stop, and
/// never ask twice.
pub struct SteadyLoad {
    buyers: JoinSet<Vec<String>>,
    held: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
}

impl SteadyLoad {
    pub fn start(proxy: &str, event: &Event, buyers: usize) -> Self {
        let mut load = Self {
            buyers: JoinSet::new(),
            held: Arc::default(),
            enough: Arc::default(),
        };
        for seats in event.seats.chunks(event.seats.len() / buyers) {
            let (held, enough) = (Arc::clone(&load.held), Arc::clone(&load.enough));
            let (buyer, seats) = (Buyer::new(proxy, event), seats.to_vec());
            load.buyers.spawn(async move {
                let mut pace = interval(PACE);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut failures = Vec::new();
                for seat in seats {
                    pace.tick().await;
                    if enough.load(Ordering::Relaxed) {
                        return failures;
                    }
                    match buyer.hold(&seat).await {
                        Ok(_) => _ = held.fetch_add(1, Ordering::Relaxed),
                        Err(failure) => failures.push(failure),
                    }
                }
                failures.push("there were not enough seats for the test".to_owned());
                failures
            });
        }
        load
    }

    /// How many seats are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Stops; answers what has failed.
    pub async fn stop(self) -> Vec<String> {
        self.enough.store(true, Ordering::Relaxed);
        self.buyers.join_all().await.concat()
    }
}

/// Buyers who each hold and give back their seats, one after another, and who do not
/// give up.
pub struct StubbornLoad {
    buyers: JoinSet<Vec<String>>,
    done: Arc<AtomicUsize>,
}

impl StubbornLoad {
    pub fn start(proxy: &str, event: &Event, buyers: usize) -> Self {
        let mut load = Self {
            buyers: JoinSet::new(),
            done: Arc::default(),
        };
        for seats in event.seats.chunks(event.seats.len() / buyers) {
            let done = Arc::clone(&load.done);
            let (buyer, seats) = (Buyer::new(proxy, event), seats.to_vec());
            load.buyers.spawn(async move {
                let mut failures = Vec::new();
                for seat in seats {
                    failures.extend(buyer.hold_and_release(&seat).await);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                failures
            });
        }
        load
    }

    /// How many seats have been held and given back.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until all seats are; answers what had to be asked again.
    pub async fn end(self) -> Vec<String> {
        self.buyers.join_all().await.concat()
    }
}
