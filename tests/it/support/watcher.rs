//! Somebody who watches a seat map over a WebSocket.

use crate::support::{House, PATIENCE};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const SUBSCRIPTION: &str = "subscription($event: ID!, $after: Cursor) { \
    seatMap(eventId: $event, after: $after) { __typename \
      ... on SeatMapSnapshot { reason cursor seats { id version status } } \
      ... on SeatMapDelta { cursor changes { seatId version status } } } }";

/// Watches one seat map, and keeps it as a client would: the newest version of
/// each seat wins.
pub struct Watcher {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub cursor: Option<String>,
    pub seats: BTreeMap<String, (i64, String)>,
}

impl Watcher {
    /// Starts to watch, after this cursor if there is one.
    pub async fn new(house: &House, event: &str, after: Option<&str>) -> Self {
        Self::at(&house.url, event, after).await
    }

    /// At the server at this `http:` address.
    pub async fn at(server: &str, event: &str, after: Option<&str>) -> Self {
        Self::asking(server, SUBSCRIPTION, event, after).await
    }

    /// The same with another selection, which has at least what this one has.
    pub async fn asking(
        server: &str,
        subscription: &str,
        event: &str,
        after: Option<&str>,
    ) -> Self {
        let url = format!("{}/graphql", server.replace("http:", "ws:"));
        let mut request = url.into_client_request().unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let (socket, _) = connect_async(request).await.unwrap();
        let mut watcher = Self {
            socket,
            cursor: None,
            seats: BTreeMap::new(),
        };
        watcher.send(json!({"type": "connection_init"})).await;
        assert_eq!(watcher.receive().await["type"], "connection_ack");
        let variables = json!({"event": event, "after": after});
        let payload = json!({"query": subscription, "variables": variables});
        watcher
            .send(json!({"id": "1", "type": "subscribe", "payload": payload}))
            .await;
        watcher
    }

    /// The next message of the seat map, applied to what is known.
    pub async fn next(&mut self) -> Value {
        let message = self.receive().await;
        assert_eq!(message["type"], "next", "{message}");
        let map = message["payload"]["data"]["seatMap"].clone();
        assert!(map.is_object(), "{message}");
        self.apply(&map);
        map
    }

    /// Reads until the map is what `wanted` says.
    pub async fn until(&mut self, wanted: impl Fn(&Self) -> bool) {
        while !wanted(self) {
            self.next().await;
        }
    }

    /// The version that is known of a seat.
    pub fn version(&self, seat: &str) -> i64 {
        self.seats.get(seat).map_or(0, |(version, _)| *version)
    }

    fn apply(&mut self, map: &Value) {
        self.cursor = map["cursor"].as_str().map(ToOwned::to_owned);
        if map["__typename"] == "SeatMapSnapshot" {
            self.seats.clear();
        }
        let (list, id) = match map["__typename"].as_str() {
            Some("SeatMapSnapshot") => (&map["seats"], "id"),
            _ => (&map["changes"], "seatId"),
        };
        for seat in list.as_array().unwrap() {
            let version = seat["version"].as_i64().unwrap();
            let status = seat["status"].as_str().unwrap().to_owned();
            let known = self
                .seats
                .entry(seat[id].as_str().unwrap().to_owned())
                .or_default();
            if version > known.0 {
                *known = (version, status);
            }
        }
    }

    async fn send(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn receive(&mut self) -> Value {
        // Pings keep coming: the time is for the message, not for any frame.
        let receiving = async {
            loop {
                match self.socket.next().await.unwrap().unwrap() {
                    Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                    Message::Close(frame) => panic!("the socket was closed: {frame:?}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, receiving)
            .await
            .expect("a message comes in time")
    }
}

impl Watcher {
    /// What somebody is answered who may not watch this event.
    pub async fn refused(house: &House, event: &str) -> Value {
        let mut watcher = Self::new(house, event, None).await;
        watcher.receive().await["payload"].clone()
    }
}
