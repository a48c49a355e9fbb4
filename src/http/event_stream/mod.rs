//! GraphQL over Server-Sent Events: the protocol of graphql-sse in its distinct
//! connections mode, one operation a stream.
//!
//! Reading order: `events` is the words of the protocol, `feeder` runs an operation and
//! hands on what it answers. This file owns the path's checks, the headers and the limits.
//! Nothing here may queue without a limit.
//!
//! ```text
//!   operation ──► feeder ──► bounded queue ──► body ──► hyper ──► client
//! ```
//!
//! A client that reads slowly fills the queue, and the feeder stops polling its operation.
//! One that reads nothing, or too little in the long run, has its connection cut
//! (`http::send_patience`), and the feeder finds its queue closed.

mod events;
mod feeder;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::client_address::ClientAddress;
use super::enveloped::Enveloped;
use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::Refusal;
use super::listener::Client;
use super::media_type::{MediaType, accepts_event_stream};
use super::rate_limits::{Receipts, admit};
use feeder::Feeder;

/// What nginx, and proxies that take after it, look at before they buffer an answer.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The longest part of an event that is handed to hyper at once, in bytes.
const LONGEST_CHUNK: usize = 16 * 1024;

/// What one event stream may use, and how long its client may keep the server waiting.
#[derive(Clone, Debug)]
pub struct StreamLimits {
    /// How long a stream is silent before it says that it is still there.
    pub keep_alive: Duration,
    /// How long a client may take nothing of what is sent to it. Then its connection is
    /// cut, whatever it had asked for.
    pub send_timeout: Duration,
    /// How many bytes a second a client takes at least, on the average, while there are more.
    /// Whoever takes less uses up that time in the long run.
    pub slowest_rate: u32,
    /// How many events may wait to be sent.
    pub outgoing_queue: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            // Proxies commonly drop a connection that was idle for 30 or 60 seconds.
            keep_alive: Duration::from_secs(15),
            // As that of a WebSocket.
            send_timeout: Duration::from_secs(30),
            // Less than the worst mobile network.
            slowest_rate: 4096,
            // hyper has a buffer of its own behind this.
            outgoing_queue: 4,
        }
    }
}

/// Answers a request with a stream of events.
pub async fn respond(State(state): State<GraphqlState>, request: Request) -> Response {
    let mut receipts = Receipts::default();
    let mut response = match open(state, request, &mut receipts).await {
        Ok(events) => event_stream(events),
        // Before the stream is open, an answer has its status and is JSON.
        Err(refusal) => refusal.into_response(MediaType::Json),
    };
    receipts.write(response.headers_mut());
    response
}

async fn open(
    state: GraphqlState,
    request: Request,
    receipts: &mut Receipts,
) -> Result<mpsc::Receiver<Enveloped>, Refusal> {
    if !accepts_event_stream(request.headers()) {
        return Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::NotAcceptable,
            "this path answers with text/event-stream, and `Accept` must name it",
        ));
    }
    if state.shutdown.is_cancelled() {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::ServiceUnavailable,
            "the server is shutting down",
        ));
    }
    let address = ClientAddress::of(&request);
    let place = state.limits.enter(address, receipts).await?;
    let client = request.extensions().get::<ConnectInfo<Client>>();
    let client = client.map(|info| info.0.clone()).unwrap_or_default();
    let mut operation = admit(&state, request, receipts).await?;
    if let Ok(operation) = &mut operation {
        state.limits.begin(address, operation)?;
    }
    let (queue, events) = mpsc::channel(state.streams.outgoing_queue.max(1));
    let feeder = Feeder::new(operation, queue, client, place, &state.streams);
    let tracker = state.tracker.clone();
    // The stream's log lines carry the id of the request that opened it.
    tracker.spawn(feeder.run(state).in_current_span());
    Ok(events)
}

fn event_stream(mut events: mpsc::Receiver<Enveloped>) -> Response {
    let events = stream::poll_fn(move |context| events.poll_recv(context));
    let chunks = events.flat_map(|event| stream::iter(event.pieces(LONGEST_CHUNK)));
    let mut response = Response::new(Body::from_stream(chunks.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
