//! Whole conversations over a WebSocket, from the handshake to the close: whatever a client says,
//! the server answers with messages of the protocol, closes with a code of it, and ends.
//!
//! Each line of the input is a message, or begins with a sign for something else:
//!
//! ```text
//!   {"type":"ping"}      a text message
//!   ~ and anything       a binary message
//!   ! and anything       a ping frame
//!   . and anything       a pong frame
//!   # and anything       a close frame
//!   < and anything       the beginning of a text message, which the next line goes on with
//!   > and anything       and goes on with
//!   @ and anything       bytes as they are, without a frame around them
//!   _                    some time goes by
//! ```
//!
//! `STAFF-TOKEN` and `BUYER-TOKEN` stand for tokens that are believed.

use super::answers::{check_answer, check_errors};
use super::server::Server;
use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, join, sink, split};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tower::Service;

/// What is on its way between client and server, in each direction.
const ON_THE_WAY: usize = 16 * 1024;

/// How long a client waits for what it has asked for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest that a conversation goes on after the client has said its last word.
const LONGEST: Duration = Duration::from_mins(1);

/// Lines of one conversation. More of them find nothing new.
const MOST_LINES: usize = 64;

/// Codes that the server closes with; the first is what it is told itself at the end. It says
/// back whatever else a client closes with.
const CODES: [u16; 10] = [1000, 1002, 1007, 1009, 4400, 4401, 4403, 4408, 4409, 4429];

/// What stands for a close frame without a code.
const NO_CODE: u16 = 1005;

const HANDSHAKE: &[u8] = b"GET /graphql HTTP/1.1\r\nhost: usher\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: graphql-transport-ws\r\n\r\n";

/// Says what the input has, and listens to the end.
pub fn check(input: &[u8]) {
    Server::with(async |server| {
        let (client, served) = duplex(ON_THE_WAY);
        tokio::spawn(serve(server, served));
        let (mut listening, mut saying) = split(client);
        saying
            .write_all(HANDSHAKE)
            .await
            .expect("a server that listens");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(
                listening
                    .read_u8()
                    .await
                    .expect("an answer to the handshake"),
            );
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            String::from_utf8_lossy(&head)
        );

        let mut heard = Heard::default();
        let talking = async {
            say(server, &mut saying, input).await;
            sleep(PATIENCE).await;
            // Whoever is closed already does not mind.
            let _ = saying
                .write_all(&frame(8, true, &1000_u16.to_be_bytes()))
                .await;
            sleep(LONGEST).await;
        };
        let listening =
            WebSocketStream::from_raw_socket(join(listening, sink()), Role::Client, None);
        let hearing = async {
            let mut listening = listening.await;
            while let Some(message) = listening.next().await {
                match message {
                    Ok(message) => heard.message(message),
                    Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break,
                    Err(error) => panic!("the server cannot be read: {error}"),
                }
            }
        };
        tokio::select! {
            () = hearing => {}
            () = talking => panic!("the server did not come to an end"),
        }
        heard.check(input);
        let ended = timeout(LONGEST, async {
            while !server.tasks.is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
        });
        ended.await.expect("nothing goes on after a conversation");
    });
}

async fn serve(server: &'static Server, stream: DuplexStream) {
    let service =
        service_fn(|request: Request<Incoming>| server.router.clone().call(request.map(Body::new)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that breaks it off is none of its business.
    let _ = connection.with_upgrades().await;
}

async fn say(server: &Server, saying: &mut (impl AsyncWriteExt + Unpin), input: &[u8]) {
    for line in input.split(|byte| *byte == b'\n').take(MOST_LINES) {
        let with_tokens;
        let line = match std::str::from_utf8(line) {
            Ok(text) => {
                with_tokens = server.with_tokens(text);
                with_tokens.as_bytes()
            }
            Err(_) => line,
        };
        let rest = line.get(1..).unwrap_or_default();
        let control = &rest[..rest.len().min(125)];
        let bytes = match line.first() {
            None => continue,
            Some(b'~') => frame(2, true, rest),
            Some(b'!') => frame(9, true, control),
            Some(b'.') => frame(10, true, control),
            Some(b'#') => frame(8, true, control),
            Some(b'<') => frame(1, false, rest),
            Some(b'>') => frame(0, true, rest),
            Some(b'@') => rest.to_vec(),
            Some(b'_') => {
                sleep(PATIENCE).await;
                continue;
            }
            Some(_) => frame(1, true, line),
        };
        if saying.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// A frame of a client, whose mask changes nothing.
fn frame(code: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut bytes = vec![code | if is_last { 0x80 } else { 0 }];
    match payload.len() {
        0..=125 => {}
        126..=0xffff => bytes.push(MASKED | 0x7e),
        _ => bytes.push(MASKED | 0x7f),
    }
    let length = (payload.len() as u64).to_be_bytes();
    match payload.len() {
        0..=125 => bytes.push(MASKED | length[7]),
        126..=0xffff => bytes.extend(&length[6..]),
        _ => bytes.extend(length),
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// What the server has said.
#[derive(Default)]
struct Heard {
    is_acknowledged: bool,
    closed_with: Option<u16>,
    ids: HashSet<String>,
}

impl Heard {
    fn message(&mut self, message: Message) {
        assert_eq!(self.closed_with, None, "{message:?} after the close");
        match message {
            Message::Text(text) => {
                let said: Value = serde_json::from_str(&text).expect("a message is JSON");
                self.said(&said);
            }
            Message::Close(frame) => {
                self.closed_with = Some(frame.map_or(NO_CODE, |frame| frame.code.into()));
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) | Message::Frame(_) => panic!("{message:?} is not of the protocol"),
        }
    }

    fn said(&mut self, said: &Value) {
        let kind = said["type"].as_str().expect("a message has a type");
        if matches!(kind, "connection_ack" | "pong") {
            assert!(said.get("id").is_none(), "{said}");
            assert!(
                kind == "pong" || !self.is_acknowledged,
                "acknowledged twice"
            );
            self.is_acknowledged |= kind == "connection_ack";
            return;
        }
        assert!(self.is_acknowledged, "{said} before the acknowledgement");
        let id = said["id"].as_str().expect("an operation has an id");
        assert!(!id.is_empty() && id.len() <= 256, "{said}");
        self.ids.insert(id.to_owned());
        match kind {
            "next" => check_answer(&said["payload"]),
            "error" => check_errors(&said["payload"]),
            "complete" => assert!(said.get("payload").is_none(), "{said}"),
            other => panic!("a server says no {other}"),
        }
    }

    /// Only what was asked for is answered, and nothing ends without a word.
    fn check(&self, input: &[u8]) {
        let is_framed = !input.iter().any(|byte| b"@#<>".contains(byte));
        if is_framed {
            let code = self.closed_with.expect("a close frame");
            assert!(CODES.contains(&code), "closed with {code}");
        }
        let subscribes = input
            .windows(b"subscribe".len())
            .filter(|word| *word == b"subscribe")
            .count();
        // An escape may stand for any letter of the word.
        if !input.contains(&b'\\') {
            assert!(
                self.ids.len() <= subscribes,
                "{:?} were not asked for",
                self.ids
            );
        }
    }
}
