//! Which pages may use the API, how long a client may take, and how many there may be.

mod origins;

pub use origins::{AllowedOrigins, NotAnOrigin, Origin};

use std::time::Duration;

use clap::Args;

use super::reading::some_time;

const MAX_CONNECTIONS: u32 = 16_000;
const CONNECTIONS_PER_ADDRESS: u32 = 1_000;
const MAX_BODIES_BYTES: u32 = 256 * 1024 * 1024;
/// As large as one body of staff.
const LEAST_BODIES_BYTES: i64 = 64 * 1024 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Which pages may use the API, how long a client may take, and how many there may be.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Web")]
pub struct WebSettings {
    /// Origins of the pages that may use the API beside usher's own, such as
    /// `https://shop.example.org`, with commas between; `*` for all.
    #[arg(global = true, long, env = "USHER_ALLOWED_ORIGINS")]
    #[arg(default_value = "", hide_default_value = true, value_name = "ORIGINS")]
    pub allowed_origins: AllowedOrigins,
    /// Connections that are open at the same time at most, sockets and streams among them.
    /// Idle ones are closed for others, and where there is none, these wait to be accepted.
    #[arg(global = true, long, env = "USHER_MAX_CONNECTIONS")]
    #[arg(default_value_t = MAX_CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub max_connections: u32,
    /// Those of them that may come from one address, unless it is a trusted proxy's.
    #[arg(global = true, long, env = "USHER_CONNECTIONS_PER_ADDRESS")]
    #[arg(default_value_t = CONNECTIONS_PER_ADDRESS, value_parser = clap::value_parser!(u32).range(1..), value_name = "COUNT")]
    pub connections_per_address: u32,
    /// Bytes of all bodies that are being read at the same time, but for the first 16 KiB of
    /// each. Requests with larger bodies are refused when there is no room.
    #[arg(global = true, long, env = "USHER_MAX_BODIES_BYTES")]
    #[arg(default_value_t = MAX_BODIES_BYTES, value_parser = clap::value_parser!(u32).range(LEAST_BODIES_BYTES..), value_name = "BYTES")]
    pub max_bodies_bytes: u32,
    /// How long a client may take for the head of a request, and pause within the body.
    #[arg(global = true, long, env = "USHER_REQUEST_TIMEOUT")]
    #[arg(default_value = "10s", value_parser = some_time, value_name = "TIME")]
    pub request_timeout: Duration,
    /// How long a connection may be idle between two requests. Longer than the proxy before
    /// usher keeps one.
    #[arg(global = true, long, env = "USHER_IDLE_TIMEOUT")]
    #[arg(default_value = "75s", value_parser = some_time, value_name = "TIME")]
    pub idle_timeout: Duration,
}

/// As without flags and variables.
impl Default for WebSettings {
    fn default() -> Self {
        Self {
            allowed_origins: AllowedOrigins::default(),
            max_connections: MAX_CONNECTIONS,
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            max_bodies_bytes: MAX_BODIES_BYTES,
            request_timeout: REQUEST_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        web: WebSettings,
    }

    #[test]
    fn the_defaults_are_those_of_the_command_line() {
        let without_flags = CommandLine::parse_from(["usher"]);
        assert_eq!(without_flags.web, WebSettings::default());
    }
}
