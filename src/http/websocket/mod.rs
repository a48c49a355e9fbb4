//! GraphQL over WebSocket: the subprotocol `graphql-transport-ws`.
//!
//! Reading order: `protocol` is the words of the protocol, `connection` the life of one
//! socket, `open_connection` its count, `operations` what runs on it, `frames` how its messages are
//! cut, `close_reason` and `ending` its farewell. This file owns the handshake and the limits.
//! Nothing here may wait for a peer without a limit, or queue without one.
//!
//! ```text
//!            peer ──► reader ──► operations ──► bounded queue ──► writer ──► peer
//!                       └───────── acks, pongs, errors ────┘
//! ```
//!
//! A peer that reads slowly fills its queue, and its operations wait for space: they
//! stop polling their streams. A peer that reads nothing, or too little in the long run, is cut
//! off (`http::send_patience`).

mod close_reason;
mod connection;
mod ending;
mod frames;
mod open_connection;
mod operations;
mod protocol;

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::{Instrument, Span};

use super::client_address::ClientAddress;
use super::credential::authorization;
use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::refuse;
use super::header_list::listed;
use super::media_type::MediaType;
use super::rate_limits::Receipts;
use protocol::SUBPROTOCOL;

/// What the buffers of one socket begin with. The library's own 128 KiB for each
/// direction would cost a gigabyte for four thousand idle watchers.
const READ_BUFFER: usize = 4 * 1024;
const WRITE_BUFFER: usize = 8 * 1024;
/// Pongs come on top of the frame that is on its way, one for each ping of a peer that pings
/// and does not read. Those that have no room are left out, but for the last.
const MAX_WRITE_BUFFER: usize = 64 * 1024;

/// The version of the protocol that is spoken.
const VERSION: HeaderValue = HeaderValue::from_static("13");

type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// What one WebSocket connection may use, and how long it may keep the server waiting.
#[derive(Clone, Debug)]
pub struct SocketLimits {
    /// How long a peer may take to send `connection_init`.
    pub init_timeout: Duration,
    /// How often the peer is asked whether it is still there.
    pub ping_interval: Duration,
    /// How long it may stay silent after it was asked.
    pub pong_timeout: Duration,
    /// How long the peer may take to make room for anything more.
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

/// What the handshake of a socket has said.
struct Handshake {
    /// Whether it has agreed on the subprotocol.
    speaks_graphql: bool,
    /// Its `Authorization` header.
    authorization: Option<String>,
    address: ClientAddress,
}

/// Whether the request asks for a WebSocket.
pub fn is_handshake(request: &Request) -> bool {
    request.method() == Method::GET
        && listed(request.headers(), UPGRADE)
            .any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Answers a handshake and serves the socket until it closes.
pub async fn upgrade(state: GraphqlState, mut request: Request) -> Response {
    if state.shutdown.is_cancelled() {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::ServiceUnavailable,
            "the server is shutting down",
        );
    }
    let address = ClientAddress::of(&request);
    let mut receipts = Receipts::default();
    let place = match state.limits.enter(address, &mut receipts).await {
        Ok(place) => place,
        Err(refusal) => {
            let mut response = refusal.into_response(MediaType::Json);
            receipts.write(response.headers_mut());
            return response;
        }
    };
    let mut response = match create_response_with_body(&request, Body::empty) {
        Ok(response) => response,
        Err(error) => return refuse_handshake(&error),
    };
    let speaks_graphql =
        listed(request.headers(), SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == SUBPROTOCOL);
    if speaks_graphql {
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    let authorization = authorization(request.headers()).map(str::to_owned);
    let upgrade = hyper::upgrade::on(&mut request);
    // Taken now, not when the socket is there, so that a server that begins to stop in
    // between still waits for it.
    let tracked = state.tracker.token();
    let serving = async move {
        if let Some(socket) = open(upgrade, state.sockets.max_message_bytes).await {
            let handshake = Handshake {
                speaks_graphql,
                authorization,
                address,
            };
            connection::serve(socket, handshake, state).await;
        }
        drop((place, tracked));
    };
    // The socket's log lines carry the id of the request that opened it.
    tokio::spawn(serving.instrument(Span::current()));
    response
}

async fn open(upgrade: OnUpgrade, max_message_bytes: usize) -> Option<WebSocket> {
    let connection = match upgrade.await {
        Ok(connection) => TokioIo::new(connection),
        Err(error) => {
            tracing::debug!(%error, "a client left before its WebSocket was open");
            return None;
        }
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(max_message_bytes))
        .max_frame_size(Some(max_message_bytes));
    Some(WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await)
}

fn refuse_handshake(error: &Error) -> Response {
    let message = error.to_string();
    if !matches!(
        error,
        Error::Protocol(ProtocolError::MissingSecWebSocketVersionHeader)
    ) {
        return refuse(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message);
    }
    // RFC 6455, section 4.4, and RFC 9110, section 15.5.22: whoever speaks another version
    // learns of this one.
    let mut response = refuse(StatusCode::UPGRADE_REQUIRED, ErrorCode::BadRequest, message);
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response
}
