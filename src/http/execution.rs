//! The running of queries and mutations, whichever transport they came by: to the end, but not
//! for ever.
//!
//! It owns the time that a client waits, and what it is told when that is over. It must never
//! cut a mutation half-way: its client is answered, and it goes on. A query whose client was
//! answered takes no further connection ([`Deadline`]); the statement that it is at is bounded
//! by the database's timeouts.

use std::time::{Duration, Instant};

use async_graphql::parser::types::OperationType;
use async_graphql::{Response, ServerError};
use axum::http::StatusCode;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::graphql_errors::{ErrorCode, coded};
use super::graphql_request::Operation;
use crate::graphql::{Deadline, UsherSchema};

/// Why an operation has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It broke.
    Broken,
    /// A query took too long.
    QueryTimedOut,
    /// A mutation took too long, and goes on.
    MutationTimedOut,
}

impl NoAnswer {
    /// What its client is told.
    pub fn error(self) -> ServerError {
        coded(self.code(), self.message())
    }

    /// The code of that.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Broken => ErrorCode::InternalServerError,
            Self::QueryTimedOut | Self::MutationTimedOut => ErrorCode::OperationTimeout,
        }
    }

    /// The status of a response that says it.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::QueryTimedOut | Self::MutationTimedOut => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The text of that.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Broken => "the server failed to run the operation",
            Self::QueryTimedOut => {
                "the query took too long and was given up: try again, and ask for less"
            }
            Self::MutationTimedOut => {
                "the mutation takes too long to wait for; it goes on and may be done: ask \
                 again under the same idempotencyKey to learn what became of it"
            }
        }
    }
}

/// Runs a query or a mutation, and hands its response to `finish`, in a task of its own. It is
/// waited for as long as `longest` says.
///
/// # Errors
/// When it broke, or took longer.
pub async fn execute<Finished: Send + 'static>(
    schema: &UsherSchema,
    tracker: &TaskTracker,
    longest: Duration,
    operation: Operation,
    finish: impl FnOnce(Response) -> Finished + Send + 'static,
) -> Result<Finished, NoAnswer> {
    let Operation {
        kind,
        name,
        mut request,
        ..
    } = operation;
    let is_mutation = kind == OperationType::Mutation;
    if let Some(deadline) = Instant::now().checked_add(longest).filter(|_| !is_mutation) {
        request = request.data(Deadline(deadline));
    }
    let schema = schema.clone();
    let work = async move { finish(schema.execute(request).await) };
    if let Ok(finished) = timeout(longest, run_to_the_end(tracker, work)).await {
        return finished.ok_or(NoAnswer::Broken);
    }
    tracing::warn!(
        operation = %kind,
        operation_name = name.as_deref().map(super::observe::readable),
        ?longest,
        "an operation takes too long, and its client is answered without it"
    );
    metrics::counter!("usher_operation_timeouts_total", "operation" => kind.to_string())
        .increment(1);
    Err(if is_mutation {
        NoAnswer::MutationTimedOut
    } else {
        NoAnswer::QueryTimedOut
    })
}

/// Runs `work` to its end, even if nobody waits for the answer any more.
///
/// The future of a handler is dropped when its client leaves. That must not leave a
/// transaction half way, nor a statement running on a connection that goes back to the
/// pool; the database's timeouts bound how long it goes on. `None` means that `work`
/// panicked.
pub async fn run_to_the_end<Work>(tracker: &TaskTracker, work: Work) -> Option<Work::Output>
where
    Work: Future<Output: Send + 'static> + Send + 'static,
{
    match tracker.spawn(work.in_current_span()).await {
        Ok(output) => Some(output),
        Err(error) => {
            tracing::error!(%error, "an operation did not come to its end");
            None
        }
    }
}
