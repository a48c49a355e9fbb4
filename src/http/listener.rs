//! The connections of the server, and what becomes of one whose client says or reads nothing.
//!
//! It owns the time that a client may say nothing at first, and leave bytes untaken. hyper
//! waits for both without a limit, asks a body for nothing more meanwhile, and so could not be
//! told by the body either that it is time to give up. It must never look at the bytes.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// Accepts connections that are cut when nothing comes on them at first, or when nothing can
/// be sent on them for a time.
pub struct ImpatientListener {
    listener: TcpListener,
    first_byte_timeout: Duration,
    send_timeout: Duration,
}

impl ImpatientListener {
    /// Accepts what comes in on `listener`.
    pub fn new(
        listener: TcpListener,
        first_byte_timeout: Duration,
        send_timeout: Duration,
    ) -> Self {
        Self {
            listener,
            first_byte_timeout,
            send_timeout,
        }
    }
}

impl Listener for ImpatientListener {
    type Io = ImpatientStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ImpatientStream, SocketAddr) {
        // axum's own, which knows the errors after which it is worth going on.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Every message is written whole: none is to wait for the acknowledgement of the last.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection cannot be told to send at once");
        }
        let stream = ImpatientStream {
            stream,
            silent_until: Some(Box::pin(sleep(self.first_byte_timeout))),
            send_timeout: self.send_timeout,
            deadline: None,
            client: Client::new(address.ip().to_canonical()),
        };
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
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

    /// Whether the connection was cut because the client took nothing for too long.
    pub fn has_stalled(&self) -> bool {
        self.has_stalled.load(Ordering::Relaxed)
    }
}

impl Connected<IncomingStream<'_, ImpatientListener>> for Client {
    fn connect_info(stream: IncomingStream<'_, ImpatientListener>) -> Self {
        stream.io().client.clone()
    }
}

/// A connection that fails when nothing comes on it at first, or when nothing can be sent on
/// it for a time.
pub struct ImpatientStream {
    stream: TcpStream,
    /// Set until something has come. From then on it is for those who read to lose patience.
    silent_until: Option<Pin<Box<Sleep>>>,
    send_timeout: Duration,
    /// Set while there is something to send and no room for it.
    deadline: Option<Pin<Box<Sleep>>>,
    client: Client,
}

impl ImpatientStream {
    fn in_time(
        &mut self,
        context: &mut Context<'_>,
        sent: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if sent.is_ready() {
            self.deadline = None;
            return sent;
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(self.send_timeout)));
        ready!(deadline.as_mut().poll(context));
        self.client.has_stalled.store(true, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ImpatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.silent_until = None;
        }
        let Some(deadline) = &mut self.silent_until else {
            return read;
        };
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for ImpatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.in_time(context, sent)
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_mins(1);

    async fn connected(
        first_byte_timeout: Duration,
        send_timeout: Duration,
    ) -> (ImpatientStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let mut listener = ImpatientListener::new(listener, first_byte_timeout, send_timeout);
        let (server, _) = listener.accept().await;
        (server, client.unwrap())
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut server, _client) = connected(LONG, Duration::from_millis(50)).await;
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
    async fn a_client_that_says_nothing_is_given_up_and_one_that_pauses_is_not() {
        let limit = Duration::from_millis(50);
        let (mut server, _client) = connected(limit, LONG).await;
        let error = timeout(LONG, server.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let (mut server, mut client) = connected(LONG, LONG).await;
        client.write_u8(1).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), 1);
        assert!(server.silent_until.is_none());
    }

    #[tokio::test]
    async fn a_client_with_nothing_to_take_is_not() {
        let (mut server, mut client) = connected(LONG, Duration::ZERO).await;
        server.write_all(b"something").await.unwrap();
        let mut taken = [0; 9];
        client.read_exact(&mut taken).await.unwrap();
        client.write_all(b"and back").await.unwrap();
        server.read_exact(&mut taken[..8]).await.unwrap();
        assert!(!server.client.has_stalled());
    }
}
