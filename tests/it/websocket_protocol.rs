//! `graphql-transport-ws`, spoken by hand against a real listener.
//!
//! This file has the order of the protocol and its close codes; its folder has
//! the limits, and what becomes of work when a peer leaves or the server stops.
//! Everything is provoked with raw frames, which no well-behaved client library
//! would send. What a real client sees is in `graphql_over_http.rs`.

mod limits;
mod work;

use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL, TOKEN};
use crate::support::{Event, House, PATIENCE, house};
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use usher::http::SocketLimits;
use usher::model::Role;

/// A query that answers at once.
const QUERY: &str = "{ __typename }";

/// A subscription that soon sends a first event and does not end.
fn subscription(event: &Event) -> String {
    format!(
        "subscription {{ seatMap(eventId: {:?}) {{ __typename \
           ... on SeatMapSnapshot {{ seats {{ id label zone row number category status version }} }} \
           ... on SeatMapDelta {{ changes {{ seatId status version }} }} }} }}",
        event.id
    )
}

#[tokio::test]
async fn a_second_beginning_is_refused() {
    let house = House::open().await;
    let mut peer = Peer::ready(&house.url).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect_close(4429, "Too many initialisation requests")
        .await;
}

#[tokio::test]
async fn nothing_runs_before_the_acknowledgement() {
    let house = House::open().await;
    let mut peer = Peer::connect(&house.url).await;
    peer.subscribe("1", QUERY).await;
    peer.expect_close(4401, "Unauthorized").await;
}

#[tokio::test]
async fn a_bad_token_is_forbidden() {
    let house = House::open().await;
    let bad = "Bearer not-a-token";
    for payload in [
        json!({"authorization": bad}),
        json!({"AUTHORIZATION": bad}),
        json!({"authorization": 5}),
    ] {
        let mut peer = Peer::connect(&house.url).await;
        peer.send(json!({"type": "connection_init", "payload": payload}))
            .await;
        peer.expect_close(4403, "Forbidden").await;
    }
    let mut peer = Peer::connect_with(&house.url, &[(PROTOCOL, SUBPROTOCOL), (TOKEN, bad)]).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect_close(4403, "Forbidden").await;
}

#[tokio::test]
async fn a_good_token_is_taken_from_either_place() {
    let house = House::open().await;
    let who = "{ viewer { role subject } }";
    let anna = json!({"data": {"viewer": {"role": "BUYER", "subject": "anna"}}});
    let good = format!("Bearer {}", house::token("anna", Role::Buyer));
    let mut peer = Peer::connect_with(&house.url, &[(PROTOCOL, SUBPROTOCOL), (TOKEN, &good)]).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect(json!({"type": "connection_ack"})).await;
    peer.subscribe("1", who).await;
    assert_eq!(peer.next().await["payload"], anna);

    let bad = "Bearer not-a-token";
    let mut peer = Peer::connect_with(&house.url, &[(PROTOCOL, SUBPROTOCOL), (TOKEN, bad)]).await;
    peer.send(json!({"type": "connection_init", "payload": {"Authorization": good}}))
        .await;
    peer.expect(json!({"type": "connection_ack"})).await;
    peer.subscribe("1", who).await;
    assert_eq!(peer.next().await["payload"], anna);
}

#[tokio::test]
async fn what_is_no_message_closes_and_says_why() {
    let house = House::open().await;
    let long_type = format!(r#"{{"type":"{}"}}"#, "x".repeat(500));
    for (message, reason) in [
        ("{", "the message is not JSON"),
        ("[]", "the message must be an object, not an array"),
        (
            r#"{"type":"start"}"#,
            "a client sends no message of type `start`",
        ),
        (
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            "in the payload of `subscribe`, `query` must be a string, not a number",
        ),
        (&long_type, "a client sends no message of type `xxx"),
    ] {
        let mut peer = Peer::ready(&house.url).await;
        peer.send_raw(Message::text(message)).await;
        peer.expect_close(4400, reason).await;
    }
    let mut peer = Peer::ready(&house.url).await;
    peer.send_raw(Message::binary(QUERY)).await;
    peer.expect_close(4400, "binary messages are not part of ")
        .await;
}

#[tokio::test]
async fn an_id_is_used_once_at_a_time() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("one", &subscription(&event)).await;
    peer.subscribe("one", QUERY).await;
    peer.expect_close(4409, "Subscriber for one already exists")
        .await;
}

#[tokio::test]
async fn another_subprotocol_is_not_acceptable() {
    let house = House::open().await;
    let mut peer = Peer::connect_with(&house.url, &[]).await;
    peer.expect_close(4406, "Subprotocol not acceptable").await;
    // A client library checks the answer and would refuse it, so this one is by hand.
    let address = house.running.address;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let handshake = format!(
        "GET /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-ws\r\n\r\n"
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
async fn a_handshake_that_is_none_is_refused_and_says_why() {
    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const UPGRADE: (&str, &str) = ("connection", "upgrade");
    let house = House::open().await;
    let client = reqwest::Client::new();
    let shake = |headers: &'static [(&str, &str)]| {
        let request = client.get(format!("{}/graphql", house.url));
        let request = request.header("upgrade", "websocket");
        let headers = headers.iter();
        let request = headers.fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_REQUEST");
            let message = body["errors"][0]["message"].as_str().unwrap().to_owned();
            (status, headers, message)
        }
    };
    let (status, headers, message) = shake(&[UPGRADE, KEY, ("sec-websocket-version", "8")]).await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED, "{message}");
    assert_eq!(headers["sec-websocket-version"], "13");
    assert!(message.contains("Version: 13"), "{message}");
    let refused: [(&[(&str, &str)], &str); 3] = [
        (&[KEY, ("sec-websocket-version", "13")], "Connection"),
        (&[UPGRADE, ("sec-websocket-version", "13")], "Key"),
        (
            &[
                UPGRADE,
                ("sec-websocket-key", "short"),
                ("sec-websocket-version", "13"),
            ],
            "Key",
        ),
    ];
    for (headers, word) in refused {
        let (status, _, message) = shake(headers).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{message}");
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn bytes_that_break_websocket_itself_have_their_codes() {
    let house = House::open_with(SocketLimits {
        max_message_bytes: 1_000,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&house.url).await;
    peer.send(json!({"type": "ping", "payload": {"fill": "x".repeat(900)}}))
        .await;
    assert_eq!(peer.next().await["type"], "pong");
    peer.send(json!({"type": "ping", "payload": {"fill": "x".repeat(1_000)}}))
        .await;
    peer.expect_close(1009, "the message is too large").await;

    // Unmasked, as a client must not: a violation of the framing.
    let mut peer = Peer::ready(&house.url).await;
    peer.write_bytes(&[0x81, 0x02, b'{', b'}']).await;
    peer.expect_close(1002, "WebSocket protocol error").await;

    // Masked with zeros, and not UTF-8.
    let mut peer = Peer::ready(&house.url).await;
    peer.write_bytes(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe])
        .await;
    peer.expect_close(1007, "text must be UTF-8").await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let house = House::open().await;
    let mut peer = Peer::connect(&house.url).await;
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
    let house = House::open().await;
    let mut peer = Peer::ready(&house.url).await;
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
async fn a_resolvers_error_is_a_result_and_ends_the_operation() {
    let house = House::open().await;
    let mut peer = Peer::ready(&house.url).await;
    for document in [
        "{ node(id: \"nonsense\") { id } }",
        "subscription { seatMap(eventId: \"nonsense\") { __typename } }",
    ] {
        peer.subscribe("1", document).await;
        let next = peer.next().await;
        assert_eq!(next["type"], "next", "{next}");
        let code = &next["payload"]["errors"][0]["extensions"]["code"];
        assert_eq!(code, "BAD_USER_INPUT", "{next}");
        peer.expect(json!({"id": "1", "type": "complete"})).await;
    }
}

#[tokio::test]
async fn complete_stops_a_subscription() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let mut peer = Peer::ready(&house.url).await;
    for id in ["1", "2"] {
        peer.subscribe(id, &subscription(&event)).await;
        assert_eq!(peer.next_of(id).await["type"], "next");
    }
    peer.send(json!({"type": "complete", "id": "1"})).await;
    // Unknown by now, and no fault: both sides may end an operation at once.
    peer.send(json!({"type": "complete", "id": "1"})).await;
    assert_eq!(peer.messages_until_pong().await.len(), 0);
    // The other subscription tells that there was something to send.
    for seat in event.seats.chunks(1) {
        house.visitor().hold(&event.id, seat).await.data();
        let next = peer.next().await;
        assert_eq!(next["id"], "2", "{next}");
        let map = &next["payload"]["data"]["seatMap"];
        assert_eq!(map["changes"][0]["seatId"], seat[0].id, "{next}");
    }
    assert_eq!(peer.messages_until_pong().await.len(), 0);
}

#[tokio::test]
async fn a_close_is_answered() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("1", &subscription(&event)).await;
    peer.socket.close(None).await.unwrap();
    let mut answered = false;
    while let Some(received) = timeout(PATIENCE, peer.socket.next()).await.unwrap() {
        answered |= matches!(received.unwrap(), Message::Close(_));
    }
    assert!(answered, "the connection ended without a close frame");
}
