//! The operations that run on one connection.
//!
//! It owns their ids, their number, their tasks and their last words. It must never
//! read from the socket or write to it: results go into the connection's queue, and an
//! operation waits there for space before it asks its stream for more.
//!
//! An id is free and a slot empty again *before* the operation's last message enters the
//! queue. A client that has read the message can use both at once.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_graphql::Name;
use async_graphql::parser::types::OperationType;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::protocol;
use crate::http::enveloped::Enveloped;
use crate::http::execution::NoAnswer;
use crate::http::graphql_answer::Answer;
use crate::http::graphql_endpoint::GraphqlState;
use crate::http::graphql_request::Operation;
use crate::http::observe::{milliseconds, readable};
use crate::limits::RunningSubscription;

/// A message that waits to be sent, as the text it will be on the wire.
pub struct Outgoing {
    text: Enveloped,
    /// Cancelled when the peer no longer wants the operation that this belongs to.
    unwanted: Option<Arc<CancellationToken>>,
}

impl Outgoing {
    /// A message of the connection itself.
    pub fn of_connection(text: Enveloped) -> Self {
        Self {
            text,
            unwanted: None,
        }
    }

    /// The text to send, unless the peer has said meanwhile that it does not want it.
    /// It may have used the id again, and must not get old results under it.
    pub fn into_wanted(self) -> Option<Enveloped> {
        let is_unwanted = self
            .unwanted
            .is_some_and(|unwanted| unwanted.is_cancelled());
        (!is_unwanted).then_some(self.text)
    }
}

/// The connection runs as many operations as it may.
#[derive(Debug, thiserror::Error)]
#[error("this connection runs as many operations as it may")]
pub struct TooManyOperations;

/// All operations of one connection. They are cancelled when this is dropped, except
/// for mutations, which run to their end.
pub struct Operations {
    state: GraphqlState,
    queue: mpsc::Sender<Outgoing>,
    slots: Arc<Semaphore>,
    running: Arc<RunningOperations>,
    tasks: TaskTracker,
    connection_open: DropGuard,
    started: u64,
}

impl Operations {
    /// None yet; their results will go into `queue`.
    pub fn new(state: GraphqlState, queue: mpsc::Sender<Outgoing>) -> Self {
        let slots = state.sockets.max_operations.min(Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            running: Arc::default(),
            tasks: TaskTracker::new(),
            connection_open: CancellationToken::new().drop_guard(),
            started: 0,
            state,
            queue,
        }
    }

    /// Whether an operation of this id is running.
    pub fn contains(&self, id: &str) -> bool {
        self.running.lock().contains_key(id)
    }

    /// Starts an operation under an id that is not running.
    pub fn start(&mut self, id: &str, mut operation: Operation) -> Result<(), TooManyOperations> {
        let slot = Slot::take(&self.slots).ok_or(TooManyOperations)?;
        // Who wants no more of a subscription has its place back at once. Other work goes on.
        let (kept, slot) = match operation.kind {
            OperationType::Subscription => (Some(slot), None),
            OperationType::Query | OperationType::Mutation => (None, Some(slot)),
        };
        let cancelled = Arc::new(CancellationToken::new());
        let connection_closed = self.connection_open.token().clone();
        self.started += 1;
        let entry = RunningOperation {
            serial: self.started,
            kind: operation.kind,
            cancelled: Arc::clone(&cancelled),
            _slot: kept,
            _place: operation.place.take(),
        };
        self.running.lock().insert(id.to_owned(), entry);

        let mut task = OperationTask {
            id: id.to_owned(),
            serial: self.started,
            kind: operation.kind,
            name: operation.name.clone(),
            began: Instant::now(),
            cancelled: Arc::clone(&cancelled),
            running: Arc::clone(&self.running),
            queue: self.queue.clone(),
            slot,
            first_error: None,
        };
        let state = self.state.clone();
        let work = async move {
            // Two tokens, because messages look at the first: the end of the connection's
            // reader must not spoil the last words that are still in the queue.
            // Boxed: an operation's future is large, and most of them end early.
            let run = cancelled.run_until_cancelled(Box::pin(task.run(&state, operation)));
            connection_closed.run_until_cancelled(run).await;
        };
        self.tasks.spawn(work.in_current_span());
        Ok(())
    }

    /// Stops an operation because the peer wants no more of it. An unknown id is
    /// normal: the operation's end and this wish can cross on the way.
    pub fn cancel(&self, id: &str) {
        if let Some(entry) = self.running.lock().remove(id) {
            entry.cancelled.cancel();
        }
    }

    /// Ends the subscriptions without a word to the peer, and leaves the rest running.
    pub fn stop_subscriptions(&self) {
        self.running.lock().retain(|_, entry| {
            let is_subscription = entry.kind == OperationType::Subscription;
            if is_subscription {
                entry.cancelled.cancel();
            }
            !is_subscription
        });
    }

    /// Waits until nothing runs; nothing may be started any more.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// One of the connection's places for an operation, and its count in the metrics.
struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    fn take(slots: &Arc<Semaphore>) -> Option<Self> {
        let permit = Arc::clone(slots).try_acquire_owned().ok()?;
        metrics::gauge!("usher_websocket_operations").increment(1.0);
        Some(Self { _permit: permit })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::gauge!("usher_websocket_operations").decrement(1.0);
    }
}

#[derive(Default)]
struct RunningOperations(Mutex<HashMap<String, RunningOperation>>);

struct RunningOperation {
    /// Tells an operation from a later one of the same id.
    serial: u64,
    kind: OperationType,
    cancelled: Arc<CancellationToken>,
    /// That of a subscription.
    _slot: Option<Slot>,
    /// That of a subscription among all of its caller's.
    _place: Option<RunningSubscription>,
}

impl RunningOperations {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, RunningOperation>> {
        // Nothing panics while it holds the lock, and a map is whole in any case.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, id: &str, serial: u64) {
        let mut running = self.lock();
        if running.get(id).is_some_and(|entry| entry.serial == serial) {
            running.remove(id);
        }
    }
}

/// The queue was closed under an operation: its connection is gone.
struct ConnectionGone;

struct OperationTask {
    id: String,
    serial: u64,
    kind: OperationType,
    name: Option<Name>,
    began: Instant,
    cancelled: Arc<CancellationToken>,
    running: Arc<RunningOperations>,
    queue: mpsc::Sender<Outgoing>,
    /// That of a query or mutation; empty while its work holds it, and after the last message.
    slot: Option<Slot>,
    /// The code of the first error that the peer was told.
    first_error: Option<String>,
}

/// However it ends: answered, cancelled by its peer, or left with its connection.
impl Drop for OperationTask {
    fn drop(&mut self) {
        // The words of the request's own line, so that one search finds both.
        tracing::info!(
            operation_id = readable(&self.id),
            operation = %self.kind,
            operation_name = self.name.as_deref().map(readable),
            error_code = self.first_error.as_deref().map(readable),
            elapsed_ms = milliseconds(self.began.elapsed()),
            "ended"
        );
    }
}

impl OperationTask {
    async fn run(&mut self, state: &GraphqlState, operation: Operation) {
        // A resolver that panics must cost its operation, not leave the peer waiting.
        let outcome = AssertUnwindSafe(self.execute(state, operation))
            .catch_unwind()
            .await;
        // A closed queue needs no care: nobody is left to be told.
        let _ = match outcome {
            Ok(outcome) => outcome,
            Err(_) => self.finish_without(NoAnswer::Broken).await,
        };
    }

    async fn execute(
        &mut self,
        state: &GraphqlState,
        operation: Operation,
    ) -> Result<(), ConnectionGone> {
        match operation.kind {
            OperationType::Query | OperationType::Mutation => self.answer(state, operation).await,
            OperationType::Subscription => self.stream(state, operation).await,
        }
    }

    // The work keeps the slot while it runs, even if the peer has cancelled it:
    // otherwise the cap could be passed by cancelling.
    async fn answer(
        &mut self,
        state: &GraphqlState,
        operation: Operation,
    ) -> Result<(), ConnectionGone> {
        let slot = self.slot.take();
        let finish = move |response| (Answer::new(response), slot);
        match state.execute(operation, finish).await {
            Ok((answer, slot)) => {
                self.slot = slot;
                self.note_error(&answer);
                self.finish_with(&answer).await
            }
            Err(none) => self.finish_without(none).await,
        }
    }

    async fn stream(
        &mut self,
        state: &GraphqlState,
        operation: Operation,
    ) -> Result<(), ConnectionGone> {
        let next = protocol::Next::of(&self.id);
        let mut answers = pin!(state.subscribe(operation));
        while let Some(written) = answers.next().await {
            let answer = &written.answer;
            self.note_error(answer);
            if !answer.was_executed() {
                return self.finish(|id| protocol::error(id, answer.errors())).await;
            }
            self.send(|_| next.with(&written)).await?;
        }
        // When the server stops, its streams may end before the socket does. A
        // `complete` would tell the peer that there is nothing to come back for.
        if state.shutdown.is_cancelled() {
            return Ok(());
        }
        self.finish(protocol::complete).await
    }

    async fn finish_with(&mut self, answer: &Answer) -> Result<(), ConnectionGone> {
        if answer.was_executed() {
            self.send(|id| protocol::next(id, answer)).await?;
            self.finish(protocol::complete).await
        } else {
            self.finish(|id| protocol::error(id, answer.errors())).await
        }
    }

    async fn finish_without(&mut self, none: NoAnswer) -> Result<(), ConnectionGone> {
        self.first_error = Some(none.code().name().to_owned());
        self.finish(|id| protocol::error(id, &[none.error()])).await
    }

    fn note_error(&mut self, answer: &Answer) {
        if self.first_error.is_none() {
            self.first_error = answer.first_error_code().map(str::to_owned);
        }
    }

    // Waits for space first and writes the JSON then: what waits is one value, and
    // the peer's `complete` can still spare the work.
    async fn send(&self, write: impl FnOnce(&str) -> Enveloped) -> Result<(), ConnectionGone> {
        let space = self.queue.reserve().await.map_err(|_| ConnectionGone)?;
        space.send(self.outgoing(write(&self.id)));
        Ok(())
    }

    async fn finish(
        &mut self,
        write: impl FnOnce(&str) -> Enveloped,
    ) -> Result<(), ConnectionGone> {
        let space = self.queue.reserve().await.map_err(|_| ConnectionGone)?;
        self.running.forget(&self.id, self.serial);
        self.slot = None;
        space.send(self.outgoing(write(&self.id)));
        Ok(())
    }

    fn outgoing(&self, text: Enveloped) -> Outgoing {
        Outgoing {
            text,
            unwanted: Some(Arc::clone(&self.cancelled)),
        }
    }
}
