//! holdSeats, one distinct seat a call, beside pgbench with the same effect.

use crate::client::Client;
use crate::event::{field, on_sale};
use crate::pgbench::Transaction;
use crate::report::{Times, new_histogram};
use crate::server::Server;
use crate::{Outcome, Rate};
use serde_json::{Value, json};
use std::time::Instant;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// Places of the event; the run ends early when a client has had its share.
const PLACES: usize = 200_000;

pub async fn run(rate: Rate) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    println!("memory at rest: {:.1} MiB", server.memory()?);
    let ours = on_sale(&server, &field(PLACES)).await?;
    let theirs = on_sale(&server, &field(PLACES)).await?;
    let times = load(&server, ours, rate).await?;
    println!("{}", times.line("usher holdSeats"));
    println!("memory after it: {:.1} MiB", server.memory()?);
    let share = PLACES / 2 / rate.clients;
    for (number, transaction) in Transaction::ALL.into_iter().enumerate() {
        let seats = (number * PLACES / 2, share);
        let alone = transaction.run(&server, theirs, seats, rate).await?;
        println!(
            "{:<38} {:>9.0} /s   {:>14}   p99 {:>7.2} ms   usher's ratio {:.2}",
            transaction.name(),
            alone.rate,
            "",
            alone.p99,
            times.rate() / alone.rate,
        );
    }
    check(&server, ours, times.count()).await?;
    server.stop().await
}

async fn load(server: &Server, event: EventId, rate: Rate) -> Outcome<Times> {
    let share = PLACES / rate.clients;
    let started = Instant::now();
    let tasks: Vec<_> = (0..rate.clients)
        .map(|number| {
            let address = server.address.clone();
            tokio::spawn(async move {
                let mut client = Client::connect(&address, "").await?;
                let mut histogram = new_histogram();
                for seat in number * share..(number + 1) * share {
                    if started.elapsed() > rate.duration() {
                        break;
                    }
                    let body = request(event, seat)?;
                    let sent = Instant::now();
                    let answer = client.post(&body).await?;
                    let took = sent.elapsed();
                    if !answer.windows(9).any(|window| window == b"SeatsHeld") {
                        return Err(String::from_utf8_lossy(answer).into());
                    }
                    histogram.record(u64::try_from(took.as_micros())?)?;
                }
                Outcome::Ok(histogram)
            })
        })
        .collect();
    let mut histograms = Vec::new();
    for task in tasks {
        histograms.push(task.await??);
    }
    Ok(Times::new(started.elapsed(), histograms))
}

fn request(event: EventId, seat: usize) -> Outcome<String> {
    let query = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { \
        __typename ... on SeatsHeld { token cursor hold { expiresAt } } } }";
    let seat_id = GlobalId::Seat(event, i32::try_from(seat)?).to_string();
    let input = json!({
        "eventId": GlobalId::Event(event).to_string(),
        "seats": [{"seatId": seat_id, "version": 1}],
    });
    Ok(json!({"query": query, "variables": {"input": input}}).to_string())
}

/// The run counts only if the house is what the clients were told.
async fn check(server: &Server, event: EventId, held: u64) -> Outcome<()> {
    let query = "query($id: ID!) { event(id: $id) { availability { total { held all } } } }";
    let id = GlobalId::Event(event).to_string();
    let found: Value = server.staff(query, json!({"id": id})).await?;
    let total = &found["event"]["availability"]["total"];
    if total["held"] == held && total["all"] == PLACES {
        return Ok(());
    }
    Err(format!("the run is void: {held} holds were answered, the house has {total}").into())
}
