//! How the server listens and stops.

use super::reading::{some_time, switch, time_or_none};
use clap::Args;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// How the server listens and stops.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(global = true, long, env = "USHER_LISTEN", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8080", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Load the demo halls into an empty database, which has no venue, no plan and
    /// no event. The private PostgreSQL gets them anyway; one that `DATABASE_URL`
    /// names gets them only when asked.
    #[arg(global = true, long, env = "USHER_DEMO")]
    #[arg(value_parser = switch)]
    pub demo: bool,
    /// Leave an empty private PostgreSQL empty.
    #[arg(global = true, long, env = "USHER_NO_DEMO")]
    #[arg(value_parser = switch)]
    pub no_demo: bool,
    /// How long everything is still served when the server is told to stop, while
    /// /readyz says that it drains. Behind a load balancer: twice the time in which
    /// that takes a server out. Sockets are closed in the second half.
    #[arg(global = true, long, env = "USHER_DRAIN_DELAY", value_name = "TIME")]
    #[arg(default_value = "0s", value_parser = time_or_none)]
    pub drain_delay: Duration,
    /// How long running work may take to finish when the server is stopped.
    #[arg(
        global = true,
        long,
        env = "USHER_SHUTDOWN_TIMEOUT",
        value_name = "TIME"
    )]
    #[arg(default_value = "10s", value_parser = some_time)]
    pub shutdown_timeout: Duration,
}

/// An address and port; a host's name is looked up.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let found = text
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| "give an address and a port, such as 127.0.0.1:8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_address_may_have_a_host_name_but_needs_a_port() {
        assert_eq!(listen_address("[::1]:80").unwrap().port(), 80);
        assert!(listen_address("localhost:8080").unwrap().ip().is_loopback());
        for bad in ["8080", "127.0.0.1", "", "127.0.0.1:65536"] {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }
}
