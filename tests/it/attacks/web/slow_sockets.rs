//! WebSockets that are slow on purpose, or never come to the end of what they say.

use super::wire::Wire;
use super::{a_buyer_is_served, impatient};
use crate::support::house::Limits;
use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL};
use crate::support::{House, PATIENCE};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{interval, timeout};
use usher::config::RateLimitSettings;
use usher::http::SocketLimits;

const SHORT: Duration = Duration::from_millis(200);
const DRIP: Duration = Duration::from_millis(20);

const HANDSHAKE: &str = "GET /graphql HTTP/1.1\r\nhost: usher\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n";

/// The beginning of a masked text frame of 60,000 bytes; each byte that follows is one of them.
const LONG_FRAME: [u8; 8] = [0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0];

/// Begins a frame, and sends the rest of it byte by byte, until the server lets go.
async fn drip_a_frame(mut peer: Peer) {
    peer.write_bytes(&LONG_FRAME).await;
    let (mut reading, mut writing) = peer.socket.get_mut().split();
    let dripping = async {
        let mut pace = interval(DRIP);
        while writing.write_all(b"x").await.is_ok() {
            pace.tick().await;
        }
    };
    let mut heard = Vec::new();
    let hearing = async {
        let _ = reading.read_to_end(&mut heard).await;
    };
    // The end of either is the end of the connection.
    let ended = async {
        tokio::select! {
            () = dripping => {}
            () = hearing => {}
        }
    };
    timeout(PATIENCE, ended).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_drip_take_turns_with_buyers() {
    let house = impatient(10, SHORT).await;
    let event = house.event(1, 1).await;
    let attackers = join_all((0..50).map(async |_| {
        let mut wire = Wire::to(&house.url).await;
        wire.say(HANDSHAKE).await;
        wire.drip(b'x', DRIP).await
    }));
    let (said, ()) = tokio::join!(attackers, a_buyer_is_served(&house, &event, 0));
    assert!(said.iter().all(|said| said.0.is_empty()), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beginnings_that_drip_come_to_an_end() {
    let house = House::open_with_all(Limits {
        sockets: SocketLimits {
            init_timeout: SHORT,
            ..SocketLimits::default()
        },
        ..Limits::default()
    })
    .await;
    let event = house.event(1, 1).await;
    let attackers = join_all((0..20).map(async |_| {
        let peer = Peer::connect_with(&house.url, &[(PROTOCOL, SUBPROTOCOL)]).await;
        drip_a_frame(peer).await;
    }));
    tokio::join!(attackers, a_buyer_is_served(&house, &event, 0));
}

/// A pong cannot be sent within a frame, and bytes are no sign of life.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_drip_come_to_an_end() {
    let house = House::open_with(SocketLimits {
        ping_interval: SHORT / 4,
        pong_timeout: SHORT,
        ..SocketLimits::default()
    })
    .await;
    let event = house.event(1, 1).await;
    let attackers = join_all((0..20).map(async |_| {
        drip_a_frame(Peer::ready(&house.url).await).await;
    }));
    tokio::join!(attackers, a_buyer_is_served(&house, &event, 0));
}

#[tokio::test]
async fn a_message_without_an_end_is_too_large_one_day() {
    let house = House::open_with(SocketLimits {
        max_message_bytes: 64 * 1024,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&house.url).await;
    // Text that is to be continued, and continuations that are not the last.
    let payload = [b'x'; 1000];
    let mut first_byte = 0x01;
    for _ in 0..70 {
        let frame = [&[first_byte, 0xfe, 0x03, 0xe8, 0, 0, 0, 0][..], &payload].concat();
        peer.write_bytes(&frame).await;
        first_byte = 0x00;
    }
    peer.expect_close(1009, "").await;
}

/// Pings of either kind are answered, and what is said of operations that there are not is read:
/// none of it is charged to anybody.
#[tokio::test]
async fn who_never_stops_talking_is_closed() {
    const ALLOWED: usize = 50;
    let house = House::open_with_all(Limits {
        rate_limits: RateLimitSettings {
            socket_messages: format!("{ALLOWED}/24h").parse().unwrap(),
            ..RateLimitSettings::off()
        },
        ..Limits::default()
    })
    .await;
    let event = house.event(1, 1).await;
    let text = |text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
    };
    for message in [
        vec![0x89, 0x80, 0, 0, 0, 0],
        vec![0x8a, 0x80, 0, 0, 0, 0],
        text(r#"{"type":"ping"}"#),
        text(r#"{"type":"pong"}"#),
        text(r#"{"type":"complete","id":"1"}"#),
        text(r#"{"type":"subscribe","id":"1","payload":{"query":"{"}}"#),
    ] {
        let mut peer = Peer::ready(&house.url).await;
        // The first one was `connection_init`, and the last is to be answered.
        peer.write_bytes(&message.repeat(ALLOWED - 2)).await;
        peer.messages_until_pong().await;
        peer.write_bytes(&message).await;
        peer.expect_close(1008, "too many messages").await;
    }
    a_buyer_is_served(&house, &event, 0).await;
}

#[tokio::test]
async fn a_frame_that_announces_too_much_is_refused_before_it_comes() {
    let house = House::open().await;
    let mut peer = Peer::ready(&house.url).await;
    // A terabyte.
    let frame = [0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    peer.write_bytes(&frame).await;
    peer.expect_close(1009, "").await;
}

#[tokio::test]
async fn nothing_is_decompressed() {
    let house = House::open().await;
    let mut wire = Wire::to(&house.url).await;
    wire.say(format!(
        "{HANDSHAKE}sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    ))
    .await;
    // A text frame of 2 bytes with the bit that says that it is compressed.
    wire.say([0xc1, 0x82, 0, 0, 0, 0, 0, 0]).await;
    let said = wire.heard().await;
    assert_eq!(said.status(), Some(101), "{said:?}");
    assert!(!said.0.contains("sec-websocket-extensions"), "{said:?}");

    let mut peer = Peer::ready(&house.url).await;
    peer.write_bytes(&[0xc1, 0x82, 0, 0, 0, 0, 0, 0]).await;
    peer.expect_close(1002, "").await;
}
