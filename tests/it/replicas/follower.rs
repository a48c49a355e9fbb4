//! Somebody who watches a seat map for as long as it takes: whenever the connection
//! ends, and however, there is a new one that goes on from the last cursor.

use crate::support::eventually;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::task::AbortOnDropHandle;

const SUBSCRIPTION: &str = "subscription($event: ID!, $after: Cursor) { \
    seatMap(eventId: $event, after: $after) { __typename \
      ... on SeatMapSnapshot { cursor seats { id version status } } \
      ... on SeatMapDelta { cursor changes { seatId version status } } } }";

/// Version and status of each seat.
pub type Map = BTreeMap<String, (i64, String)>;

/// What a follower has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub map: Map,
    pub cursor: Option<String>,
    /// How many whole maps it was sent: one, unless a cursor was of no use.
    pub snapshots: usize,
    /// How its connections ended: the close code, or nothing where there was none.
    pub endings: Vec<Option<u16>>,
}

/// It goes on until it is dropped.
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    _following: AbortOnDropHandle<()>,
}

impl Follower {
    /// Starts to follow, and waits for the map.
    pub async fn new(server: &str, event: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let url = format!("{}/graphql", server.replace("http:", "ws:"));
        let following = follow(url, event.to_owned(), Arc::clone(&seen));
        let follower = Self {
            seen,
            _following: AbortOnDropHandle::new(tokio::spawn(following)),
        };
        eventually("the follower has a map", async || {
            (follower.seen().snapshots > 0).then_some(())
        })
        .await;
        follower
    }

    /// What it has seen up to now.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it has seen exactly this.
    pub async fn has_seen(&self, map: &Map) {
        eventually("the follower has seen everything", async || {
            (self.seen().map == *map).then_some(())
        })
        .await;
    }
}

async fn follow(url: String, event: String, seen: Arc<Mutex<Seen>>) {
    loop {
        let ending = watch(&url, &event, &seen).await;
        seen.lock().unwrap().endings.push(ending);
    }
}

/// One connection, to its end. The proxy itself always answers, so that one which
/// cannot be made is one that it had no server for.
async fn watch(url: &str, event: &str, seen: &Mutex<Seen>) -> Option<u16> {
    let mut request = url.into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", protocol);
    let (mut socket, _) = connect_async(request).await.ok()?;
    let after = seen.lock().unwrap().cursor.clone();
    let variables = json!({"event": event, "after": after});
    let payload = json!({"query": SUBSCRIPTION, "variables": variables});
    for message in [
        json!({"type": "connection_init"}),
        json!({"id": "1", "type": "subscribe", "payload": payload}),
    ] {
        if message["type"] == "subscribe" {
            // Not before the other was acknowledged.
            socket.next().await?.ok()?;
        }
        let message = Message::text(message.to_string());
        socket.send(message).await.ok()?;
    }
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] != "complete" {
                    assert_eq!(message["type"], "next", "{message}");
                    let mut seen = seen.lock().unwrap();
                    seen.apply(&message["payload"]["data"]["seatMap"]);
                }
            }
            Message::Close(frame) => {
                // Sends the answer, which the server waits for.
                let _ = socket.flush().await;
                return frame.map(|frame| frame.code.into());
            }
            _ => {}
        }
    }
}

impl Seen {
    fn apply(&mut self, message: &Value) {
        self.cursor = Some(message["cursor"].as_str().unwrap().to_owned());
        let is_snapshot = message["__typename"] == "SeatMapSnapshot";
        let (seats, id) = if is_snapshot {
            self.snapshots += 1;
            (&message["seats"], "id")
        } else {
            (&message["changes"], "seatId")
        };
        for seat in seats.as_array().unwrap() {
            let name = seat[id].as_str().unwrap();
            let version = seat["version"].as_i64().unwrap();
            let status = seat["status"].as_str().unwrap().to_owned();
            let known = self.map.entry(name.to_owned()).or_default();
            // A delta may come twice; a map is shown as it is, and must not be older.
            assert!(!is_snapshot || version >= known.0, "{name} went backwards");
            if version > known.0 {
                *known = (version, status);
            }
        }
    }
}
