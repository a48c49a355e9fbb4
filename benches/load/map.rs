//! What maps of halls of all sizes cost: `Event.seatMap` as a list and in its compact
//! form, and the drawing of the plan, as they come and compressed.

use crate::client::Client;
use crate::page::{Output, Page};
use crate::report::{Times, new_histogram};
use crate::server::Server;
use crate::{Outcome, Rate, event};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

const ENCODINGS: [&str; 4] = ["identity", "gzip", "br", "zstd"];

/// What clients select of a map: all that there is, what changes, and the same compactly.
const SELECTIONS: [(&str, &str); 3] = [
    (
        "list",
        "seats { id label zone row number category accessible x y status version }",
    ),
    ("short list", "seats { id status version }"),
    ("compact", "compact"),
];

#[derive(clap::Args, Serialize)]
pub struct Maps {
    #[command(flatten)]
    rate: Rate,
    /// Seats of each hall.
    #[arg(long, value_delimiter = ',', default_values_t = [2_400, 20_000, 60_000])]
    seats: Vec<usize>,
    /// Only this encoding.
    #[arg(long)]
    encoding: Option<String>,
}

pub async fn run(maps: Maps, output: &Output) -> Outcome<()> {
    let server = Server::start(&["--no-demo"]).await?;
    let mut page = Page::default();
    page.head("| | seats | encoding | answers/s | p50 ms | p99 ms | p99.9 ms | bytes |");
    for seats in &maps.seats {
        let event = event::on_sale(&server, &event::arena(*seats)).await?;
        sell(&server, event).await?;
        let id = GlobalId::Event(event).to_string();
        for (name, selection) in SELECTIONS {
            let query = format!(
                "query($id: ID!) {{ event(id: $id) {{ seatMap {{ cursor {selection} }} }} }}"
            );
            let body = json!({"query": query, "variables": {"id": id}}).to_string();
            let request = Request::Post(body);
            measure(
                &server,
                &maps,
                &format!("{name} | {seats}"),
                &request,
                &mut page,
            )
            .await?;
        }
        let path = path_of_plan(&server, &id).await?;
        let request = Request::Get(path);
        measure(
            &server,
            &maps,
            &format!("plan | {seats}"),
            &request,
            &mut page,
        )
        .await?;
    }
    page.write("map", &maps, output)?;
    println!("memory after it: {:.1} MiB", server.memory()?);
    server.stop().await
}

/// Some seats are sold, some held, and some were given back, at random but in every run
/// the same ones: a map on which all seats are alike takes no room at all, compressed.
/// Nobody has bought them, so that no rule about holds can be checked afterwards.
async fn sell(server: &Server, EventId(event): EventId) -> Outcome<()> {
    let step = |change: &str, from: &str, share: f64| {
        format!(
            "UPDATE seats SET version = version + 1, cause = 'CORRECTION', {change} \
             WHERE event_id = {event} AND status = '{from}' AND random() < {share};"
        )
    };
    let held = "status = 'HELD', owner_id = gen_random_uuid(), held_until = now() + '1 day'";
    let booked = "status = 'BOOKED', held_until = NULL";
    let released = "status = 'AVAILABLE', owner_id = NULL, held_until = NULL";
    let steps = [
        step(held, "AVAILABLE", 0.5),
        step(booked, "HELD", 0.8),
        step(released, "HELD", 0.5),
    ];
    let steps = steps.concat();
    let sql = server.sql().await?;
    sql.batch_execute(&format!("SELECT setseed(0.5); {steps} ANALYZE seats"))
        .await?;
    Ok(())
}

async fn path_of_plan(server: &Server, event: &str) -> Outcome<String> {
    let query = "query($id: ID!) { event(id: $id) { plan { path } } }";
    let answer: Value = server.staff(query, json!({"id": event})).await?;
    let path = answer["event"]["plan"]["path"].as_str();
    Ok(path.ok_or("the plan has no path")?.to_owned())
}

#[derive(Clone)]
enum Request {
    Post(String),
    Get(String),
}

async fn measure(
    server: &Server,
    maps: &Maps,
    what: &str,
    request: &Request,
    page: &mut Page,
) -> Outcome<()> {
    for encoding in ENCODINGS {
        if maps.encoding.as_ref().is_none_or(|only| only == encoding) {
            let (times, bytes) = load(server, request, encoding, maps.rate).await?;
            page.row(&format!(
                "| {what} | {encoding} | {:.0} | {:.2} | {:.2} | {:.2} | {bytes} |",
                times.rate(),
                times.at(0.5),
                times.at(0.99),
                times.at(0.999),
            ));
        }
    }
    Ok(())
}

async fn load(
    server: &Server,
    request: &Request,
    encoding: &str,
    rate: Rate,
) -> Outcome<(Times, usize)> {
    let started = Instant::now();
    let tasks: Vec<_> = (0..rate.clients)
        .map(|_| {
            let address = server.address.clone();
            let request = request.clone();
            let headers = format!("Accept-Encoding: {encoding}\r\n");
            tokio::spawn(async move {
                let mut client = Client::connect(&address, &headers).await?;
                let mut histogram = new_histogram();
                let mut bytes = 0;
                // Each at least once, however long that takes.
                while bytes == 0 || started.elapsed() < rate.duration() {
                    let sent = Instant::now();
                    let answer = match &request {
                        Request::Post(body) => client.post(body).await?,
                        Request::Get(path) => client.get(path).await?,
                    };
                    bytes = answer.len();
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
