//! What usher does under load, beside what its database does alone.
//!
//! ```text
//! cargo bench --bench load -- hold --clients 64 --seconds 10
//! cargo bench --bench load -- map --clients 16
//! ```
//!
//! Each run starts an usher of its own on a fresh data folder, with PostgreSQL
//! as durable as it is by default, and everything on this machine: figures are
//! to be read as ratios of one run.

mod client;
mod hold;
mod map;
mod report;
mod server;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::time::Duration;

/// What goes wrong in a bench ends it.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    load: Load,
    /// Given by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Load {
    /// holdSeats, one distinct seat a call; then pgbench with the same transaction.
    Hold(Rate),
    /// Event.seatMap of the 2,400-seat hall, plain and compressed.
    Map(Rate),
}

#[derive(clap::Args, Clone, Copy)]
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
    match Arguments::parse().load {
        Load::Hold(rate) => hold::run(rate).await,
        Load::Map(rate) => map::run(rate).await,
    }
}
