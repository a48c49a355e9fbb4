//! Runs the operation of one stream, and hands on what it answers.
//!
//! It owns the order of events, the sign of life in between, and how a stream ends. It
//! must never hold an event that the queue has no room for.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::parser::types::OperationType;
use async_graphql::{Name, ServerError};
use chrono::Utc;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{StreamLimits, events};
use crate::http::enveloped::Enveloped;
use crate::http::execution::NoAnswer;
use crate::http::graphql_answer::WrittenAnswer;
use crate::http::graphql_endpoint::GraphqlState;
use crate::http::graphql_request::Operation;
use crate::http::listener::Client;
use crate::http::moments::{moment_of, until};
use crate::http::observe::{milliseconds, readable};
use crate::limits::{OpenSocket, RunningSubscription};

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The operation came to its own end, and the client is told so.
    Completed,
    /// The operation broke, and the client is told so.
    Failed,
    /// The server stops. The client is told nothing: it is to come back.
    ServerStopped,
    /// The client's token is not believed any more. The client is told nothing: it is to come
    /// back with another one, or to be told then.
    TokenEnded,
    /// The client is gone, or wants no more.
    ClientLeft,
    /// The client took nothing for too long.
    NotReading,
}

impl Ending {
    /// The reason in the metrics.
    fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::ServerStopped => "server_stopped",
            Self::TokenEnded => "token_ended",
            Self::ClientLeft => "client_left",
            Self::NotReading => "not_reading",
        }
    }
}

/// Why no more answers can be handed on.
enum Broken {
    /// Nobody takes events any more.
    QueueClosed,
    /// There is no answer.
    Operation(NoAnswer),
}

/// What feeds one stream.
pub struct Feeder {
    /// The operation, or why there is none; taken when it begins.
    operation: Option<Result<Operation, ServerError>>,
    kind: Option<OperationType>,
    name: Option<Name>,
    began: Instant,
    queue: mpsc::Sender<Enveloped>,
    client: Client,
    /// That of the stream among all that are open.
    _place: OpenSocket,
    /// That of a subscription among all of its caller's.
    _subscription: Option<RunningSubscription>,
    keep_alive: Duration,
    /// The code of the first error that the client was told.
    first_error: Option<String>,
    ending: Ending,
}

/// However it ends; also when the server is in too much of a hurry to wait for it.
impl Drop for Feeder {
    fn drop(&mut self) {
        metrics::counter!("usher_event_streams_closed_total", "reason" => self.ending.label())
            .increment(1);
        metrics::gauge!("usher_event_streams").decrement(1.0);
        // The words of an operation on a WebSocket, so that one search finds both.
        tracing::info!(
            operation = self.kind.map(tracing::field::display),
            operation_name = self.name.as_deref().map(readable),
            error_code = self.first_error.as_deref().map(readable),
            elapsed_ms = milliseconds(self.began.elapsed()),
            "ended"
        );
    }
}

impl Feeder {
    /// Feeds `queue` with what the operation answers, or with why there is none.
    pub fn new(
        mut operation: Result<Operation, ServerError>,
        queue: mpsc::Sender<Enveloped>,
        client: Client,
        place: OpenSocket,
        limits: &StreamLimits,
    ) -> Self {
        metrics::gauge!("usher_event_streams").increment(1.0);
        let subscription = operation.as_mut().ok().and_then(|known| known.place.take());
        let known = operation.as_ref().ok();
        Self {
            kind: known.map(|operation| operation.kind),
            name: known.and_then(|operation| operation.name.clone()),
            operation: Some(operation),
            began: Instant::now(),
            queue,
            client,
            _place: place,
            _subscription: subscription,
            keep_alive: limits.keep_alive.max(Duration::from_millis(1)),
            first_error: None,
            ending: Ending::ServerStopped,
        }
    }

    /// Runs until the last event is handed on or nobody is there to take one.
    pub async fn run(mut self, state: GraphqlState) {
        let Some(operation) = self.operation.take() else {
            return;
        };
        // Queries and mutations come to their end, although the server stops.
        let stopping = match self.kind {
            Some(OperationType::Subscription) => state.shutdown.clone(),
            _ => CancellationToken::new(),
        };
        let expires_at = operation.as_ref().ok().and_then(|known| known.expires_at);
        let expiry = expires_at.and_then(|at| moment_of(at, Utc::now()));
        let answers = match operation {
            Ok(operation) => answers(&state, operation),
            // The protocol wants it inside a stream: of any other answer a browser's
            // `EventSource` would tell no more than that it failed.
            Err(error) => {
                stream::once(async { Ok(Arc::new(WrittenAnswer::refused(error))) }).boxed()
            }
        };
        let is_watched = self.kind == Some(OperationType::Subscription);
        let ending = tokio::select! {
            ending = self.feed(answers, &stopping) => ending,
            () = stopping.cancelled() => Ending::ServerStopped,
            () = state.draining.clone().time_to_go(), if is_watched => Ending::ServerStopped,
            () = until(expiry), if is_watched => Ending::TokenEnded,
        };
        self.ending = ending;
    }

    async fn feed(
        &mut self,
        answers: impl Stream<Item = Result<Arc<WrittenAnswer>, Broken>>,
        stopping: &CancellationToken,
    ) -> Ending {
        // A resolver that panics must cost its operation, not leave the client waiting.
        let handed_on = AssertUnwindSafe(self.hand_on(answers)).catch_unwind().await;
        let ended = match handed_on {
            // What is watched may end with the server. A `complete` would tell the client
            // that there is nothing to come back for.
            Ok(Ok(())) if stopping.is_cancelled() => return Ending::ServerStopped,
            Ok(Ok(())) => self.complete().await.map(|()| Ending::Completed),
            Ok(Err(Broken::QueueClosed)) => Err(Broken::QueueClosed),
            Ok(Err(Broken::Operation(none))) => self.fail(none).await.map(|()| Ending::Failed),
            Err(_) => self.fail(NoAnswer::Broken).await.map(|()| Ending::Failed),
        };
        match ended {
            Ok(ending) => ending,
            Err(Broken::Operation(_)) => Ending::Failed,
            Err(Broken::QueueClosed) if self.client.has_stalled() => Ending::NotReading,
            Err(Broken::QueueClosed) => Ending::ClientLeft,
        }
    }

    async fn hand_on(
        &mut self,
        answers: impl Stream<Item = Result<Arc<WrittenAnswer>, Broken>>,
    ) -> Result<(), Broken> {
        // Some browsers do not tell a page of an answer before they see some of its body.
        self.send(|| events::KEEP_ALIVE).await?;
        let mut answers = pin!(answers);
        loop {
            let answer = tokio::select! {
                biased;
                () = self.queue.closed() => return Err(Broken::QueueClosed),
                answer = answers.next() => answer,
                () = sleep(self.keep_alive) => {
                    // Where there is no room, there is something else to be sent.
                    let _ = self.queue.try_send(events::KEEP_ALIVE);
                    continue;
                }
            };
            let Some(written) = answer.transpose()? else {
                return Ok(());
            };
            let answer = &written.answer;
            if self.first_error.is_none() {
                self.first_error = answer.first_error_code().map(str::to_owned);
            }
            self.send(|| events::next(&written)).await?;
            if !answer.was_executed() {
                return Ok(());
            }
        }
    }

    async fn complete(&self) -> Result<(), Broken> {
        self.send(|| events::COMPLETE).await
    }

    async fn fail(&mut self, none: NoAnswer) -> Result<(), Broken> {
        let answer = WrittenAnswer::refused(none.error());
        self.first_error = Some(none.code().name().to_owned());
        self.send(|| events::next(&answer)).await?;
        self.complete().await
    }

    // Waits for space first and writes the event then: what waits is one answer.
    async fn send(&self, write: impl FnOnce() -> Enveloped) -> Result<(), Broken> {
        let space = self.queue.reserve().await;
        space.map_err(|_| Broken::QueueClosed)?.send(write());
        Ok(())
    }
}

/// What an operation answers, one after the other: the one place in which the operation of
/// a stream meets the schema.
fn answers(
    state: &GraphqlState,
    operation: Operation,
) -> BoxStream<'static, Result<Arc<WrittenAnswer>, Broken>> {
    match operation.kind {
        OperationType::Subscription => state.subscribe(operation).map(Ok).boxed(),
        // Whoever leaves, as over plain HTTP.
        OperationType::Query | OperationType::Mutation => {
            let state = state.clone();
            let answer = async move {
                let answered = state.execute(operation, WrittenAnswer::new).await;
                answered.map(Arc::new).map_err(Broken::Operation)
            };
            stream::once(answer).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RateLimitSettings;
    use crate::limits::OpenSockets;
    use async_graphql::{Response, Value};
    use axum::body::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn feeder(queue: mpsc::Sender<Enveloped>) -> Feeder {
        let nothing = Err(ServerError::new("not looked at", None));
        let sockets = OpenSockets::new(&RateLimitSettings::off());
        let place = sockets.open(Client::default().address()).unwrap();
        let limits = StreamLimits::default();
        Feeder::new(nothing, queue, Client::default(), place, &limits)
    }

    fn answer() -> Arc<WrittenAnswer> {
        Arc::new(WrittenAnswer::new(Response::new(Value::from(1))))
    }

    fn text(bytes: Bytes) -> String {
        String::from_utf8(bytes.into()).unwrap()
    }

    async fn texts(mut events: mpsc::Receiver<Enveloped>) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(event) = events.recv().await {
            texts.extend(event.pieces(usize::MAX).map(text));
        }
        texts
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_end() {
        let (queue, events) = mpsc::channel(4);
        let answers = stream::iter(0..2).map(|number| {
            assert_eq!(number, 0, "a resolver breaks");
            Ok(answer())
        });
        let feeding = async {
            let running = CancellationToken::new();
            feeder(queue).feed(answers, &running).await
        };
        let (ending, texts) = tokio::join!(feeding, texts(events));
        assert_eq!(ending, Ending::Failed);
        assert_eq!(texts[..2], [":\n\n", "event: next\ndata: {\"data\":1}\n\n"]);
        assert!(texts[2].starts_with("event: next\ndata: {\"errors\":["));
        assert!(texts[2].contains("INTERNAL_SERVER_ERROR"), "{texts:?}");
        assert_eq!(texts[3..], ["event: complete\ndata: \n\n"]);
    }

    #[tokio::test]
    async fn who_takes_nothing_has_nothing_made() {
        let (queue, events) = mpsc::channel(3);
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let answers = stream::repeat_with(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(answer())
        });
        let feeding = tokio::spawn(async move {
            let running = CancellationToken::new();
            feeder(queue).feed(answers, &running).await
        });
        // A task that could go on would do so in one of many turns.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        // A comment and two answers wait, and one has no room.
        assert_eq!(made.load(Ordering::Relaxed), 3);
        assert!(!feeding.is_finished());
        drop(events);
        assert_eq!(feeding.await.unwrap(), Ending::ClientLeft);
    }

    #[tokio::test]
    async fn an_end_that_comes_with_the_servers_is_not_told() {
        let (queue, events) = mpsc::channel(4);
        let stopping = CancellationToken::new();
        stopping.cancel();
        let feeding = async {
            feeder(queue)
                .feed(stream::iter([Ok(answer())]), &stopping)
                .await
        };
        let (ending, texts) = tokio::join!(feeding, texts(events));
        assert_eq!(ending, Ending::ServerStopped);
        assert_eq!(texts.len(), 2, "{texts:?}");
    }
}
