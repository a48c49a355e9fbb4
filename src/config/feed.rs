//! How live maps are kept.

use super::reading::some_time;
use clap::Args;
use std::time::Duration;

/// How live maps are kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Live maps")]
pub struct FeedSettings {
    /// Seats of all maps in memory together, at up to 8 bytes each, and up to 40 KiB for each
    /// map beside them. Maps that nobody watches make room for others.
    #[arg(global = true, long = "live-map-seats", env = "USHER_LIVE_MAP_SEATS")]
    #[arg(default_value_t = 4_000_000, value_name = "COUNT")]
    pub max_seats: usize,
    /// How long a map stays in memory that nobody watches or asks for.
    #[arg(
        global = true,
        long = "live-map-idle-time",
        env = "USHER_LIVE_MAP_IDLE_TIME"
    )]
    #[arg(default_value = "1m", value_parser = some_time, value_name = "TIME")]
    pub idle_time: Duration,
    /// How long a request waits for the change that a cursor stands for.
    #[arg(global = true, long = "cursor-timeout", env = "USHER_CURSOR_TIMEOUT")]
    #[arg(default_value = "2s", value_parser = some_time, value_name = "TIME")]
    pub cursor_timeout: Duration,
    /// How long a request without a cursor waits for what this process itself has
    /// changed; then it is answered all the same.
    #[arg(
        global = true,
        long = "own-changes-wait",
        env = "USHER_OWN_CHANGES_WAIT"
    )]
    #[arg(default_value = "100ms", value_parser = some_time, value_name = "TIME")]
    pub own_changes_wait: Duration,
}
