//! The first map that a fresh process answers with: from its start, and from when it
//! says that it is ready.

use crate::Outcome;
use crate::client::Client;
use crate::event::{field, on_sale};
use crate::report::{Times, new_histogram};
use crate::server::Server;
use serde_json::json;
use std::time::{Duration, Instant};
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// How large, and how often.
#[derive(clap::Args, Clone, Copy)]
pub struct Cold {
    /// Seats of the event.
    #[arg(long, default_value_t = 60_000)]
    seats: usize,
    /// Processes that are started, one after the other.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

pub async fn run(cold: Cold) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    let event = on_sale(&server, &field(cold.seats)).await?;
    let mut from_start = new_histogram();
    let mut from_ready = new_histogram();
    let mut warm = new_histogram();
    let mut bytes = 0;
    // What fresh processes are started with: warm maps would be named here.
    let flags = [];
    for _ in 0..cold.rounds {
        let started = Instant::now();
        let fresh = server.beside_with(&flags).await?;
        let ready = Instant::now();
        let mut client = Client::connect(&fresh.address, "").await?;
        bytes = map(&mut client, event, cold.seats).await?;
        from_start.record(microseconds(started.elapsed())?)?;
        from_ready.record(microseconds(ready.elapsed())?)?;
        let again = Instant::now();
        map(&mut client, event, cold.seats).await?;
        warm.record(microseconds(again.elapsed())?)?;
        fresh.stop().await?;
    }
    println!(
        "{} fresh processes, {} seats, {bytes} bytes\n\n\
         | the map is answered | p50 ms | worst ms |\n| --- | ---: | ---: |",
        cold.rounds, cold.seats
    );
    for (what, times) in [
        ("after the process was started", from_start),
        ("after it was ready", from_ready),
        ("when it is asked again", warm),
    ] {
        let times = Times::new(Duration::ZERO, [times]);
        println!("| {what} | {:.0} | {:.0} |", times.at(0.5), times.at(1.0));
    }
    server.stop().await
}

/// Asks for the map; answers how many bytes came.
async fn map(client: &mut Client, event: EventId, seats: usize) -> Outcome<usize> {
    // The compact form, once there is one.
    let query = "query($id: ID!) { event(id: $id) { seatMap { cursor seats { \
        id version status } } } }";
    let id = GlobalId::Event(event).to_string();
    let body = json!({"query": query, "variables": {"id": id}}).to_string();
    let answer = client.post(&body).await?;
    let count = memchr::memmem::find_iter(answer, b"\"status\"").count();
    if count == seats {
        return Ok(answer.len());
    }
    Err(format!("the map has {count} of {seats} seats").into())
}

fn microseconds(time: Duration) -> Outcome<u64> {
    Ok(u64::try_from(time.as_micros())?)
}
