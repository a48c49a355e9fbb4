//! Many watchers of one event, and a steady rate of changes: what is delivered, how
//! soon, and what it costs.

use crate::client::Client;
use crate::cost::Cost;
use crate::crowd::{Crowd, Position, Seen};
use crate::event::{field, on_sale};
use crate::page::{Output, Page};
use crate::report::Times;
use crate::sample::{self, Answered};
use crate::server::Server;
use crate::{Outcome, sound};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;
use usher::model::global_id::GlobalId;
use usher::model::ids::{EventId, SeatNo};

/// Connections that make the changes, one request at a time each.
const BUYERS: usize = 32;

/// How many watch, and what they see.
#[derive(clap::Args, Clone, Copy, Serialize)]
pub struct Watched {
    /// WebSockets that watch the one event.
    #[arg(long, default_value_t = 1000)]
    watchers: usize,
    /// Seats that change hands a second: held, and given back.
    #[arg(long, default_value_t = 100)]
    changes: u32,
    /// How long.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Seats of the event.
    #[arg(long, default_value_t = 2400)]
    seats: usize,
    /// How often, each time on a server of its own.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
}

pub async fn run(watched: Watched, output: &Output) -> Outcome<()> {
    println!(
        "{} changes a second of {} seats, {} s a row\n",
        watched.changes, watched.seats, watched.seconds
    );
    let mut page = Page::default();
    page.head(
        "| watchers | changes/s | sent late ms | messages/s | seat changes/s | MB/s | p50 ms \
         | p99 ms | p99.9 ms | usher, % of a core | µs a message | PostgreSQL, % | client, % \
         | KiB a watcher |",
    );
    for _ in 0..watched.rounds {
        // Memory that one crowd has left behind would be missing from the next row.
        let server = Server::start(&[]).await?;
        let event = on_sale(&server, &field(watched.seats)).await?;
        page.row(&round(&server, event, watched).await?);
        sound::check(&server).await?;
        server.stop().await?;
    }
    page.write("watch", &watched, output)
}

/// One row of the table.
async fn round(server: &Server, event: EventId, watched: Watched) -> Outcome<String> {
    let at_rest = server.memory()?;
    let crowd = Crowd::gather(&server.address, event, watched.watchers).await?;
    let before = Cost::of(server)?;
    let started = Instant::now();
    let made = change(server, event, watched).await?;
    let elapsed = started.elapsed();
    let cost = Cost::of(server)? - before;
    let memory = server.memory()? - at_rest;
    let seen = crowd.leave(last_change(server, event).await?).await?;
    if seen.unserved > 0 {
        let message = format!(
            "the run is void: {} watchers missed something",
            seen.unserved
        );
        return Err(message.into());
    }
    sample::check(server, event, &seen.samples).await?;
    let row = Row {
        watched,
        made,
        seen,
        elapsed,
        cost,
        memory,
    };
    row.text()
}

/// What was changed.
struct Made {
    answered: Answered,
    /// How long after its time the latest request was sent: the rate was not kept if
    /// that is much.
    behind: Duration,
}

/// Changes seats at the rate, whatever the answers take.
async fn change(server: &Server, event: EventId, watched: Watched) -> Outcome<Made> {
    let pause = Duration::from_secs(1) / watched.changes;
    let started = Instant::now() + pause;
    let count = usize::try_from(watched.changes * watched.seconds)?;
    let tasks: Vec<_> = (0..BUYERS)
        .map(|number| {
            let share = |all: usize| (0..all).filter(move |place| place % BUYERS == number);
            let mut buyer = Buyer {
                event,
                seats: share(watched.seats).map(|seat| (seat, 1)).collect(),
                token: Value::Null,
                next: 0,
            };
            let (address, turns) = (server.address.clone(), share(count));
            tokio::spawn(async move {
                let mut client = Client::connect(&address, "").await?;
                let mut made = Made {
                    answered: Answered::new(),
                    behind: Duration::ZERO,
                };
                for turn in turns {
                    let due = started + pause * u32::try_from(turn)?;
                    sleep_until(due.into()).await;
                    made.behind = made.behind.max(due.elapsed());
                    let change = buyer.change(&mut client).await?;
                    made.answered.insert(change, Instant::now());
                }
                Outcome::Ok(made)
            })
        })
        .collect();
    let mut all = Made {
        answered: Answered::new(),
        behind: Duration::ZERO,
    };
    for task in tasks {
        let made = task.await??;
        all.answered.extend(made.answered);
        all.behind = all.behind.max(made.behind);
    }
    Ok(all)
}

/// Has seats that nobody else wants: holds one after the other and gives it back.
struct Buyer {
    event: EventId,
    /// Each with the version it has.
    seats: Vec<(usize, i32)>,
    /// Of the hold, if there is one.
    token: Value,
    next: usize,
}

impl Buyer {
    /// Makes the next change; answers which seat came to which version.
    async fn change(&mut self, client: &mut Client) -> Outcome<(SeatNo, i32)> {
        let place = self.next;
        let (seat, version) = self.seats[place];
        let seat_no = SeatNo::try_from(seat)?;
        let id = GlobalId::Seat(self.event, seat_no).to_string();
        let (query, input) = if self.token.is_null() {
            let query = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { \
                ... on SeatsHeld { token } } }";
            let event = GlobalId::Event(self.event).to_string();
            let seats = [json!({"seatId": id, "version": version})];
            (query, json!({"eventId": event, "seats": seats}))
        } else {
            let query = "mutation($input: ReleaseHoldInput!) { releaseHold(input: $input) { \
                ... on SeatsReleased { seats { version } } } }";
            (query, json!({"token": self.token}))
        };
        let mut answer = client.mutate(query, &input).await?.ok_or("contended")?;
        if answer["token"].is_string() {
            self.token = answer["token"].take();
        } else if answer["seats"].is_array() {
            self.token = Value::Null;
            self.next = (place + 1) % self.seats.len();
        } else {
            return Err(format!("a seat of nobody else was refused: {answer}").into());
        }
        self.seats[place].1 += 1;
        Ok((seat_no, version + 1))
    }
}

/// The last change there is of an event.
pub async fn last_change(server: &Server, event: EventId) -> Outcome<Position> {
    let query = "SELECT transaction_id::text AS transaction, id FROM seat_changes WHERE event_id = $1 \
                 ORDER BY transaction_id DESC, id DESC LIMIT 1";
    let row = server.sql().await?.query_one(query, &[&event.0]).await?;
    let transaction: String = row.try_get(0)?;
    Ok((transaction.parse()?, row.try_get(1)?))
}

/// What came out of a round.
struct Row {
    watched: Watched,
    made: Made,
    seen: Seen,
    elapsed: Duration,
    cost: Cost,
    memory: f64,
}

impl Row {
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    fn text(&self) -> Outcome<String> {
        let seconds = self.elapsed.as_secs_f64();
        let (messages, changes) = (self.seen.messages as f64, self.seen.changes as f64);
        let percent = |computed: Duration| 100.0 * computed.as_secs_f64() / seconds;
        let mut delays = Vec::new();
        for sample in &self.seen.samples {
            delays.push(sample.delays(&self.made.answered)?);
        }
        let times = Times::new(self.elapsed, delays);
        Ok(format!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {:.2} \
             | {:.0} | {:.0} | {:.1} |",
            self.watched.watchers,
            self.made.answered.len() as f64 / seconds,
            self.made.behind.as_secs_f64() * 1000.0,
            messages / seconds,
            changes / seconds,
            self.seen.bytes as f64 / seconds / 1e6,
            times.at(0.5),
            times.at(0.99),
            times.at(0.999),
            percent(self.cost.usher),
            self.cost.usher.as_secs_f64() * 1e6 / messages.max(1.0),
            percent(self.cost.postgres),
            percent(self.seen.computed),
            self.memory * 1024.0 / self.watched.watchers as f64,
        ))
    }
}
