//! Clients that call again and again, and what became of every call.

use crate::Outcome;
use crate::effect::Effect;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

/// How much is asked at once, how often, and for how long.
#[derive(Clone, Copy)]
pub struct Pace {
    pub clients: usize,
    pub time: Duration,
    /// Calls that are due a second, of all clients together. Without it (a closed loop) each
    /// client calls when it has its answer, so that a server which stalls is asked less while
    /// it does, and the calls that would have waited are missing from the times.
    pub rate: Option<u32>,
}

/// A call that was answered.
#[derive(Clone, Copy)]
pub struct Call {
    /// When it was, since the first one was due.
    pub ended: Duration,
    /// Since it was due, whenever it was sent.
    pub took: Duration,
    pub answer: Answer,
}

/// What a call was answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for is done, to this effect.
    Success(Effect),
    /// Somebody else was first.
    Conflict,
}

/// What one client does.
pub trait Buyer: Send + 'static {
    /// Calls once; `None` when there is nothing left to call for.
    fn call(&mut self) -> impl Future<Output = Outcome<Option<Answer>>> + Send;
}

/// All calls of some time.
pub struct Calls {
    pub all: Vec<Call>,
    /// When the first client had nothing left to do, or all had to end.
    pub over: Duration,
}

/// Has these buyers call until the time is over, or the first of them has nothing left to
/// call for: with fewer it would be another load.
pub async fn make<B: Buyer>(buyers: Vec<B>, pace: Pace) -> Outcome<Calls> {
    let started = Instant::now();
    let over = Arc::new(OnceLock::new());
    let tasks: Vec<_> = (0..)
        .zip(buyers)
        .map(|(number, buyer)| tokio::spawn(call(buyer, number, pace, started, Arc::clone(&over))))
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    let over = over
        .get()
        .map_or(pace.time, |over: &Instant| *over - started);
    Ok(Calls { all, over })
}

async fn call<B: Buyer>(
    mut buyer: B,
    number: u32,
    pace: Pace,
    started: Instant,
    over: Arc<OnceLock<Instant>>,
) -> Outcome<Vec<Call>> {
    let clients = u32::try_from(pace.clients)?;
    let mut calls = Vec::new();
    for turn in 0.. {
        let due = match pace.rate {
            Some(rate) => {
                let place = f64::from(number) + f64::from(turn) * f64::from(clients);
                let due = started + Duration::from_secs_f64(place / f64::from(rate));
                if due < started + pace.time {
                    sleep_until(due.into()).await;
                }
                due
            }
            None => Instant::now(),
        };
        if due >= started + pace.time || over.get().is_some() {
            break;
        }
        let Some(answer) = buyer.call().await? else {
            over.get_or_init(Instant::now);
            break;
        };
        calls.push(Call {
            ended: started.elapsed(),
            took: due.elapsed(),
            answer,
        });
    }
    Ok(calls)
}
