//! A crowd that buys a house until nobody fits any more: seats that the server picks.

use crate::client::Client;
use crate::event::{field, hall, on_sale};
use crate::page::{Output, Page};
use crate::report::{Times, new_histogram};
use crate::server::Server;
use crate::{Outcome, sound};
use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

const LARGEST_PARTY: usize = 6;
/// Rows of four blocks with aisles between them.
const ROWS: usize = 80;
const BLOCKS: usize = 4;
const NEIGHBOURS: usize = 25;
const PLACES: usize = ROWS * BLOCKS * NEIGHBOURS;

/// How many buy at once.
#[derive(clap::Args, Clone, Copy, Serialize)]
pub struct Crowds {
    /// Buyers of the hall of rows.
    #[arg(long, default_value_t = 160)]
    clients: usize,
    /// Buyers of the standing room.
    #[arg(long, default_value_t = 100)]
    standing: usize,
}

pub async fn run(crowds: Crowds, output: &Output) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    let mut page = Page::default();
    let rows = hall(ROWS, BLOCKS, NEIGHBOURS);
    // In both, seats that are neighbours follow one another.
    println!("## {PLACES} seats in rows, {} buyers\n", crowds.clients);
    sell(&server, &rows, NEIGHBOURS, crowds.clients, &mut page).await?;
    println!(
        "\n## {PLACES} standing places, {} buyers\n",
        crowds.standing
    );
    sell(&server, &field(PLACES), PLACES, crowds.standing, &mut page).await?;
    sound::check(&server).await?;
    page.write("best-available", &crowds, output)?;
    server.stop().await
}

/// Sells a house whose blocks have so many neighbours each.
async fn sell(
    server: &Server,
    house: &Value,
    neighbours: usize,
    crowd: usize,
    page: &mut Page,
) -> Outcome<()> {
    let sale = Arc::new(Sale {
        event: on_sale(server, house).await?,
        neighbours,
        sql: server.sql().await?,
        started: Instant::now(),
        refusals: Mutex::new(BTreeMap::new()),
    });
    let tasks: Vec<_> = (0..crowd)
        .map(|number| {
            let (address, sale) = (server.address.clone(), Arc::clone(&sale));
            tokio::spawn(async move { sale.buy(&address, u64::try_from(number)?).await })
        })
        .collect();
    let mut all = Bought::new();
    for task in tasks {
        all.add(task.await??);
    }
    all.report(page);
    sale.report(page).await?;
    sound::check_told(server, sale.event, "HELD", all.seats).await
}

struct Sale {
    event: EventId,
    neighbours: usize,
    sql: tokio_postgres::Client,
    started: Instant,
    /// By the size of the party.
    refusals: Mutex<BTreeMap<usize, Refusals>>,
}

/// Refusals of parties of one size.
struct Refusals {
    count: u64,
    /// When the first one came, and what was free right after it.
    first: Duration,
    free: usize,
    /// Whether the party could have been seated in what was free, or in what the
    /// refusal itself says is left: nobody gives seats back, so it was wrong then.
    wrong: u64,
}

impl Sale {
    /// Buys for parties of one to six, and for smaller ones once there is no room.
    async fn buy(&self, address: &str, number: u64) -> Outcome<Bought> {
        let query = "mutation($input: HoldBestAvailableInput!) { \
            holdBestAvailable(input: $input) { __typename \
            ... on SeatsHeld { attempts hold { seats { id } } } \
            ... on NotEnoughSeats { largestGroup } } }";
        let mut client = Client::connect(address, "").await?;
        let mut rng = StdRng::seed_from_u64(number);
        let mut bought = Bought::new();
        let mut most = LARGEST_PARTY;
        while most > 0 {
            let size = rng.random_range(1..=most);
            let event = GlobalId::Event(self.event).to_string();
            let input = json!({"eventId": event, "quantity": size, "adjacency": "PREFERRED"});
            let sent = Instant::now();
            let Some(answer) = client.mutate(query, &input).await? else {
                bought.contended += 1;
                continue;
            };
            match answer["__typename"].as_str() {
                Some("SeatsHeld") => {
                    bought.count(&answer, sent.elapsed())?;
                    bought.last = self.started.elapsed();
                }
                Some("NotEnoughSeats") => {
                    self.refused(size, &answer).await?;
                    most = size - 1;
                }
                _ => return Err(format!("holdBestAvailable answered {answer}").into()),
            }
        }
        Ok(bought)
    }

    async fn refused(&self, size: usize, answer: &Value) -> Outcome<()> {
        let at = self.started.elapsed();
        let mut refusals = self.refusals.lock().await;
        let claims_room = answer["largestGroup"]
            .as_u64()
            .is_none_or(|left| left >= size as u64);
        if let Some(known) = refusals.get_mut(&size) {
            known.count += 1;
            known.wrong += u64::from(claims_room);
            return Ok(());
        }
        let free = self.free().await?;
        let runs = runs(&free, self.neighbours);
        let first = Refusals {
            count: 1,
            first: at,
            free: free.len(),
            wrong: u64::from(claims_room || has_room(&runs, size)),
        };
        refusals.insert(size, first);
        Ok(())
    }

    /// The places of the seats that are free, ascending.
    async fn free(&self) -> Outcome<Vec<usize>> {
        let query = "SELECT seat_no FROM seats WHERE event_id = $1 AND status = 'AVAILABLE' \
                     ORDER BY seat_no";
        let rows = self.sql.query(query, &[&self.event.0]).await?;
        let mut free = Vec::with_capacity(rows.len());
        for row in rows {
            free.push(usize::try_from(row.try_get::<_, i32>(0)?)?);
        }
        Ok(free)
    }

    async fn report(&self, page: &mut Page) -> Outcome<()> {
        page.head(
            "| party of | first refused after s | seats free then | refusals | with room left |",
        );
        let refusals = self.refusals.lock().await;
        for (size, found) in refusals.iter().rev() {
            page.row(&format!(
                "| {size} | {:.2} | {} | {} | {} |",
                found.first.as_secs_f64(),
                found.free,
                found.count,
                found.wrong
            ));
        }
        let free = self.free().await?.len();
        let wrong: u64 = refusals.values().map(|found| found.wrong).sum();
        if free == 0 && wrong == 0 {
            return Ok(());
        }
        let message = format!("the run is void: {wrong} refusals in vain, {free} seats left");
        Err(message.into())
    }
}

/// How many free seats follow one another, for each block and as often as they do.
fn runs(free: &[usize], neighbours: usize) -> Vec<usize> {
    let mut runs: Vec<usize> = Vec::new();
    let mut before = None;
    for seat in free {
        let follows = before.is_some_and(|before| before + 1 == *seat);
        match runs.last_mut() {
            Some(run) if follows && seat % neighbours != 0 => *run += 1,
            _ => runs.push(1),
        }
        before = Some(*seat);
    }
    runs
}

/// Whether a party finds seats in these runs, nobody alone.
fn has_room(runs: &[usize], size: usize) -> bool {
    if size == 1 {
        return !runs.is_empty();
    }
    // Bit n: so many people can be seated.
    let mut seated = 1_u64;
    for run in runs {
        // One group to a run: two that fit into one have room side by side there.
        let without = seated;
        for group in 2..=*run.min(&size) {
            seated |= without << group;
        }
        seated &= (2 << size) - 1;
    }
    seated >> size & 1 == 1
}

/// What one buyer was answered, or all of them.
struct Bought {
    times: Histogram<u64>,
    seats: u64,
    lost_races: u64,
    contended: u64,
    /// When the last seats were held.
    last: Duration,
}

impl Bought {
    fn new() -> Self {
        Self {
            times: new_histogram(),
            seats: 0,
            lost_races: 0,
            contended: 0,
            last: Duration::ZERO,
        }
    }

    fn count(&mut self, answer: &Value, took: Duration) -> Outcome<()> {
        self.times.record(u64::try_from(took.as_micros())?)?;
        let seats = answer["hold"]["seats"].as_array().ok_or("no seats")?;
        self.seats += u64::try_from(seats.len())?;
        self.lost_races += answer["attempts"].as_u64().ok_or("no attempts")? - 1;
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.times += other.times;
        self.seats += other.seats;
        self.lost_races += other.lost_races;
        self.contended += other.contended;
        self.last = self.last.max(other.last);
    }

    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    fn report(&self, page: &mut Page) {
        let times = Times::new(self.last, [self.times.clone()]);
        let conflicts = self.lost_races as f64 / times.count().max(1) as f64;
        page.head(
            "| seats sold | in s | holds | holds/s | p50 ms | p99 ms | conflicts per hold \
             | CONTENDED |",
        );
        page.row(&format!(
            "| {} | {:.2} | {} | {:.0} | {:.1} | {:.1} | {conflicts:.3} | {} |",
            self.seats,
            self.last.as_secs_f64(),
            times.count(),
            times.rate(),
            times.at(0.5),
            times.at(0.99),
            self.contended,
        ));
        println!();
    }
}
