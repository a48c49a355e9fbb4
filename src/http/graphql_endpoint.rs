//! The paths of GraphQL: what their handlers share, and which of them gets a request.
//!
//! It owns the state of the GraphQL transports and the choice between them. It must never
//! read a body or a document; that is the work of [`graphql_over_http`], [`websocket`] and
//! [`event_stream`].

use async_graphql::Response as GraphqlResponse;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use futures_util::Stream;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body_room::BodyRoom;
use super::documents::Documents;
use super::draining::Draining;
use super::event_stream::StreamLimits;
use super::execution::{self, NoAnswer};
use super::graphql_answer::WrittenAnswer;
use super::graphql_request::Operation;
use super::rate_limits::RateLimits;
use super::websocket::SocketLimits;
use super::{event_stream, graphql_over_http, websocket};
use crate::auth::Authenticator;
use crate::db::Database;
use crate::graphql::{Subscriber, UsherSchema, Watching};

/// The path of queries, mutations and subscriptions.
pub const GRAPHQL_PATH: &str = "/graphql";

/// The path of the same, answered with a stream of events.
const EVENT_STREAM_PATH: &str = "/graphql/stream";

/// What every GraphQL transport needs to run an operation.
#[derive(Clone)]
pub struct GraphqlState {
    /// Executes the operations.
    pub schema: UsherSchema,
    /// Executes the subscriptions.
    pub watching: Watching<WrittenAnswer>,
    /// Reads documents, and limits what they ask for.
    pub documents: Documents,
    /// Turns a bearer token into a caller.
    pub authenticator: Authenticator,
    /// What it is asked with whether there is room for more.
    pub database: Database,
    /// How much one caller may ask.
    pub limits: RateLimits,
    /// What one WebSocket connection may use.
    pub sockets: SocketLimits,
    /// What one event stream may use.
    pub streams: StreamLimits,
    /// How long a client may pause within a body.
    pub request_timeout: Duration,
    /// What all bodies may take while they are read.
    pub bodies: BodyRoom,
    /// Begun when the server is to stop, and is still serving.
    pub draining: Draining,
    /// Cancelled once, when the server stops.
    pub shutdown: CancellationToken,
    /// Counts the mutations, sockets and event streams that the server waits for before it exits.
    pub tracker: TaskTracker,
}

impl GraphqlState {
    /// Runs a query or a mutation to its end, in a task of its own, and hands its response to
    /// `finish` there. The client is answered without it when that takes too long.
    ///
    /// # Errors
    /// When it broke, or took too long.
    pub async fn execute<Finished: Send + 'static>(
        &self,
        operation: Operation,
        finish: impl FnOnce(GraphqlResponse) -> Finished + Send + 'static,
    ) -> Result<Finished, NoAnswer> {
        let longest = self.documents.settings().operation_timeout;
        let (limits, bill) = (self.limits.clone(), operation.bill.clone());
        let finish = move |response| {
            limits.settle(&bill);
            finish(response)
        };
        execution::execute(&self.schema, &self.tracker, longest, operation, finish).await
    }

    /// The answers to a subscription, for as long as anybody reads them; whoever does that
    /// has taken its place.
    pub fn subscribe(
        &self,
        operation: Operation,
    ) -> impl Stream<Item = Arc<WrittenAnswer>> + Send + use<> {
        self.watching.subscribe(Subscriber {
            caller: operation.caller,
            request: operation.request,
            shown: operation.bill.shown,
            pace: operation.pace,
        })
    }
}

/// The routes of GraphQL, with their state in them.
pub fn routes<Outer>(state: GraphqlState) -> Router<Outer>
where
    Outer: Clone + Send + Sync + 'static,
{
    Router::new()
        .route(GRAPHQL_PATH, any(dispatch))
        .route(EVENT_STREAM_PATH, any(event_stream::respond))
        .with_state(state)
}

// One route for all methods: a WebSocket handshake is a GET too, and axum's own
// `get` would run queries for HEAD.
async fn dispatch(State(state): State<GraphqlState>, request: Request) -> Response {
    if websocket::is_handshake(&request) {
        websocket::upgrade(state, request).await
    } else {
        graphql_over_http::respond(state, request).await
    }
}
