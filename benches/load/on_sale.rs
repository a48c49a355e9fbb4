//! An on-sale as it is for the many: watchers of one event by WebSocket, and beside them a
//! few buyers who hold seats, some of whom confirm and some of whom think better of it.

use crate::calls::{self, Answer, Buyer, Call, Calls, Pace};
use crate::client::Client;
use crate::cost::Cost;
use crate::crowd::Crowd;
use crate::effect::Effect;
use crate::event::{field, on_sale};
use crate::page::Output;
use crate::report::{Percentiles, Report, Row, new_histogram};
use crate::sample::{self, Answered};
use crate::server::Server;
use crate::slice::Slice;
use crate::watch::last_change;
use crate::{Outcome, sound};
use serde::Serialize;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use usher::model::global_id::GlobalId;
use usher::model::ids::{EventId, SeatNo};

/// Of ten holds, so many are confirmed, and so many given back; the others are left alone.
const CONFIRMED: usize = 6;
const RELEASED: usize = 3;

/// How many come, and what they do.
#[derive(clap::Args, Serialize)]
pub struct Sale {
    /// WebSockets that watch the one event.
    #[arg(long, default_value_t = 1_000)]
    watchers: usize,
    /// Connections that buy, one request at a time each.
    #[arg(long, default_value_t = 32)]
    buyers: usize,
    /// Mutations that are due a second, at fixed times; each time counts from when the call
    /// was due, so that nobody is missing who would have waited.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How long.
    #[arg(long, default_value_t = 15)]
    seconds: u32,
    /// Seats of the event.
    #[arg(long, default_value_t = 20_000)]
    seats: usize,
}

pub async fn run(sale: Sale, output: &Output) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    let event = on_sale(&server, &field(sale.seats)).await?;
    let crowd = Crowd::gather(&server.address, event, sale.watchers).await?;
    let answered = Arc::new(Mutex::new(Answered::new()));
    let mut buyers = Vec::with_capacity(sale.buyers);
    let share = sale.seats / sale.buyers;
    for number in 0..sale.buyers {
        buyers.push(Visitor {
            client: Client::connect(&server.address, "").await?,
            event,
            seats: number * share..(number + 1) * share,
            token: Value::Null,
            seat: 0,
            turn: number,
            answered: Arc::clone(&answered),
        });
    }
    let pace = Pace {
        clients: sale.buyers,
        time: Duration::from_secs(sale.seconds.into()),
        rate: Some(sale.rate),
    };
    let before = Cost::of(&server)?;
    let calls = calls::make(buyers, pace).await?;
    let cost = Cost::of(&server)? - before;
    if calls.over < pace.time {
        return Err("the event was sold out before the time was over: give it more seats".into());
    }
    let seen = crowd.leave(last_change(&server, event).await?).await?;
    if seen.unserved > 0 {
        return Err("the run is void: a watcher missed something".into());
    }
    sample::check(&server, event, &seen.samples).await?;
    check(&server, event, &calls).await?;
    let mut rows = of_buyers(&calls, pace, cost, &sale)?;
    let mut delays = new_histogram();
    for one in &seen.samples {
        let answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
        delays.add(&one.delays(&answered)?)?;
    }
    let seconds = f64::from(sale.seconds);
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    let (messages, changes) = (seen.messages as f64, seen.changes as f64);
    rows.push(Row {
        name: "a change, from its answer to a watcher".to_owned(),
        seats: u64::try_from(sale.seats)?,
        clients: sale.watchers,
        offered: None,
        rate: changes / seconds,
        turns: Vec::new(),
        conflicts: 0.0,
        milliseconds: Percentiles::of(&delays),
        usher: None,
        postgres: None,
        ratio: None,
    });
    println!(
        "Open loop: times of calls count from when they were due. Messages to watchers: {:.0} /s. \
         usher {:.0} %, PostgreSQL {:.0} %, watchers {:.0} % of a core.\n",
        messages / seconds,
        cost.usher.as_secs_f64() * 100.0 / seconds,
        cost.postgres.as_secs_f64() * 100.0 / seconds,
        seen.computed.as_secs_f64() * 100.0 / seconds,
    );
    Report::new("on-sale", &sale, rows)?.show(output)?;
    server.stop().await
}

/// A row for each thing that buyers do. What it costs cannot be told apart from the rest.
fn of_buyers(calls: &Calls, pace: Pace, cost: Cost, sale: &Sale) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for effect in Effect::ALL {
        let mine = |call: &&Call| call.answer == Answer::Success(effect);
        let mine = Calls {
            all: calls.all.iter().filter(mine).copied().collect(),
            over: calls.over,
        };
        let mut row = Row::new(effect.mutation().to_owned(), &Slice::of(&mine, pace, cost)?);
        row.seats = u64::try_from(sale.seats)?;
        row.offered = Some(sale.rate);
        (row.usher, row.postgres) = (None, None);
        rows.push(row);
    }
    Ok(rows)
}

/// The run counts only if the database has what the buyers were told, and keeps all rules.
async fn check(server: &Server, event: EventId, calls: &Calls) -> Outcome<()> {
    for effect in Effect::ALL {
        let mine = |call: &&Call| call.answer == Answer::Success(effect);
        let told = u64::try_from(calls.all.iter().filter(mine).count())?;
        sound::check_told(server, event, effect.cause(), told).await?;
    }
    sound::check(server).await
}

/// A buyer with seats that nobody else wants: those who do are another bench.
struct Visitor {
    client: Client,
    event: EventId,
    seats: Range<usize>,
    /// Of the hold, if it is to be confirmed or released.
    token: Value,
    seat: SeatNo,
    turn: usize,
    answered: Arc<Mutex<Answered>>,
}

impl Buyer for Visitor {
    async fn call(&mut self) -> Outcome<Option<Answer>> {
        if self.token.is_null() {
            return self.hold().await;
        }
        let effect = if self.turn % 10 < CONFIRMED {
            Effect::Confirm
        } else {
            Effect::Release
        };
        let input = json!({"token": self.token.take()});
        let answer = self.client.mutate(effect.query(), &input).await?;
        self.note(effect, answer, 3)?;
        Ok(Some(Answer::Success(effect)))
    }
}

impl Visitor {
    async fn hold(&mut self) -> Outcome<Option<Answer>> {
        let Some(seat) = self.seats.next() else {
            return Ok(None);
        };
        self.seat = SeatNo::try_from(seat)?;
        let input = json!({
            "eventId": GlobalId::Event(self.event).to_string(),
            "seats": [{
                "seatId": GlobalId::Seat(self.event, self.seat).to_string(), "version": 1,
            }],
        });
        let answer = self.client.mutate(Effect::Hold.query(), &input).await?;
        self.turn += 1;
        let mut answer = self.note(Effect::Hold, answer, 2)?;
        if self.turn % 10 < CONFIRMED + RELEASED {
            self.token = answer["token"].take();
        }
        Ok(Some(Answer::Success(Effect::Hold)))
    }

    /// Notes when the change to this version of the seat was answered.
    fn note(&self, effect: Effect, answer: Option<Value>, version: i32) -> Outcome<Value> {
        let answer = answer.ok_or("contended")?;
        if answer["__typename"] != effect.success() {
            return Err(format!("{} was refused: {answer}", effect.mutation()).into());
        }
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert((self.seat, version), Instant::now());
        Ok(answer)
    }
}
