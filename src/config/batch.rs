//! How commands share transactions.

use clap::Args;

const LANES: u32 = 2;
const SIZE: u32 = 256;
const QUEUE: u32 = 10_000;

/// How commands share transactions.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Batches")]
pub struct BatchSettings {
    /// Batches that run at the same time, of different events. Never more than half of the
    /// connections.
    #[arg(global = true, long = "batch-lanes", env = "USHER_BATCH_LANES")]
    #[arg(default_value_t = LANES, value_parser = clap::value_parser!(u32).range(1..=64), value_name = "COUNT")]
    pub lanes: u32,
    /// Mutations that share a transaction at most; fewer when they are about very many seats.
    #[arg(global = true, long = "batch-size", env = "USHER_BATCH_SIZE")]
    #[arg(default_value_t = SIZE, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "COUNT")]
    pub size: u32,
    /// Mutations that wait for their batch at most; more are refused at once.
    #[arg(global = true, long = "batch-queue", env = "USHER_BATCH_QUEUE")]
    #[arg(default_value_t = QUEUE, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub queue: u32,
}

/// As without flags and variables.
impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            lanes: LANES,
            size: SIZE,
            queue: QUEUE,
        }
    }
}
