//! The three strategies beside one another: where nobody is in the way of anybody, and
//! where everybody is.

use crate::client::Client;
use crate::event::{field, hall, on_sale};
use crate::page::{Output, Page};
use crate::popularity::popularity;
use crate::report::{Times, new_histogram};
use crate::server::Server;
use crate::{Outcome, Rate, sound};
use clap::ValueEnum;
use hdrhistogram::Histogram;
use rand::distr::Distribution;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use usher::config::Concurrency;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// Places of the event where every call is for another one.
const PLACES: usize = 100_000;
/// Rows of 50 seats of the event where everybody wants the same ones.
const ROWS: usize = 10;
const SEATS: usize = ROWS * 50;

pub async fn run(rate: Rate, output: &Output) -> Outcome<()> {
    println!("{} clients, {} s each\n", rate.clients, rate.seconds);
    let mut page = Page::default();
    page.head(
        "| load | strategy | holds/s | p50 ms | p99 ms | conflicts/s | conflicts per hold \
         | transactions retried | retried per hold | CONTENDED |",
    );
    for strategy in Concurrency::value_variants() {
        let strategy = strategy.to_string();
        let server = Server::start(&["--concurrency", &strategy]).await?;
        for is_contended in [false, true] {
            let (name, hall) = if is_contended {
                ("contended", hall(ROWS, 1, SEATS / ROWS))
            } else {
                ("uncontended", field(PLACES))
            };
            let event = on_sale(&server, &hall).await?;
            let (tally, elapsed) = load(&server, event, is_contended, rate).await?;
            page.row(&format!("| {name} | {strategy} | {}", tally.row(elapsed)));
            sound::check_told(&server, event, "HELD", tally.taken).await?;
            sound::check_told(&server, event, "RELEASED", tally.released).await?;
        }
        sound::check(&server).await?;
        server.stop().await?;
    }
    page.write("strategies", &rate, output)
}

/// What clients were answered.
struct Tally {
    /// Of holdSeats that held.
    times: Histogram<u64>,
    /// Seats that were held, and seats that were given back.
    taken: u64,
    released: u64,
    conflicts: u64,
    retried: u64,
    contended: u64,
}

impl Tally {
    fn new() -> Self {
        Self {
            times: new_histogram(),
            taken: 0,
            released: 0,
            conflicts: 0,
            retried: 0,
            contended: 0,
        }
    }

    fn add(&mut self, other: Self) {
        self.times += other.times;
        self.taken += other.taken;
        self.released += other.released;
        self.conflicts += other.conflicts;
        self.retried += other.retried;
        self.contended += other.contended;
    }

    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    fn row(&self, elapsed: Duration) -> String {
        let times = Times::new(elapsed, [self.times.clone()]);
        let (conflicts, retried) = (self.conflicts as f64, self.retried as f64);
        let held = times.count().max(1) as f64;
        format!(
            "{:.0} | {:.1} | {:.1} | {:.0} | {:.3} | {retried} | {:.3} | {} |",
            times.rate(),
            times.at(0.5),
            times.at(0.99),
            conflicts / elapsed.as_secs_f64(),
            conflicts / held,
            retried / held,
            self.contended,
        )
    }
}

async fn load(
    server: &Server,
    event: EventId,
    is_contended: bool,
    rate: Rate,
) -> Outcome<(Tally, Duration)> {
    let started = Instant::now();
    let until = started + rate.duration();
    let share = PLACES / rate.clients;
    let tasks: Vec<_> = (0..rate.clients)
        .map(|number| {
            let address = server.address.clone();
            tokio::spawn(async move {
                let mut buyer = Buyer {
                    client: Client::connect(&address, "").await?,
                    event,
                    tally: Tally::new(),
                };
                if is_contended {
                    buyer.fight(until, u64::try_from(number)?).await?;
                } else {
                    buyer
                        .help_himself(until, number * share..(number + 1) * share)
                        .await?;
                }
                Outcome::Ok(buyer.tally)
            })
        })
        .collect();
    let mut all = Tally::new();
    for task in tasks {
        all.add(task.await??);
    }
    Ok((all, started.elapsed()))
}

struct Buyer {
    client: Client,
    event: EventId,
    tally: Tally,
}

impl Buyer {
    /// Holds one seat after the other that nobody else wants.
    async fn help_himself(&mut self, until: Instant, seats: std::ops::Range<usize>) -> Outcome<()> {
        for seat in seats {
            if Instant::now() >= until {
                break;
            }
            self.hold(&[(seat, 1)]).await?;
        }
        Ok(())
    }

    /// Holds one to four seats at a time that everybody wants, and gives them back.
    async fn fight(&mut self, until: Instant, number: u64) -> Outcome<()> {
        let mut rng = StdRng::seed_from_u64(number);
        let popularity = popularity(SEATS)?;
        let mut versions = vec![1; SEATS];
        while Instant::now() < until {
            let party = rng.random_range(1..=4);
            let mut seats = BTreeSet::new();
            while seats.len() < party {
                seats.insert(popularity.sample(&mut rng));
            }
            let wanted: Vec<(usize, i64)> = seats
                .into_iter()
                .map(|seat| (seat, versions[seat]))
                .collect();
            let Some(answer) = self.hold(&wanted).await? else {
                continue;
            };
            learn(&mut versions, &answer["hold"]["seats"])?;
            let lost = answer["conflicts"].as_array().into_iter().flatten();
            let lost: Vec<Value> = lost.map(|lost| lost["seat"].clone()).collect();
            learn(&mut versions, &lost.into())?;
            if answer["__typename"] == "SeatsHeld" {
                let released = self.release(&answer["token"]).await?;
                learn(&mut versions, &released)?;
            }
        }
        Ok(())
    }

    /// Asks for these seats at these versions; answers what became of it.
    async fn hold(&mut self, seats: &[(usize, i64)]) -> Outcome<Option<Value>> {
        let query = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename \
            ... on SeatsHeld { token attempts hold { seats { id version } } } \
            ... on SeatConflict { attempts conflicts { seat { id version } } } } }";
        let mut named = Vec::with_capacity(seats.len());
        for (seat, version) in seats {
            let id = GlobalId::Seat(self.event, i32::try_from(*seat)?).to_string();
            named.push(json!({"seatId": id, "version": version}));
        }
        let event = GlobalId::Event(self.event).to_string();
        let input = json!({"eventId": event, "seats": named, "onConflict": "RETRY"});
        let sent = Instant::now();
        let answer = self.client.mutate(query, &input).await?;
        let took = sent.elapsed();
        match &answer {
            None => self.tally.contended += 1,
            Some(answer) => self.count(answer, seats.len(), took)?,
        }
        Ok(answer)
    }

    fn count(&mut self, answer: &Value, seats: usize, took: Duration) -> Outcome<()> {
        match answer["__typename"].as_str() {
            Some("SeatsHeld") => {
                self.tally.times.record(u64::try_from(took.as_micros())?)?;
                self.tally.taken += u64::try_from(seats)?;
            }
            Some("SeatConflict") => self.tally.conflicts += 1,
            _ => return Err(format!("holdSeats answered {answer}").into()),
        }
        let attempts = answer["attempts"].as_u64().ok_or("no attempts")?;
        self.tally.retried += attempts - 1;
        Ok(())
    }

    /// Gives a hold back; answers its seats.
    async fn release(&mut self, token: &Value) -> Outcome<Value> {
        let query = "mutation($input: ReleaseHoldInput!) { releaseHold(input: $input) { \
            ... on SeatsReleased { seats { id version } } } }";
        let input = json!({"token": token});
        loop {
            let Some(mut answer) = self.client.mutate(query, &input).await? else {
                self.tally.contended += 1;
                continue;
            };
            let seats = answer["seats"].take();
            let count = seats.as_array().ok_or("a hold was not released")?.len();
            self.tally.released += u64::try_from(count)?;
            return Ok(seats);
        }
    }
}

/// Notes the versions that seats of an answer have.
fn learn(versions: &mut [i64], seats: &Value) -> Outcome<()> {
    for seat in seats.as_array().into_iter().flatten() {
        let (Some(Ok(GlobalId::Seat(_, seat_no))), Some(version)) = (
            seat["id"].as_str().map(str::parse),
            seat["version"].as_i64(),
        ) else {
            return Err(format!("not a seat: {seat}").into());
        };
        versions[usize::try_from(seat_no)?] = version;
    }
    Ok(())
}
