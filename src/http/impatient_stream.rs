//! A connection, and what becomes of it when its client keeps the server waiting.
//!
//! It owns the time that a client may take for the head of a request, for the next request, and
//! for what is sent to it. hyper waits for the last without a limit, asks a body for nothing more
//! meanwhile, and so could not be told by the body either that it is time to give up; and for
//! heads and for idle connections it has one clock, where they need two. It must never look at
//! the bytes.
//!
//! ```text
//!   accepted ──► head ─────────► its answer ─────────► idle ─────────► head ──► …
//!                head_timeout    no limit here; see    idle_timeout
//!                                `request_body`
//!   whenever something is to be sent and there is no room for it: see `send_patience`
//!   whenever it is idle and its place is wanted for somebody else: none (see `places`)
//! ```

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::listener::{Client, ConnectionLimits};
use super::places::Place;
use super::send_patience::SendPatience;
use super::turn::Turn;

/// What the server waits for while it is the client's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// All of the first head, of which nothing has come yet.
    FirstHead,
    /// All of a head that has begun to come.
    Head,
    /// The beginning of one more request.
    Request,
}

/// A connection that fails when its client keeps it waiting.
pub struct ImpatientStream {
    stream: TcpStream,
    client: Client,
    limits: Arc<ConnectionLimits>,
    turn: Turn,
    awaited: Awaited,
    /// Set while something is awaited.
    until: Option<Pin<Box<Sleep>>>,
    patience: SendPatience,
    _counted: OpenConnection,
    /// Given back when the connection ends, also one that has become a socket.
    place: Place,
}

impl ImpatientStream {
    /// A new connection, and the place that it takes.
    pub fn new(
        stream: TcpStream,
        client: Client,
        limits: Arc<ConnectionLimits>,
        place: Place,
    ) -> Self {
        Self {
            stream,
            patience: SendPatience::new(limits.send_timeout, limits.slowest_rate),
            client,
            limits,
            turn: Turn::default(),
            awaited: Awaited::FirstHead,
            until: None,
            _counted: OpenConnection::count(),
            place,
        }
    }

    /// Who is at the other end.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whose turn it is: to be told by who answers.
    pub fn turn(&self) -> &Turn {
        &self.turn
    }

    fn sent_in_time(
        &mut self,
        context: &mut Context<'_>,
        sent: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(sent) = sent {
            self.patience.sent(*sent.as_ref().unwrap_or(&0));
            return Poll::Ready(sent);
        }
        ready!(self.patience.poll_over(context));
        self.client.stalls();
        cut("not_reading")
    }

    fn received_in_time(
        &mut self,
        context: &mut Context<'_>,
        received: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        // hyper takes an answer for done when the last of it is in its buffer: whoever still
        // takes it is not idle.
        if self.turn.is_servers() || self.patience.is_tried() {
            self.until = None;
            self.awaited = Awaited::Request;
            self.place.is_busy();
            return received;
        }
        if received.is_ready() {
            if self.awaited == Awaited::Request {
                self.until = None;
            }
            self.awaited = Awaited::Head;
            self.place.is_busy();
            return received;
        }
        let (limit, reason) = match self.awaited {
            Awaited::FirstHead | Awaited::Head => (self.limits.head_timeout, "slow_head"),
            Awaited::Request => (self.limits.idle_timeout, "idle"),
        };
        if self.awaited != Awaited::Head && self.place.poll_asked_to_go(context).is_ready() {
            return cut("displaced");
        }
        let deadline = self.until.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(deadline.as_mut().poll(context));
        cut(reason)
    }
}

/// The end of a connection that its client has kept waiting, or others need.
fn cut<T>(reason: &'static str) -> Poll<io::Result<T>> {
    tracing::debug!(reason, "a connection is cut");
    metrics::counter!("usher_http_connections_cut_total", "reason" => reason).increment(1);
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for ImpatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let received = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.received_in_time(context, received)
    }
}

impl AsyncWrite for ImpatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent_in_time(context, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.sent_in_time(context, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Counts a connection in the metrics for as long as it lives.
struct OpenConnection;

impl OpenConnection {
    fn count() -> Self {
        metrics::gauge!("usher_http_connections").increment(1.0);
        Self
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!("usher_http_connections").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrustedProxies;
    use crate::http::listener::ImpatientListener;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_millis(50);

    fn patient() -> ConnectionLimits {
        ConnectionLimits {
            connections: 1,
            per_address: 1,
            trusted_proxies: TrustedProxies::default(),
            head_timeout: LONG,
            idle_timeout: LONG,
            send_timeout: LONG,
            slowest_rate: 1,
        }
    }

    async fn connected(limits: ConnectionLimits) -> (ImpatientStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let mut listener = ImpatientListener::new(listener, limits);
        (listener.accept().await, client.unwrap())
    }

    async fn is_given_up(server: &mut ImpatientStream) {
        let error = timeout(LONG, server.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let limits = ConnectionLimits {
            send_timeout: SHORT,
            ..patient()
        };
        let (mut server, _client) = connected(limits).await;
        let known = server.client.clone();
        let bytes = vec![0; 65_536];
        let sending = async {
            loop {
                if let Err(error) = server.write_all(&bytes).await {
                    return error;
                }
            }
        };
        let error = timeout(LONG, sending).await.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(known.has_stalled());
    }

    #[tokio::test]
    async fn a_client_with_nothing_to_take_is_not() {
        let limits = ConnectionLimits {
            send_timeout: Duration::ZERO,
            ..patient()
        };
        let (mut server, mut client) = connected(limits).await;
        server.write_all(b"something").await.unwrap();
        let mut taken = [0; 9];
        client.read_exact(&mut taken).await.unwrap();
        client.write_all(b"and back").await.unwrap();
        server.read_exact(&mut taken[..8]).await.unwrap();
        assert!(!server.client().has_stalled());
    }

    #[tokio::test]
    async fn a_head_is_waited_for_once_and_not_byte_by_byte() {
        let limits = ConnectionLimits {
            head_timeout: SHORT,
            ..patient()
        };
        let (mut silent, _client) = connected(limits.clone()).await;
        is_given_up(&mut silent).await;

        let (mut server, mut client) = connected(limits).await;
        let dripping = tokio::spawn(async move {
            let mut pace = tokio::time::interval(SHORT / 10);
            while client.write_u8(1).await.is_ok() {
                pace.tick().await;
            }
        });
        let reading = async { while server.read_u8().await.is_ok() {} };
        timeout(LONG, reading).await.unwrap();
        dripping.abort();
    }

    #[tokio::test]
    async fn whoever_is_answered_may_be_silent_and_then_idle_for_a_time() {
        let limits = ConnectionLimits {
            head_timeout: SHORT,
            ..patient()
        };
        let (mut server, mut client) = connected(limits).await;
        client.write_u8(1).await.unwrap();
        server.read_u8().await.unwrap();
        let answering = server.turn.begin();
        let silent = timeout(4 * SHORT, server.read_u8()).await;
        assert!(silent.is_err(), "{silent:?}");
        drop(answering);
        let idle = timeout(4 * SHORT, server.read_u8()).await;
        assert!(idle.is_err(), "{idle:?}");
        // But the next head has its time as well.
        client.write_u8(1).await.unwrap();
        server.read_u8().await.unwrap();
        is_given_up(&mut server).await;

        let limits = ConnectionLimits {
            idle_timeout: SHORT,
            ..patient()
        };
        let (mut server, mut client) = connected(limits).await;
        client.write_u8(1).await.unwrap();
        server.read_u8().await.unwrap();
        let answering = server.turn.begin();
        client.write_u8(1).await.unwrap();
        server.read_u8().await.unwrap();
        drop(answering);
        is_given_up(&mut server).await;
    }
}
