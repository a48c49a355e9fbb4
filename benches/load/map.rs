//! Event.seatMap of the 2,400-seat hall, as it comes and compressed.

use crate::client::Client;
use crate::report::{Times, new_histogram};
use crate::server::Server;
use crate::{Outcome, Rate};
use serde_json::json;
use std::time::Instant;

pub async fn run(rate: Rate) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    let query = "{ events(first: 10) { nodes { id name plan { seatCount } } } }";
    let events = server.staff(query, json!({})).await?;
    let hall = events["events"]["nodes"]
        .as_array()
        .and_then(|events| {
            events
                .iter()
                .find(|event| event["plan"]["seatCount"] == 2_400)
        })
        .ok_or("the demo has no hall of 2,400 seats")?;
    let query = "query($id: ID!) { event(id: $id) { seatMap { cursor seats { \
        id label zone row number category accessible x y status version } } } }";
    let body = json!({"query": query, "variables": {"id": hall["id"]}}).to_string();
    for encoding in ["identity", "gzip", "br", "zstd"] {
        let (times, bytes) = load(&server, &body, encoding, rate).await?;
        println!(
            "{}   {bytes} bytes",
            times.line(&format!("seatMap, 2,400 seats, {encoding}"))
        );
    }
    println!("memory after it: {:.1} MiB", server.memory()?);
    server.stop().await
}

async fn load(server: &Server, body: &str, encoding: &str, rate: Rate) -> Outcome<(Times, usize)> {
    let started = Instant::now();
    let tasks: Vec<_> = (0..rate.clients)
        .map(|_| {
            let address = server.address.clone();
            let body = body.to_owned();
            let headers = format!("Accept-Encoding: {encoding}\r\n");
            tokio::spawn(async move {
                let mut client = Client::connect(&address, &headers).await?;
                let mut histogram = new_histogram();
                let mut bytes = 0;
                while started.elapsed() < rate.duration() {
                    let sent = Instant::now();
                    bytes = client.post(&body).await?.len();
                    histogram.record(u64::try_from(sent.elapsed().as_micros())?)?;
                }
                Outcome::Ok((histogram, bytes))
            })
        })
        .collect();
    let mut histograms = Vec::new();
    let mut bytes = 0;
    for task in tasks {
        let (histogram, length) = task.await??;
        histograms.push(histogram);
        bytes = length;
    }
    Ok((Times::new(started.elapsed(), histograms), bytes))
}
