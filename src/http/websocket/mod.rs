//! GraphQL over WebSocket: the subprotocol `graphql-transport-ws`.
//!
//! Reading order: `protocol` is the words of the protocol, `connection` the life of one
//! socket, `operations` what runs on it, `ending` its farewell. This file owns the
//! handshake and the limits. Nothing here may wait for a peer without a limit, or queue
//! without one.
//!
//! ```text
//!            peer ──► reader ──► operations ──► bounded queue ──► writer ──► peer
//!                       └───────── acks, pongs, errors ────┘
//! ```
//!
//! A peer that reads slowly fills its queue, and its operations wait for space: they
//! stop polling their streams. A peer that does not read at all is cut off.

mod connection;
mod ending;
mod operations;
mod protocol;

use std::time::Duration;

use axum::extract::{FromRequestParts, Request, WebSocketUpgrade};
use axum::http::header::UPGRADE;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use tracing::{Instrument, Span};

use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::refuse;
use super::graphql_http_request::authorization;

/// What the buffers of one socket begin with. The library's own 128 KiB for each
/// direction would cost a gigabyte for four thousand idle watchers.
const READ_BUFFER: usize = 4 * 1024;
const WRITE_BUFFER: usize = 16 * 1024;

/// What one WebSocket connection may use, and how long it may keep the server waiting.
#[derive(Clone, Debug)]
pub struct SocketLimits {
    /// How long a peer may take to send `connection_init`.
    pub init_timeout: Duration,
    /// How often the peer is asked whether it is still there.
    pub ping_interval: Duration,
    /// How long it may stay silent after it was asked.
    pub pong_timeout: Duration,
    /// How long the peer may take to make room for one message.
    pub send_timeout: Duration,
    /// How many operations may run at once.
    pub max_operations: usize,
    /// How many messages may wait to be sent.
    pub outgoing_queue: usize,
    /// How large a message from the peer may be.
    pub max_message_bytes: usize,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(10),
            // Proxies commonly drop a connection that was idle for 30 or 60 seconds.
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(20),
            // A large seat map takes its time on a bad mobile network.
            send_timeout: Duration::from_secs(30),
            max_operations: 100,
            outgoing_queue: 32,
            max_message_bytes: 256 * 1024,
        }
    }
}

/// Whether the request asks for a WebSocket.
pub fn is_handshake(request: &Request) -> bool {
    request.method() == Method::GET
        && request
            .headers()
            .get_all(UPGRADE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// Answers a handshake and serves the socket until it closes.
pub async fn upgrade(state: GraphqlState, request: Request) -> Response {
    if state.shutdown.is_cancelled() {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::ServiceUnavailable,
            "the server is shutting down",
        );
    }
    let (mut parts, _) = request.into_parts();
    let authorization = authorization(&parts.headers).map(str::to_owned);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return refuse(
                rejection.status(),
                ErrorCode::BadRequest,
                rejection.body_text(),
            );
        }
    };
    // Taken now, not when the socket is there, so that a server that begins to stop in
    // between still waits for it.
    let tracked = state.tracker.token();
    let span = Span::current();
    upgrade
        .protocols([protocol::SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(state.sockets.max_message_bytes)
        .max_frame_size(state.sockets.max_message_bytes)
        .on_upgrade(move |socket| {
            // The socket's log lines carry the id of the request that opened it.
            async move {
                connection::serve(socket, state, authorization).await;
                drop(tracked);
            }
            .instrument(span)
        })
}
