//! A watcher who keeps leaving, and comes back with the cursor it had.

use crate::live_maps::journal::{Journal, Known, Message, Position};
use crate::live_maps::judge::IN_TIME;
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const SUBSCRIPTION: &str = "subscription($event: ID!, $after: Cursor) { \
    seatMap(eventId: $event, after: $after) { __typename \
      ... on SeatMapSnapshot { reason cursor seats { id version status } } \
      ... on SeatMapDelta { cursor changes { seatId version status } } } }";

/// How long one that is turned away waits before it tries the next server.
const PAUSE: Duration = Duration::from_millis(50);

/// The servers that can be asked now.
pub type Servers = watch::Receiver<Vec<String>>;

/// How the map is in the end, once it does not change any more.
pub type End = watch::Receiver<Option<Known>>;

/// How a watcher behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Stays until it is thrown out.
    Faithful,
    /// Leaves after a moment, in the middle of whatever is going on.
    Fickle,
    /// Reads so slowly that much happens between two messages.
    Slow,
}

/// One watcher of one event.
pub struct Watcher {
    event: String,
    manner: Manner,
    servers: Servers,
    end: End,
    rng: StdRng,
    cursor: Option<String>,
    known: Known,
    journal: Journal,
}

impl Watcher {
    pub fn new(event: &str, manner: Manner, seed: u64, servers: Servers, end: End) -> Self {
        Self {
            event: event.to_owned(),
            manner,
            servers,
            end,
            rng: StdRng::seed_from_u64(seed),
            cursor: None,
            known: Known::new(),
            journal: Journal::default(),
        }
    }

    /// Watches until the end is there and it knows of it, or should; answers what it
    /// was told.
    pub async fn watch(mut self) -> Journal {
        let mut patience = pin!(patience(self.end.clone()));
        while !self.has_heard_all() {
            // Now and then one forgets what it knew and begins anew.
            if self.manner == Manner::Fickle && self.rng.random_bool(0.1) {
                self.cursor = None;
            }
            let after = self.cursor.clone();
            self.journal.begin(after.as_deref().map(Position::of));
            let until = Instant::now() + self.stay();
            // What cuts it off may be anywhere in the handshake or between frames.
            let left = tokio::select! {
                left = timeout_at(until, self.visit(after)) => Some(left),
                () = &mut patience => None,
            };
            self.journal.end();
            match left {
                Some(Ok(Err(_turned_away))) => sleep(PAUSE).await,
                Some(_) => {}
                None => break,
            }
        }
        self.journal
    }

    fn has_heard_all(&self) -> bool {
        self.end.borrow().as_ref() == Some(&self.known)
    }

    /// How long it stays.
    fn stay(&mut self) -> Duration {
        match self.manner {
            Manner::Faithful => Duration::from_hours(1),
            Manner::Slow => Duration::from_millis(self.rng.random_range(500..10_000)),
            // Short stays are as likely as long ones, from 1 ms to 4 s.
            Manner::Fickle => Duration::from_millis(1 << self.rng.random_range(0..=12)),
        }
    }

    /// Subscribes at any server, and hears what it says until it has heard all.
    async fn visit(&mut self, after: Option<String>) -> Result<(), tungstenite::Error> {
        let server = self.servers.borrow().choose(&mut self.rng).cloned();
        let Some(server) = server else {
            return Err(tungstenite::Error::ConnectionClosed);
        };
        let mut socket = Socket::open(&server).await?;
        let variables = json!({"event": self.event, "after": after});
        socket.subscribe(&variables).await?;
        let mut end = self.end.clone();
        loop {
            let map = tokio::select! {
                map = socket.next() => map?,
                Ok(()) = end.changed() => {
                    if self.has_heard_all() {
                        return Ok(());
                    }
                    continue;
                }
            };
            let (message, cursor) = Message::read(&map);
            message.apply(&mut self.known);
            self.cursor = Some(cursor);
            self.journal.tell(message);
            if self.has_heard_all() {
                return Ok(());
            }
            if self.manner == Manner::Slow {
                let pause = self.rng.random_range(50..500);
                sleep(Duration::from_millis(pause)).await;
            }
        }
    }
}

/// Ends when everything should have been heard.
async fn patience(mut end: End) {
    // A run that fails has no end, and ends its watchers itself.
    let _ = end.wait_for(Option::is_some).await;
    sleep(IN_TIME).await;
}

/// A socket that may break at any time.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(server: &str) -> Result<Self, tungstenite::Error> {
        let url = format!("{}/graphql", server.replace("http:", "ws:"));
        let mut request = url.into_client_request()?;
        let protocol = "graphql-transport-ws".parse().unwrap();
        let name = "Sec-WebSocket-Protocol";
        request.headers_mut().insert(name, protocol);
        let (socket, _) = connect_async(request).await?;
        Ok(Self(socket))
    }

    async fn subscribe(&mut self, variables: &Value) -> Result<(), tungstenite::Error> {
        let payload = json!({"query": SUBSCRIPTION, "variables": variables});
        let subscribe = json!({"id": "1", "type": "subscribe", "payload": payload});
        self.send(&json!({"type": "connection_init"})).await?;
        self.send(&subscribe).await
    }

    async fn send(&mut self, message: &Value) -> Result<(), tungstenite::Error> {
        let message = tungstenite::Message::text(message.to_string());
        self.0.send(message).await
    }

    /// What is said of the map next. A server that has no database may end the
    /// subscription with an error.
    async fn next(&mut self) -> Result<Value, tungstenite::Error> {
        loop {
            let Some(frame) = self.0.next().await else {
                return Err(tungstenite::Error::ConnectionClosed);
            };
            let tungstenite::Message::Text(text) = frame? else {
                continue;
            };
            let mut message: Value = serde_json::from_str(&text).unwrap();
            if message["type"] == "connection_ack" {
                continue;
            }
            let map = message["payload"]["data"]["seatMap"].take();
            if map.is_object() {
                return Ok(map);
            }
            return Err(tungstenite::Error::ConnectionClosed);
        }
    }
}
