//! The connections of the server: how many there may be, and who is at their other ends.
//!
//! How long each may keep the server waiting is `impatient_stream`'s.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::impatient_stream::ImpatientStream;

/// How often it is logged, at most, that there are as many connections as there may be.
const BETWEEN_WARNINGS: Duration = Duration::from_mins(1);

/// How many connections there may be, and how long their clients may keep them waiting.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections that are open at the same time.
    pub connections: u32,
    /// For the whole head of a request: from the moment of the connection, or from the first
    /// byte on one that was idle.
    pub head_timeout: Duration,
    /// From the end of an answer to the next request.
    pub idle_timeout: Duration,
    /// For making room for anything more that is sent.
    pub send_timeout: Duration,
}

/// Accepts connections that are cut when their clients keep them waiting.
pub struct ImpatientListener {
    listener: TcpListener,
    limits: ConnectionLimits,
    places: Arc<Semaphore>,
    warned: Option<Instant>,
}

impl ImpatientListener {
    /// Accepts what comes in on `listener`.
    pub fn new(listener: TcpListener, limits: ConnectionLimits) -> Self {
        let places = limits.connections.try_into().unwrap_or(usize::MAX);
        Self {
            listener,
            limits,
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            warned: None,
        }
    }

    /// The next connection, as soon as there is a place for it. Until then it waits in the
    /// queue of the system, from which nobody is sent away during a short rush.
    pub async fn accept(&mut self) -> ImpatientStream {
        let place = self.place().await;
        // axum's own, which knows the errors after which it is worth going on.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Every message is written whole: none is to wait for the acknowledgement of the last.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection cannot be told to send at once");
        }
        ImpatientStream::new(
            stream,
            Client::new(address.ip().to_canonical()),
            self.limits,
            place,
        )
    }

    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Some(place);
        }
        if self
            .warned
            .is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS)
        {
            self.warned = Some(Instant::now());
            let connections = self.limits.connections;
            tracing::warn!(
                connections,
                "there are as many connections as there may be: others wait"
            );
        }
        // Fails only if it is closed, which nobody does.
        places.acquire_owned().await.ok()
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
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_waits_for_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let one_place = ConnectionLimits {
            connections: 1,
            head_timeout: LONG,
            idle_timeout: LONG,
            send_timeout: LONG,
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
