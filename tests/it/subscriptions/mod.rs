//! Subscriptions, by what a client sees of each: a hold to its end, the counts of an
//! event, a map that many watch; and bad luck: clients that read slowly or never, that
//! come back too often, with cursors that nobody gave them, and a database that holds
//! its feed back.

mod availability;
mod crowded;
mod cursors;
mod events;
mod hold;
mod hold_ends;
mod loading;
mod returning;
mod sharing;
mod slow;

use crate::support::peer::{self, Peer};
use serde_json::{Value, json};

/// Somebody with one subscription.
pub struct Subscribed {
    peer: Peer,
    field: &'static str,
}

impl Subscribed {
    /// Begins a subscription to this field, at the server at this `http:` address.
    pub async fn to(
        (server, token): (&str, Option<&str>),
        field: &'static str,
        document: &str,
        variables: Value,
    ) -> Self {
        let mut peer = peer(server, token).await;
        subscribe(&mut peer, "1", document, variables).await;
        Self { peer, field }
    }

    /// What it is told next; no error.
    pub async fn next(&mut self) -> Value {
        let message = self.peer.next().await;
        assert_eq!(message["type"], "next", "{message}");
        assert!(message["payload"]["errors"].is_null(), "{message}");
        message["payload"]["data"][self.field].clone()
    }

    /// The code of the error that it is told next.
    pub async fn error_code(&mut self) -> String {
        code_of(&self.peer.next().await)
    }

    /// That it is told no more, and knows it.
    pub async fn expect_end(&mut self) {
        self.peer
            .expect(json!({"id": "1", "type": "complete"}))
            .await;
    }

    /// Refused with this code, and over.
    pub async fn expect_refusal(mut self, code: &str) {
        assert_eq!(self.error_code().await, code);
        self.expect_end().await;
    }
}

/// A socket that is ready, of whoever has this token.
async fn peer(server: &str, token: Option<&str>) -> Peer {
    let Some(token) = token else {
        return Peer::ready(server).await;
    };
    let mut peer = Peer::connect(server).await;
    let payload = json!({"authorization": format!("Bearer {token}")});
    peer.send(json!({"type": "connection_init", "payload": payload}))
        .await;
    peer.expect(json!({"type": "connection_ack"})).await;
    peer
}

async fn subscribe(peer: &mut Peer, id: &str, document: &str, variables: Value) {
    peer.send(peer::subscribe(id, document, &variables)).await;
}

/// The code of the error in a message, be it a result's or the operation's.
fn code_of(message: &Value) -> String {
    let payload = &message["payload"];
    let error = match message["type"].as_str() {
        Some("error") => &payload[0],
        _ => &payload["errors"][0],
    };
    let code = error["extensions"]["code"].as_str();
    code.unwrap_or_else(|| panic!("expected an error with a code: {message}"))
        .to_owned()
}
