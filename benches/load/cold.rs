//! The first map that a fresh process answers with: from its start, and from when it
//! says that it is ready; with and without a Redis that has it.

use crate::client::Client;
use crate::event::{field, on_sale};
use crate::page::{Output, Page};
use crate::redis::Redis;
use crate::report::{Times, new_histogram};
use crate::server::Server;
use crate::{Outcome, sound};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// How large, and how often.
#[derive(clap::Args, Clone, Copy, Serialize)]
pub struct Cold {
    /// Seats of the event.
    #[arg(long, default_value_t = 60_000)]
    seats: usize,
    /// Processes that are started, one after the other, of each kind.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How often each seat has changed before.
    #[arg(long, default_value_t = 0)]
    steps: usize,
    /// Also with a Redis that has the map. It is started for this.
    #[arg(long)]
    redis: bool,
    /// How many seats have changed since the map was stored there.
    #[arg(long, default_value_t = 100)]
    behind: usize,
}

/// What one kind of process took.
struct Kind {
    name: &'static str,
    flags: Vec<String>,
    from_start: Histogram<u64>,
    from_ready: Histogram<u64>,
    again: Histogram<u64>,
}

pub async fn run(cold: Cold, output: &Output) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    let event = on_sale(&server, &field(cold.seats)).await?;
    for _ in 0..cold.steps {
        change(&server, event, cold.seats).await?;
    }
    // As autovacuum does within a minute: without statistics PostgreSQL takes every event
    // for a small one, and sorts all of its changes to find the newest.
    server.sql().await?.batch_execute("VACUUM ANALYZE").await?;
    let mut kinds = vec![Kind::new("without Redis", Vec::new())];
    let redis = if cold.redis {
        let redis = Redis::start().await?;
        let flags = vec!["--redis-url".to_owned(), redis.url.clone()];
        store(&server, event, &redis, &flags).await?;
        change(&server, event, cold.behind).await?;
        kinds.push(Kind::new("with Redis", flags));
        Some(redis)
    } else {
        None
    };
    let stored = match &redis {
        Some(redis) => redis.values().await?,
        None => Vec::new(),
    };
    let mut bytes = 0;
    for _ in 0..cold.rounds {
        let truth = Truth::of(&server, event, cold.seats).await?;
        for kind in &mut kinds {
            if let Some(redis) = &redis {
                // The one before may have stored a newer one.
                redis.put(&stored).await?;
            }
            bytes = kind.run_once(&server, event, &truth).await?;
        }
    }
    println!(
        "{} fresh processes of each kind, {} seats, {} changes of each before, {bytes} bytes\n",
        cold.rounds, cold.seats, cold.steps
    );
    let mut page = Page::default();
    page.head("| the map is answered | process | p50 ms | worst ms |");
    for kind in kinds {
        for (what, times) in [
            ("after the process was started", kind.from_start),
            ("after it was ready", kind.from_ready),
            ("when it is asked again", kind.again),
        ] {
            let times = Times::new(Duration::ZERO, [times]);
            let (middle, worst) = (times.at(0.5), times.at(1.0));
            page.row(&format!(
                "| {what} | {} | {middle:.1} | {worst:.1} |",
                kind.name
            ));
        }
    }
    sound::check(&server).await?;
    page.write("cold", &cold, output)?;
    server.stop().await
}

impl Kind {
    fn new(name: &'static str, flags: Vec<String>) -> Self {
        Self {
            name,
            flags,
            from_start: new_histogram(),
            from_ready: new_histogram(),
            again: new_histogram(),
        }
    }

    /// Starts a process and asks it for the map, which must be right.
    async fn run_once(&mut self, server: &Server, event: EventId, truth: &Truth) -> Outcome<usize> {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let started = Instant::now();
        let fresh = server.beside_with(&flags).await?;
        let ready = Instant::now();
        let mut client = Client::connect(&fresh.address, "").await?;
        let first = map(&mut client, event).await?;
        self.from_start.record(microseconds(started.elapsed())?)?;
        self.from_ready.record(microseconds(ready.elapsed())?)?;
        let again = Instant::now();
        map(&mut client, event).await?;
        self.again.record(microseconds(again.elapsed())?)?;
        truth.check(&first)?;
        fresh.stop().await?;
        Ok(first.len())
    }
}

/// The map as the database has it.
struct Truth(String);

impl Truth {
    async fn of(server: &Server, event: EventId, seats: usize) -> Outcome<Self> {
        // Read anew: a process that has just been started has read it seat by seat.
        let fresh = server.beside().await?;
        let mut client = Client::connect(&fresh.address, "").await?;
        let map = map(&mut client, event).await?;
        fresh.stop().await?;
        if map.len() < seats {
            return Err(format!("a map of {seats} seats in {} bytes", map.len()).into());
        }
        Ok(Self(map))
    }

    fn check(&self, map: &str) -> Outcome<()> {
        if self.0 == map {
            return Ok(());
        }
        Err("the map is not what the database has".into())
    }
}

/// Has a process store the map.
async fn store(server: &Server, event: EventId, redis: &Redis, flags: &[String]) -> Outcome<()> {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let first = server.beside_with(&flags).await?;
    let mut client = Client::connect(&first.address, "").await?;
    map(&mut client, event).await?;
    while redis.values().await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.stop().await
}

/// Changes the first so many seats, past usher.
async fn change(server: &Server, event: EventId, seats: usize) -> Outcome<()> {
    let change = "UPDATE seats SET version = version + 1, \
        status = CASE status WHEN 'BLOCKED' THEN 'AVAILABLE' ELSE 'BLOCKED' END, \
        cause = CASE status WHEN 'BLOCKED' THEN 'UNBLOCKED' ELSE 'BLOCKED' END \
        WHERE event_id = $1 AND seat_no < $2";
    let seats = i32::try_from(seats)?;
    let sql = server.sql().await?;
    sql.execute(change, &[&event.0, &seats]).await?;
    Ok(())
}

/// Asks for the map; answers it in its compact form.
async fn map(client: &mut Client, event: EventId) -> Outcome<String> {
    let query = "query($id: ID!) { event(id: $id) { seatMap { compact } } }";
    let id = GlobalId::Event(event).to_string();
    let body = json!({"query": query, "variables": {"id": id}}).to_string();
    let answer: Value = serde_json::from_slice(client.post(&body).await?)?;
    let map = answer["data"]["event"]["seatMap"]["compact"].as_str();
    Ok(map.ok_or_else(|| answer.to_string())?.to_owned())
}

fn microseconds(time: Duration) -> Outcome<u64> {
    Ok(u64::try_from(time.as_micros())?)
}
