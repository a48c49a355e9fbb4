//! What usher does under load, beside what its database does alone.
//!
//! ```text
//! cargo bench --bench load -- hold --clients 64 --seconds 12
//! cargo bench --bench load -- hold --clients 64 --rate 4000
//! cargo bench --bench load -- confirm --json confirm.json
//! cargo bench --bench load -- release
//! cargo bench --bench load -- contended
//! cargo bench --bench load -- growth --seats 10000,1000000 --clients 1,64 --json growth.json
//! cargo bench --bench load -- plot growth.json growth.svg
//! cargo bench --bench load -- map --clients 8 --seconds 4 --seats 2400,60000
//! cargo bench --bench load -- strategies --clients 64 --seconds 5
//! cargo bench --bench load -- best-available
//! cargo bench --bench load -- lapse
//! cargo bench --bench load -- watch --watchers 1000 --changes 100 --seconds 20
//! cargo bench --bench load -- on-sale --watchers 1000 --rate 200
//! cargo bench --bench load -- lag --changes 5000 --seconds 10
//! cargo bench --bench load -- cold --redis
//! cargo bench --bench load -- attacks --attackers 50 --pace 10
//! ```
//!
//! Each run starts an usher of its own on a fresh data folder, with PostgreSQL
//! as durable as it is by default, and everything on this machine: figures are
//! to be read as ratios of one run.

mod attacks;
mod beside;
mod best_available;
mod calls;
mod client;
mod cold;
mod contended;
mod contender;
mod cost;
mod crowd;
mod effect;
mod event;
mod frames;
mod growth;
mod hold;
mod hostile;
mod lag;
mod lapse;
mod map;
mod on_sale;
mod page;
mod pgbench;
mod plot;
mod popularity;
mod prepared;
mod process;
mod redis;
mod report;
#[path = "../../tests/it/support/rules.rs"]
mod rules;
mod sample;
mod server;
mod slice;
mod sound;
mod statements;
mod stock;
mod strategies;
mod supply;
mod watch;

use crate::attacks::Attacks;
use crate::beside::Times;
use crate::best_available::Crowds;
use crate::cold::Cold;
use crate::effect::Effect;
use crate::growth::Growth;
use crate::lag::Lagging;
use crate::lapse::Lapsing;
use crate::map::Maps;
use crate::on_sale::Sale;
use crate::page::Output;
use crate::plot::Plot;
use crate::watch::Watched;
use clap::{Parser, Subcommand};
use std::error::Error;
use std::time::Duration;

/// What goes wrong in a bench ends it.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    load: Load,
    #[command(flatten)]
    output: Output,
    /// Given by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Load {
    /// holdSeats, one distinct seat a call, and in turns pgbench with the same transaction.
    Hold(Times),
    /// confirmHold of holds of one seat, and in turns pgbench with the same transaction.
    Confirm(Times),
    /// releaseHold of holds of one seat, and in turns pgbench with the same transaction.
    Release(Times),
    /// holdSeats where everybody wants the same seats, where nobody does, and where all are
    /// taken, in turns.
    Contended(Times),
    /// holdSeats while the database grows and with more and more clients, and in turns
    /// pgbench.
    Growth(Growth),
    /// Draws what growth has written.
    Plot(Plot),
    /// Maps and plans of halls of all sizes, as lists and compact, plain and compressed.
    Map(Maps),
    /// holdSeats under each strategy: distinct seats, and seats that everybody wants.
    Strategies(Rate),
    /// holdBestAvailable until a house is sold out.
    BestAvailable(Crowds),
    /// Ten thousand holds that lapse at the same instant.
    Lapse(Lapsing),
    /// Many watchers of one event, and a steady rate of changes.
    Watch(Watched),
    /// Many watchers of one event, and few buyers who hold, confirm and release.
    OnSale(Sale),
    /// How far the map lags behind many changes that are written past usher.
    Lag(Lagging),
    /// The first map that a fresh process answers with, with and without Redis.
    Cold(Cold),
    /// A buyer who behaves, while many do not.
    Attacks(Attacks),
}

#[derive(clap::Args, Clone, Copy, serde::Serialize)]
struct Rate {
    /// Connections that each send one request after the other.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

impl Rate {
    fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let Arguments { load, output, .. } = Arguments::parse();
    match load {
        Load::Hold(times) => hold::run(Effect::Hold, times, &output).await,
        Load::Confirm(times) => hold::run(Effect::Confirm, times, &output).await,
        Load::Release(times) => hold::run(Effect::Release, times, &output).await,
        Load::Contended(times) => contended::run(times, &output).await,
        Load::Growth(growth) => growth::run(growth, &output).await,
        Load::Plot(plot) => plot::run(&plot),
        Load::Map(maps) => map::run(maps, &output).await,
        Load::Strategies(rate) => strategies::run(rate, &output).await,
        Load::BestAvailable(crowds) => best_available::run(crowds, &output).await,
        Load::Lapse(lapsing) => lapse::run(lapsing, &output).await,
        Load::Watch(watched) => watch::run(watched, &output).await,
        Load::OnSale(sale) => on_sale::run(sale, &output).await,
        Load::Lag(lagging) => lag::run(lagging, &output).await,
        Load::Cold(cold) => cold::run(cold, &output).await,
        Load::Attacks(attacks) => attacks::run(attacks, &output).await,
    }
}
