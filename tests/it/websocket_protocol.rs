//! `graphql-transport-ws`, spoken by hand against a real listener.
//!
//! This file has the documents that the tests send and the order of the protocol; its
//! folder has the limits, and the peer that speaks. Every close code and every limit is
//! provoked with raw frames, which no well-behaved client library would send. What a
//! real client sees is in `tests/node/graphql_ws.mjs`.

mod limits;
mod peer;

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use usher::http::websocket::SocketLimits;

use self::peer::{PATIENCE, PROTOCOL, Peer, SUBPROTOCOL, TOKEN, eventually};
use crate::transport_server::{TransportServer, serve};

/// A query that answers at once.
const QUERY: &str = "{ __typename }";

/// A query for the shutdown that waits for it: about 300 ms would be best.
fn slow_query(_server: &TransportServer) -> String {
    "{ slow(ms: 300) }".to_owned()
}

/// A subscription that soon sends a first event and does not end.
fn subscription(_server: &TransportServer) -> String {
    "subscription { endless(bytes: 10) }".to_owned()
}

/// A subscription that sends much: a large first event, or one after the other.
fn large_subscription(_server: &TransportServer) -> String {
    "subscription { endless(bytes: 10000) }".to_owned()
}

/// A mutation, and a query whose answer it changes. A slow one would be best.
fn mutation(_server: &TransportServer) -> String {
    "mutation { work(ms: 300) }".to_owned()
}

fn effect_of_mutation(_server: &TransportServer) -> String {
    "{ finished }".to_owned()
}

#[tokio::test]
async fn a_second_beginning_is_refused() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::ready(&server).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect_close(4429, "Too many initialisation requests")
        .await;
}

#[tokio::test]
async fn nothing_runs_before_the_acknowledgement() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::connect(&server).await;
    peer.subscribe("1", QUERY).await;
    peer.expect_close(4401, "Unauthorized").await;
}

#[tokio::test]
async fn a_bad_token_is_forbidden() {
    let server = serve(SocketLimits::default()).await;
    let bad = "Bearer not-a-token";
    for payload in [
        json!({"authorization": bad}),
        json!({"AUTHORIZATION": bad}),
        json!({"authorization": 5}),
    ] {
        let mut peer = Peer::connect(&server).await;
        peer.send(json!({"type": "connection_init", "payload": payload}))
            .await;
        peer.expect_close(4403, "Forbidden").await;
    }
    let mut peer = Peer::connect_with(&server, &[(PROTOCOL, SUBPROTOCOL), (TOKEN, bad)]).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect_close(4403, "Forbidden").await;
}

#[tokio::test]
async fn a_good_token_is_taken_from_either_place() {
    let server = serve(SocketLimits::default()).await;
    let good = server.authorization.clone();
    let mut peer = Peer::connect_with(&server, &[(PROTOCOL, SUBPROTOCOL), (TOKEN, &good)]).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect(json!({"type": "connection_ack"})).await;

    let bad = "Bearer not-a-token";
    let mut peer = Peer::connect_with(&server, &[(PROTOCOL, SUBPROTOCOL), (TOKEN, bad)]).await;
    peer.send(json!({"type": "connection_init", "payload": {"Authorization": good}}))
        .await;
    peer.expect(json!({"type": "connection_ack"})).await;
}

#[tokio::test]
async fn what_is_no_message_closes_and_says_why() {
    let server = serve(SocketLimits::default()).await;
    let long_type = format!(r#"{{"type":"{}"}}"#, "x".repeat(500));
    for (message, reason) in [
        ("{", "The message is not JSON"),
        ("[]", "The message must be an object, not an array"),
        (
            r#"{"type":"start"}"#,
            "A client sends no message of type `start`",
        ),
        (
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            "In the payload of `subscribe`, `query` must be a string, not a number",
        ),
        (&long_type, "A client sends no message of type `xxx"),
    ] {
        let mut peer = Peer::ready(&server).await;
        peer.send_raw(Message::text(message)).await;
        peer.expect_close(4400, reason).await;
    }
    let mut peer = Peer::ready(&server).await;
    peer.send_raw(Message::binary(QUERY)).await;
    peer.expect_close(4400, "Binary messages are not part of ")
        .await;
}

#[tokio::test]
async fn an_id_is_used_once_at_a_time() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::ready(&server).await;
    peer.subscribe("one", &subscription(&server)).await;
    peer.subscribe("one", QUERY).await;
    peer.expect_close(4409, "Subscriber for one already exists")
        .await;
}

#[tokio::test]
async fn another_subprotocol_is_not_acceptable() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::connect_with(&server, &[]).await;
    peer.expect_close(4406, "Subprotocol not acceptable").await;
    // A client library checks the answer and would refuse it, so this one is by hand.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let handshake = format!(
        "GET /graphql HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-ws\r\n\r\n",
        server.address
    );
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let reading = stream.read_to_end(&mut received);
    timeout(PATIENCE, reading).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&received);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(
        !text.to_lowercase().contains("sec-websocket-protocol"),
        "{text}"
    );
    assert!(text.contains("Subprotocol not acceptable"), "{text}");
}

#[tokio::test]
async fn bytes_that_break_websocket_itself_have_their_codes() {
    let server = serve(SocketLimits {
        max_message_bytes: 1_000,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&server).await;
    peer.send(json!({"type": "ping", "payload": {"fill": "x".repeat(900)}}))
        .await;
    assert_eq!(peer.next().await["type"], "pong");
    peer.send(json!({"type": "ping", "payload": {"fill": "x".repeat(1_000)}}))
        .await;
    peer.expect_close(1009, "Message too large").await;

    // Unmasked, as a client must not: a violation of the framing.
    let mut peer = Peer::ready(&server).await;
    peer.write_bytes(&[0x81, 0x02, b'{', b'}']).await;
    peer.expect_close(1002, "WebSocket protocol error").await;

    // Masked with zeros, and not UTF-8.
    let mut peer = Peer::ready(&server).await;
    peer.write_bytes(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe])
        .await;
    peer.expect_close(1007, "Text must be UTF-8").await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::connect(&server).await;
    peer.send(json!({"type": "ping"})).await;
    peer.expect(json!({"type": "pong"})).await;
    peer.send(json!({"type": "ping", "payload": {"at": 1}}))
        .await;
    peer.expect(json!({"type": "pong", "payload": {"at": 1}}))
        .await;
    peer.send(json!({"type": "pong", "payload": null})).await;
    peer.expect_alive().await;
}

#[tokio::test]
async fn what_cannot_run_is_an_error_and_not_a_result() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::ready(&server).await;
    for (document, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ noSuchFieldAnywhere }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { noSuchFieldAnywhere }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { a: __typename b: __typename }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "query A { __typename } query B { __typename }",
            "OPERATION_NOT_FOUND",
        ),
    ] {
        peer.subscribe("1", document).await;
        let error = peer.next().await;
        assert_eq!(error["type"], "error", "{error}");
        assert_eq!(error["id"], "1");
        assert_eq!(error["payload"][0]["extensions"]["code"], code, "{error}");
    }
    peer.expect_alive().await;
}

#[tokio::test]
async fn complete_stops_a_subscription() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::ready(&server).await;
    peer.subscribe("1", &subscription(&server)).await;
    assert_eq!(peer.next().await["type"], "next");
    peer.send(json!({"type": "complete", "id": "1"})).await;
    // Unknown by now, and no fault: both sides may end an operation at once.
    peer.send(json!({"type": "complete", "id": "1"})).await;
    peer.send(json!({"type": "ping"})).await;
    peer.messages_until_pong().await;
    let silence = timeout(Duration::from_millis(300), peer.socket.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test]
async fn a_close_is_answered() {
    let server = serve(SocketLimits::default()).await;
    let mut peer = Peer::ready(&server).await;
    peer.subscribe("1", &subscription(&server)).await;
    peer.socket.close(None).await.unwrap();
    while let Some(received) = timeout(PATIENCE, peer.socket.next()).await.unwrap() {
        received.unwrap();
    }
    eventually("the socket is forgotten", async || {
        server.tracker.is_empty()
    })
    .await;
}
