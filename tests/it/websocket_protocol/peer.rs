//! A client of `graphql-transport-ws` that sends only what a test says.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::transport_server::TransportServer;

/// Long enough for a loaded machine, short enough for a failing test.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub const PROTOCOL: &str = "sec-websocket-protocol";
pub const TOKEN: &str = "authorization";
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// One socket. The library answers WebSocket pings while it is read from, and only then.
pub struct Peer {
    pub socket: WebSocketStream<TcpStream>,
}

#[derive(Debug)]
pub enum Received {
    Message(Value),
    Close(u16, String),
}

impl Peer {
    pub async fn connect(server: &TransportServer) -> Self {
        Self::connect_with(server, &[(PROTOCOL, SUBPROTOCOL)]).await
    }

    pub async fn connect_with(server: &TransportServer, headers: &[(&'static str, &str)]) -> Self {
        let url = format!("ws://{}/graphql", server.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        Self { socket }
    }

    /// Connected and acknowledged, as an anonymous caller.
    pub async fn ready(server: &TransportServer) -> Self {
        let mut peer = Self::connect(server).await;
        peer.send(json!({"type": "connection_init"})).await;
        peer.expect(json!({"type": "connection_ack"})).await;
        peer
    }

    pub async fn send(&mut self, message: Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Bytes past the library, which would not send them.
    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, document: &str) {
        self.send(json!({"id": id, "type": "subscribe", "payload": {"query": document}}))
            .await;
    }

    pub async fn receive(&mut self) -> Received {
        loop {
            let received = timeout(PATIENCE, self.socket.next()).await;
            match received.expect("the server is silent") {
                Some(Ok(Message::Text(text))) => {
                    return Received::Message(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    // Sends the answer, which the server waits for.
                    let _ = self.socket.flush().await;
                    return Received::Close(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("neither a message nor a close frame: {other:?}"),
            }
        }
    }

    pub async fn next(&mut self) -> Value {
        match self.receive().await {
            Received::Message(message) => message,
            Received::Close(code, reason) => panic!("closed with {code} {reason}"),
        }
    }

    pub async fn messages_until_pong(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == "pong" {
                return messages;
            }
            messages.push(message);
        }
    }

    /// The next message of one operation, past those of others.
    pub async fn next_of(&mut self, id: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["id"] == id {
                return message;
            }
        }
    }

    pub async fn expect(&mut self, message: Value) {
        assert_eq!(self.next().await, message);
    }

    pub async fn expect_alive(&mut self) {
        self.send(json!({"type": "ping"})).await;
        self.expect(json!({"type": "pong"})).await;
    }

    /// Reads, and so answers WebSocket's pings, for as long as there is nothing else.
    pub async fn answer_pings(&mut self) {
        while let Some(Ok(Message::Ping(_))) = self.socket.next().await {}
    }

    /// A close frame of this code whose reason begins like this, past other messages.
    pub async fn expect_close(&mut self, code: u16, reason: &str) {
        loop {
            if let Received::Close(found, why) = self.receive().await {
                assert_eq!(found, code, "{why}");
                assert!(why.starts_with(reason), "{why}");
                return;
            }
        }
    }
}

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
