//! How holding goes on while the database grows, and with more and more clients: seats of
//! events of one size, and holds that are spread over all of them, or over the few that are
//! being sold.

use crate::beside::{self, Times};
use crate::contender::Contender;
use crate::effect::Effect;
use crate::event::{copies, field, on_sale};
use crate::page::Output;
use crate::prepared::Tokens;
use crate::report::Report;
use crate::server::Server;
use crate::statements::Transaction;
use crate::supply::{Supply, settle};
use crate::{Outcome, sound};
use serde::Serialize;
use std::time::Instant;
use usher::model::ids::EventId;

/// Seats of each event.
const SEATS: usize = 2_000;

/// How large the database gets, and who calls.
#[derive(clap::Args, Serialize)]
pub struct Growth {
    /// Seats of the database, ascending: whole events of 2,000.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000, 20_000_000])]
    seats: Vec<usize>,
    /// Connections that each send one request after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256, 1_000])]
    clients: Vec<usize>,
    /// How many events are sold at the same time, the newest ones; without it all are.
    #[arg(long)]
    on_sale: Option<usize>,
    /// How long usher and pgbench are measured at each step, in all of their turns together.
    #[arg(long, default_value_t = 4)]
    seconds: usize,
    /// How long a turn is.
    #[arg(long, default_value_t = 2)]
    slice: usize,
}

pub async fn run(growth: Growth, output: &Output) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    let contenders = [
        Contender::Usher(Effect::Hold),
        Contender::Pgbench(Effect::Hold, Transaction::OneStatement),
    ];
    let first = on_sale(&server, &field(SEATS)).await?;
    let mut events = 1;
    let mut rows = Vec::new();
    for seats in &growth.seats {
        let wanted = seats.div_ceil(SEATS).max(events);
        let started = Instant::now();
        grow(&server, first, events, wanted).await?;
        events = wanted;
        let newest = growth.on_sale.unwrap_or(events).clamp(1, events);
        let mut supply = Supply::renewed(first, events, newest, SEATS)?;
        let took = started.elapsed().as_secs_f64();
        eprintln!("{} seats are there, after {took:.0} s", events * SEATS);
        for clients in &growth.clients {
            let times = Times {
                clients: *clients,
                seconds: growth.seconds,
                slice: growth.slice,
                rate: None,
            };
            let tokens = Tokens::new();
            rows.extend(beside::run(&server, &contenders, &mut supply, &tokens, &times).await?);
        }
        sound::check(&server).await?;
    }
    println!(
        "Each at most {} s, in turns of {} s\n",
        growth.seconds, growth.slice
    );
    Report::new("growth", &growth, rows)?.show(output)?;
    server.stop().await
}

/// Makes events, so that there are as many as wanted.
async fn grow(server: &Server, first: EventId, events: usize, wanted: usize) -> Outcome<()> {
    let made = copies(server, first, SEATS, wanted - events).await?;
    let last = made.last().map_or(first.0, |last| last.0);
    if usize::try_from(last - first.0)? + 1 < wanted {
        return Err("the numbers of the events do not follow one another".into());
    }
    settle(server).await
}
