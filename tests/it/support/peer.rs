//! A client of `graphql-transport-ws` that sends only what a test says.

use crate::support::PATIENCE;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

pub const PROTOCOL: &str = "sec-websocket-protocol";
pub const TOKEN: &str = "authorization";
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// What a peer's system keeps for it to read: little, so that one which does
/// not read is soon noticed.
const RECEIVE_BUFFER: u32 = 16 * 1024;

/// One socket. The library answers WebSocket pings while it is read from, and only then.
pub struct Peer {
    pub socket: WebSocketStream<TcpStream>,
}

/// The message that begins an operation.
pub fn subscribe(id: &str, document: &str, variables: &Value) -> Value {
    let payload = json!({"query": document, "variables": variables});
    json!({"id": id, "type": "subscribe", "payload": payload})
}

#[derive(Debug)]
pub enum Received {
    Message(Value),
    Close(u16, String),
}

impl Peer {
    /// Connects to the server at this `http:` address.
    pub async fn connect(server: &str) -> Self {
        Self::connect_with(server, &[(PROTOCOL, SUBPROTOCOL)]).await
    }

    pub async fn connect_with(server: &str, headers: &[(&'static str, &str)]) -> Self {
        Self::connect_as(server, headers, WebSocketConfig::default()).await
    }

    async fn connect_as(
        server: &str,
        headers: &[(&'static str, &str)],
        config: WebSocketConfig,
    ) -> Self {
        let address = server.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        let address: SocketAddr = address.parse().unwrap();
        let stream = socket.connect(address).await.unwrap();
        let connecting = client_async_with_config(request, stream, Some(config));
        let (socket, _) = connecting.await.unwrap();
        Self { socket }
    }

    /// Ready, and takes no frame that is longer than this.
    pub async fn ready_for_frames_of(server: &str, bytes: usize) -> Self {
        let config = WebSocketConfig::default().max_frame_size(Some(bytes));
        let peer = Self::connect_as(server, &[(PROTOCOL, SUBPROTOCOL)], config).await;
        peer.begin().await
    }

    /// Connected and acknowledged, as an anonymous caller.
    pub async fn ready(server: &str) -> Self {
        Self::connect(server).await.begin().await
    }

    async fn begin(self) -> Self {
        let mut peer = self;
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
        self.send(subscribe(id, document, &json!({}))).await;
    }

    /// Makes sure that the server has read everything that was sent; answers
    /// what it sent meanwhile.
    pub async fn messages_until_pong(&mut self) -> Vec<Value> {
        self.send(json!({"type": "ping"})).await;
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == "pong" {
                return messages;
            }
            messages.push(message);
        }
    }

    pub async fn receive(&mut self) -> Received {
        let receiving = async {
            loop {
                match self.socket.next().await {
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
        };
        // Over all frames: the server's pings are no sign that more will come.
        let received = timeout(PATIENCE, receiving).await;
        received.expect("the server is silent")
    }

    pub async fn next(&mut self) -> Value {
        match self.receive().await {
            Received::Message(message) => message,
            Received::Close(code, reason) => panic!("closed with {code} {reason}"),
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
        assert_eq!(self.messages_until_pong().await, [] as [Value; 0]);
    }

    /// Reads, and so answers WebSocket's pings, of which this many come and
    /// nothing else.
    pub async fn answer_pings(&mut self, count: usize) {
        for _ in 0..count {
            let received = timeout(PATIENCE, self.socket.next()).await;
            let received = received.expect("the server sends no ping");
            assert!(
                matches!(received, Some(Ok(Message::Ping(_)))),
                "{received:?}"
            );
        }
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

    /// Reads bytes, and so answers nothing, until the server has let go of the
    /// connection.
    pub async fn expect_cut_off(&mut self) {
        let mut bytes = Vec::new();
        let reading = self.socket.get_mut().read_to_end(&mut bytes);
        // A reset is as good an end as any.
        let _ = timeout(PATIENCE, reading)
            .await
            .expect("the server keeps the connection");
    }

    /// Sends these, which have no end, and reads nothing, until the server has let go of the
    /// connection; answers how that shows.
    pub async fn send_until_cut_off(&mut self, messages: impl Iterator<Item = Value>) -> Error {
        let sending = async {
            for message in messages {
                let message = Message::text(message.to_string());
                if let Err(error) = self.socket.send(message).await {
                    return error;
                }
            }
            panic!("there is no more to send");
        };
        timeout(PATIENCE, sending)
            .await
            .expect("the server keeps the connection")
    }
}
