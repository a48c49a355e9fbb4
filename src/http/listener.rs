//! The connections of the server: how many there may be, and who is at their other ends.
//!
//! How long each may keep the server waiting is `impatient_stream`'s.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};

use super::impatient_stream::ImpatientStream;
use super::places::Places;
use crate::config::TrustedProxies;

/// What somebody is told whose address has as many connections as it may, whatever the request
/// would be.
const REFUSAL: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\nretry-after: 1\r\n\
    content-type: text/plain\r\ncontent-length: 67\r\n\r\n\
    too many connections are open from this address: close some first\r\n";

/// How many connections there may be, and how long their clients may keep them waiting.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Connections that are open at the same time.
    pub connections: u32,
    /// Those of them that come from one address.
    pub per_address: u32,
    /// Whose addresses have many clients behind them, and no limit of their own.
    pub trusted_proxies: TrustedProxies,
    /// For the whole head of a request: from the moment of the connection, or from the first
    /// byte on one that was idle.
    pub head_timeout: Duration,
    /// From the end of an answer to the next request.
    pub idle_timeout: Duration,
    /// For making room for what is sent, all in all; see `send_patience`.
    pub send_timeout: Duration,
    /// The bytes a second by which it is earned back.
    pub slowest_rate: u32,
}

/// Accepts connections that are cut when their clients keep them waiting.
pub struct ImpatientListener {
    listener: TcpListener,
    limits: Arc<ConnectionLimits>,
    places: Places,
}

impl ImpatientListener {
    /// Accepts what comes in on `listener`.
    pub fn new(listener: TcpListener, limits: ConnectionLimits) -> Self {
        let proxies = limits.trusted_proxies.clone();
        Self {
            listener,
            places: Places::new(limits.connections, limits.per_address, proxies),
            limits: Arc::new(limits),
        }
    }

    /// The next connection, as soon as there is a place for it. Until then those after it wait in
    /// the queue of the system, from which nobody is sent away during a short rush.
    pub async fn accept(&mut self) -> ImpatientStream {
        loop {
            // axum's own, which knows the errors after which it is worth going on.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let address = address.ip().to_canonical();
            let Some(share) = self.places.share(address) else {
                refuse(stream);
                continue;
            };
            let place = self.places.place(share).await;
            // Every message is written whole: none is to wait for the acknowledgement of the last.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection cannot be told to send at once");
            }
            let limits = Arc::clone(&self.limits);
            return ImpatientStream::new(stream, Client::new(address), limits, place);
        }
    }
}

/// Says why, if that can be done at once: whoever has too many is not to be waited for.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        // A new connection has room for it, and nothing is lost if it does not.
        let _ = stream.write(REFUSAL);
    }
}

/// What a handler can learn of the client at the other end, by the extension
/// `ConnectInfo<Client>`.
#[derive(Clone, Debug)]
pub struct Client {
    address: IpAddr,
    has_stalled: Arc<AtomicBool>,
}

/// One that nothing is known of: its request came by no connection.
impl Default for Client {
    fn default() -> Self {
        Self::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl Client {
    /// A client at this address, which has taken everything so far.
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            has_stalled: Arc::default(),
        }
    }

    /// Where the connection comes from: a proxy, if there is one in front.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The client takes nothing, and its connection is cut.
    pub fn stalls(&self) {
        self.has_stalled.store(true, Ordering::Relaxed);
    }

    /// Whether the connection was cut because the client took nothing for too long.
    pub fn has_stalled(&self) -> bool {
        self.has_stalled.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_refusal_is_as_long_as_it_says() {
        let text = str::from_utf8(REFUSAL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = format!("content-length: {}", body.len());
        assert!(head.lines().any(|line| line == length), "{length}");
    }

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_waits_for_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let one_place = ConnectionLimits {
            connections: 1,
            per_address: 10,
            trusted_proxies: TrustedProxies::default(),
            head_timeout: LONG,
            idle_timeout: LONG,
            send_timeout: LONG,
            slowest_rate: 1,
        };
        let _clients = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let mut listener = ImpatientListener::new(listener, one_place);
        let first = listener.accept().await;
        let second = tokio::spawn(async move { listener.accept().await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        timeout(LONG, second).await.unwrap().unwrap();
    }
}
