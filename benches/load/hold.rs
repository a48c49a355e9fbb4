//! holdSeats, one distinct seat a call, beside pgbench with the same
//! transaction: the checked UPDATE, the row of the hold, and the rows that the
//! database writes into the feed for both.

use crate::client::Client;
use crate::event::{field, on_sale};
use crate::report::{Times, new_histogram};
use crate::server::Server;
use crate::{Outcome, Rate};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Instant;
use tokio::process::Command;
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
    let alone = pgbench(&server, theirs, rate).await?;
    println!("{:<38} {alone:>9.0} /s", "pgbench, the same transaction");
    println!("ratio: {:.2}", times.rate() / alone);
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

/// Transactions a second of the database alone, on seats of its own.
async fn pgbench(server: &Server, event: EventId, rate: Rate) -> Outcome<f64> {
    let script = format!(
        "\\set n :n + 1\n\
         \\set seat :client_id * {} + :n\n\
         BEGIN;\n\
         UPDATE seats SET version = version + 1, status = 'HELD', \
             owner_id = '00000000-0000-7000-8000-000000000000', \
             held_until = now() + interval '10 minutes', cause = 'HELD', actor = 'pgbench' \
         WHERE event_id = {event} AND seat_no = :seat AND version = 1 \
             AND (status = 'AVAILABLE' OR status = 'HELD' AND held_until <= now()) \
         RETURNING seat_no, version, status;\n\
         INSERT INTO holds (event_id, id, token_hash, buyer, status, seat_nos, amounts, \
                            currency, expires_at) \
         VALUES ({event}, gen_random_uuid(), sha256('secret'), NULL, 'ACTIVE', \
                 ARRAY[:seat::integer], ARRAY[3000::bigint], 'EUR', now() + interval '10 minutes') \
         RETURNING pg_current_xact_id();\n\
         COMMIT;\n",
        PLACES / rate.clients
    );
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), script)?;
    let output = Command::new("pgbench")
        .args([
            "--no-vacuum",
            "--protocol=prepared",
            "--jobs=2",
            "--define=n=-1",
        ])
        .arg(format!("--client={}", rate.clients))
        .arg(format!("--time={}", rate.seconds))
        .arg(format!("--host={}", server.socket_folder().display()))
        .args(["--username=usher", "--file"])
        .arg(file.path())
        .arg("usher")
        .stdin(Stdio::null())
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    println!(
        "{}",
        text.lines()
            .filter(|line| line.contains("latency"))
            .collect::<String>()
    );
    text.lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            format!(
                "pgbench failed: {}",
                complaint.lines().next().unwrap_or_default()
            )
            .into()
        })
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
