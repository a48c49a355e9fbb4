//! How the database is used, whichever it is.

use super::reading::some_time;
use clap::Args;
use std::time::Duration;

/// How two who want the same seat are kept apart. All three answer the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Concurrency {
    /// Version checks in READ COMMITTED transactions: nobody waits before writing.
    Optimistic,
    /// The same checks, after the rows have been locked in the order of their key.
    Pessimistic,
    /// SERIALIZABLE transactions, run again when the database sends them back.
    Serializable,
}

/// How the database is used.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// How two who want the same seat are kept apart.
    #[arg(global = true, long, env = "USHER_CONCURRENCY", value_enum)]
    #[arg(default_value_t = Concurrency::Optimistic, value_name = "STRATEGY")]
    pub concurrency: Concurrency,
    /// Connections in the pool.
    #[arg(
        global = true,
        long = "database-connections",
        env = "USHER_DATABASE_CONNECTIONS"
    )]
    #[arg(default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    #[arg(value_name = "COUNT")]
    pub connections: u32,
    /// Requests that wait for a free connection at most; more are refused at once.
    #[arg(
        global = true,
        long = "database-queue",
        env = "USHER_DATABASE_QUEUE",
        id = "database_queue"
    )]
    #[arg(default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    #[arg(value_name = "COUNT")]
    pub queue: u32,
    /// How long a request waits for a free connection, or for its batch.
    #[arg(global = true, long = "database-acquire-timeout", value_name = "TIME")]
    #[arg(env = "USHER_DATABASE_ACQUIRE_TIMEOUT", default_value = "5s")]
    #[arg(value_parser = some_time)]
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    #[arg(
        global = true,
        long,
        env = "USHER_STATEMENT_TIMEOUT",
        value_name = "TIME"
    )]
    #[arg(default_value = "10s", value_parser = some_time)]
    pub statement_timeout: Duration,
    /// How long a statement waits for a row that another transaction has locked. Batches wait
    /// for 100 ms at most.
    #[arg(global = true, long, env = "USHER_LOCK_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "2s", value_parser = some_time)]
    pub lock_timeout: Duration,
    /// How long a transaction may stand idle. One that does holds the feed back.
    #[arg(
        global = true,
        long,
        env = "USHER_IDLE_TRANSACTION_TIMEOUT",
        value_name = "TIME"
    )]
    #[arg(default_value = "10s", value_parser = some_time)]
    pub idle_transaction_timeout: Duration,
}
