//! The life of one socket, from the handshake to the last byte.
//!
//! It owns the order of the protocol, the clocks that watch the peer, and the way a
//! connection ends. It must never hold a message that the queue has no room for, and
//! never wait for the peer beyond a limit.
//!
//! One task, two halves side by side: `Reader` and `write_messages`. Each is polled when it
//! was woken itself, because most wakes are for the writer alone. The first to end says
//! why, and that decides the farewell. The peer is asked for a sign of life with
//! WebSocket's own ping frames: browsers and libraries answer them without the page's
//! help, also in a tab that sleeps, and no client sees a message it did not expect.

use std::io::ErrorKind;
use std::pin::pin;
use std::time::Duration;

use async_graphql::ServerError;
use axum::body::Bytes;
use chrono::Utc;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::close_reason::CloseReason;
use super::ending::{Ending, Sink, Stream};
use super::open_connection::OpenConnection;
use super::operations::{Operations, Outgoing};
use super::protocol::{self, ClientMessage, InvalidMessage};
use super::{Handshake, SocketLimits, WebSocket, frames};
use crate::auth::{AuthenticationError, Identity};
use crate::http::credential;
use crate::http::graphql_endpoint::GraphqlState;
use crate::http::graphql_errors::{ErrorCode, coded, overloaded};
use crate::http::graphql_request::{Operation, Parameters};
use crate::http::moments::{moment_of, until};
use crate::http::rate_limits::{Receipts, TooMuch, UNBEGUN, is_too_much};
use crate::limits::{LimitKey, MessageBudget};
use crate::model::Caller;

/// How long queries and mutations may go on when the server stops, or the token has ended.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How long a peer may take to agree to a close.
const FAREWELL_TIME: Duration = Duration::from_secs(2);

/// Why a connection ends whose token does.
const EXPIRED: CloseReason = CloseReason::Forbidden(AuthenticationError::Expired);

/// Serves one socket until it is closed.
pub async fn serve(socket: WebSocket, handshake: Handshake, state: GraphqlState) {
    let _counted = OpenConnection::count();
    let (mut sink, mut stream) = socket.split();
    let ending = if handshake.speaks_graphql {
        converse(&mut sink, &mut stream, state, handshake).await
    } else {
        Ending::Close(CloseReason::SubprotocolNotAcceptable)
    };
    tracing::debug!(?ending, "a WebSocket ends");
    metrics::counter!("usher_websocket_closed_total", "code" => ending.label()).increment(1);
    // A peer that holds out is cut off: both halves are dropped, and the TCP
    // connection with them.
    let _ = timeout(FAREWELL_TIME, ending.take_leave(&mut sink, &mut stream)).await;
}

async fn converse(
    sink: &mut Sink,
    stream: &mut Stream,
    state: GraphqlState,
    handshake: Handshake,
) -> Ending {
    let limits = state.sockets.clone();
    let places = limits.outgoing_queue.clamp(1, Semaphore::MAX_PERMITS);
    let (queue, messages) = mpsc::channel(places);
    let ping_sent = Notify::new();
    let reader = Reader {
        operations: Operations::new(state.clone(), queue.clone()),
        messages: state.limits.messages_of_a_socket(),
        state,
        handshake,
        queue,
        identity: None,
        expiry: None,
        farewell: None,
    };
    let mut halves = FuturesUnordered::<BoxFuture<'_, Ending>>::new();
    halves.push(Box::pin(reader.run(stream, &ping_sent)));
    halves.push(Box::pin(write_messages(
        sink, messages, &ping_sent, &limits,
    )));
    let ending = halves.next().await.unwrap_or(Ending::Gone);
    if matches!(ending, Ending::Close(CloseReason::ShuttingDown | EXPIRED)) {
        // The reader is gone and its operations are done, so that the queue ends when
        // their last words are sent.
        let _ = timeout(FAREWELL_TIME, halves.next()).await;
    }
    ending
}

/// Sends what the queue holds, and the pings, until the peer makes no room any more.
async fn write_messages(
    sink: &mut Sink,
    mut messages: mpsc::Receiver<Outgoing>,
    ping_sent: &Notify,
    limits: &SocketLimits,
) -> Ending {
    // The timer panics without a period, and beyond the end of time.
    let period = limits
        .ping_interval
        .clamp(Duration::from_millis(1), Duration::from_hours(24));
    let mut pings = interval_at(Instant::now() + period, period);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.recv() => {
                // The reader has ended, and knows why.
                let Some(message) = message else { return Ending::Gone };
                // One flush for a burst; a message that nobody wanted may have ended it.
                let is_last = messages.is_empty();
                if let Err(ending) = write(sink, message, is_last, limits).await {
                    return ending;
                }
            }
            _ = pings.tick() => {
                let ping = Message::Ping(Bytes::new());
                if let Err(ending) = in_time(limits, sink.send(ping)).await {
                    return ending;
                }
                ping_sent.notify_one();
            }
        }
    }
}

// Whoever takes a little of each in time has the patience of the connection.
async fn write(
    sink: &mut Sink,
    message: Outgoing,
    is_last: bool,
    limits: &SocketLimits,
) -> Result<(), Ending> {
    for frame in message.into_wanted().into_iter().flat_map(frames::of_text) {
        in_time(limits, sink.feed(frame)).await?;
    }
    if is_last {
        in_time(limits, sink.flush()).await?;
    }
    Ok(())
}

async fn in_time(
    limits: &SocketLimits,
    sent: impl Future<Output = Result<(), Error>>,
) -> Result<(), Ending> {
    match timeout(limits.send_timeout, sent).await {
        Ok(Ok(())) => Ok(()),
        // The connection itself has run out of patience.
        Ok(Err(Error::Io(error))) if error.kind() == ErrorKind::TimedOut => Err(Ending::NotReading),
        Ok(Err(_)) => Err(Ending::Gone),
        Err(_) => Err(Ending::NotReading),
    }
}

/// Takes the peer's messages one by one and does what they say.
struct Reader {
    state: GraphqlState,
    handshake: Handshake,
    /// What the peer may still say.
    messages: MessageBudget,
    queue: mpsc::Sender<Outgoing>,
    operations: Operations,
    /// Known since `connection_init` was acknowledged.
    identity: Option<Identity>,
    /// When that is not believed any more.
    expiry: Option<Instant>,
    /// Why nothing more is started, once the connection is about to end.
    farewell: Option<CloseReason>,
}

impl Reader {
    async fn run(mut self, stream: &mut Stream, ping_sent: &Notify) -> Ending {
        let limits = self.state.sockets.clone();
        let mut init_time = pin!(sleep(limits.init_timeout));
        let mut time_to_go = pin!(self.state.draining.clone().time_to_go());
        let mut silent_until: Option<Instant> = None;
        loop {
            // The order matters: a ping is noted before the pong that answers it, what
            // has arrived counts before the silence does, and a flood of messages
            // cannot hide the other clocks.
            tokio::select! {
                biased;
                () = ping_sent.notified() => {
                    let deadline = Instant::now().checked_add(limits.pong_timeout);
                    silent_until = silent_until.or(deadline);
                }
                () = self.state.shutdown.cancelled() => {
                    return self.drain(stream, CloseReason::ShuttingDown).await;
                }
                () = &mut time_to_go => {
                    return self.drain(stream, CloseReason::ShuttingDown).await;
                }
                () = until(self.expiry) => return self.drain(stream, EXPIRED).await,
                () = &mut init_time, if self.identity.is_none() => {
                    return Ending::Close(CloseReason::InitialisationTimeout);
                }
                message = stream.next() => {
                    silent_until = None;
                    if let Err(ending) = self.receive(message).await {
                        return ending;
                    }
                }
                () = until(silent_until) => return Ending::Silent,
            }
        }
    }

    // Starts nothing more, lets queries and mutations come to their end, and goes on
    // listening meanwhile: a peer may leave, or ask for a pong.
    async fn drain(mut self, stream: &mut Stream, farewell: CloseReason) -> Ending {
        self.farewell = Some(farewell.clone());
        self.operations.stop_subscriptions();
        let drained = async {
            loop {
                tokio::select! {
                    biased;
                    () = self.operations.finished() => return None,
                    message = stream.next() => {
                        if let Err(ending) = self.receive(message).await {
                            return Some(ending);
                        }
                    }
                }
            }
        };
        match timeout(DRAIN_TIME, drained).await {
            Ok(Some(ending)) => ending,
            Ok(None) | Err(_) => Ending::Close(farewell),
        }
    }

    async fn receive(&mut self, message: Option<Result<Message, Error>>) -> Result<(), Ending> {
        let message = match message {
            None => return Err(Ending::Gone),
            Some(Err(error)) => return Err(Ending::of_read_error(&error)),
            Some(Ok(message)) => message,
        };
        // Pings and what is no message of the protocol among them.
        if !self.messages.take() {
            return Err(Ending::Close(CloseReason::TooManyMessages));
        }
        match message {
            Message::Text(text) => self.handle(&text).await,
            Message::Binary(_) => Err(Ending::Close(InvalidMessage::Binary.into())),
            // The library answers pings; a pong was only a sign of life.
            // Frames are only written.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
            Message::Close(frame) => {
                let no_code = 1005;
                Err(Ending::PeerClosed(
                    frame.map_or(no_code, |frame| frame.code.into()),
                ))
            }
        }
    }

    async fn handle(&mut self, text: &str) -> Result<(), Ending> {
        let message =
            ClientMessage::parse(text).map_err(|invalid| Ending::Close(invalid.into()))?;
        match message {
            ClientMessage::ConnectionInit(payload) => {
                if self.identity.is_some() {
                    return Err(Ending::Close(CloseReason::TooManyInitialisations));
                }
                let header = self.handshake.authorization.as_deref();
                let credential = credential::of_connection(&payload, header);
                let now = Utc::now();
                let identity = match self.state.authenticator.authenticate(credential, now) {
                    Ok(identity) => identity,
                    Err(why) => {
                        let (address, limits) = (self.handshake.address, &self.state.limits);
                        // The socket is closed in any case.
                        let _ = limits
                            .turn_away(address, why, &mut Receipts::default())
                            .await;
                        return Err(Ending::Close(CloseReason::Forbidden(why)));
                    }
                };
                self.expiry = identity.expires_at.and_then(|at| moment_of(at, now));
                self.identity = Some(identity);
                self.say(Outgoing::of_connection(protocol::connection_ack()))
                    .await
            }
            ClientMessage::Ping(payload) => {
                self.say(Outgoing::of_connection(protocol::pong(payload.as_ref())))
                    .await
            }
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, parameters } => self.subscribe(id, parameters).await,
            ClientMessage::Complete { id } => {
                self.operations.cancel(&id);
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, id: String, parameters: Parameters) -> Result<(), Ending> {
        let Some(Identity { caller, .. }) = self.identity.clone() else {
            let turned_away = self.state.limits.turned_away();
            turned_away.note(
                self.handshake.address,
                "an operation before connection_init",
            );
            return Err(Ending::Close(CloseReason::Unauthorized));
        };
        if self.operations.contains(&id) {
            return Err(Ending::Close(CloseReason::SubscriberExists(id)));
        }
        let error = match self.start(&id, parameters, caller).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        self.say(Outgoing::of_connection(protocol::error(&id, &[error])))
            .await
    }

    async fn start(
        &mut self,
        id: &str,
        parameters: Parameters,
        caller: Caller,
    ) -> Result<(), ServerError> {
        let (address, turned_away) = (self.handshake.address, self.state.limits.turned_away());
        match &self.farewell {
            Some(CloseReason::Forbidden(why)) => {
                let offence = "an operation on a socket whose token has ended";
                turned_away.note_of(&caller, address, offence);
                return Err(coded(ErrorCode::Unauthenticated, why.to_string()));
            }
            Some(_) => {
                let message = "the server is shutting down";
                return Err(coded(ErrorCode::ServiceUnavailable, message));
            }
            None => {}
        }
        // A message has no headers.
        let mut receipts = Receipts::default();
        let limits = &self.state.limits;
        let key = LimitKey::of(&caller, address.0);
        limits
            .refuse_who_goes_on(&key, &mut receipts)
            .map_err(TooMuch::into_error)?;
        let documents = &self.state.documents;
        let prepared = Operation::prepare(documents, parameters, caller.clone());
        let operation = prepared.as_ref().ok();
        if operation.is_some_and(|operation| is_too_much(&self.state, operation.kind)) {
            let charged = limits.charge_read(&key, UNBEGUN, &mut receipts);
            charged.await.map_err(TooMuch::into_error)?;
            return Err(overloaded());
        }
        let charged = limits.charge(&key, operation, &mut receipts).await;
        charged.map_err(TooMuch::into_error)?;
        let mut operation = prepared.inspect_err(|error| {
            if let Some(offence) = documents.offence(error) {
                turned_away.note_of(&caller, address, offence);
            }
        })?;
        self.state.limits.begin(address, &mut operation)?;
        self.operations
            .start(id, operation)
            .map_err(|too_many| coded(ErrorCode::TooManySubscriptions, too_many.to_string()))
    }

    // Waiting for space here stops reading: who floods the server with requests, and
    // does not read the answers, is not listened to until it does. Only a server that
    // stops, or a token that ends, does not wait: there is a goodbye to say.
    async fn say(&self, message: Outgoing) -> Result<(), Ending> {
        tokio::select! {
            biased;
            sent = self.queue.send(message) => sent.map_err(|_| Ending::Gone),
            () = self.state.shutdown.cancelled(), if self.farewell.is_none() => Ok(()),
            () = until(self.expiry), if self.farewell.is_none() => Ok(()),
        }
    }
}
