//! Documents that are made to burn time and memory, over every transport. Each is refused with
//! its code before it runs, and a buyer who asks in between is served. This file has the ways
//! in; its folder has the attacks, and what else there is to say of documents.

mod bombs;
mod introspection;
mod limits;
mod messages;
mod persisted;
mod switches;
mod time_limit;
mod trusted;

use crate::support::event_stream::{EVENT_STREAM, EventStream};
use crate::support::peer::Peer;
use crate::support::{Answer, Event, House};
use reqwest::{Client, Response};
use serde_json::{Value, json};

const GRAPHQL: &str = "application/graphql-response+json";

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Post,
    Get,
    Socket,
    Stream,
}

impl Transport {
    const ALL: [Self; 4] = [Self::Post, Self::Get, Self::Socket, Self::Stream];

    /// How many bytes fit into one request; more is cut off before anybody looks at it.
    fn room(self) -> usize {
        match self {
            Self::Post | Self::Stream => 1024 * 1024,
            // Encoded it is three times as long, and a head has 32 KiB.
            Self::Get => 10_000,
            Self::Socket => 256 * 1024,
        }
    }

    /// Sends the parameters of a request, and answers what comes first.
    async fn ask(self, server: &str, parameters: &Value) -> Answer {
        Answer(match self {
            Self::Post => json_of(post(server, parameters, None).await).await,
            Self::Get => json_of(get(server, parameters).await).await,
            Self::Socket => {
                let mut peer = Peer::ready(server).await;
                let message = json!({"id": "1", "type": "subscribe", "payload": parameters});
                peer.send(message).await;
                let message = peer.next().await;
                match message["type"].as_str().unwrap() {
                    "error" => json!({"errors": message["payload"]}),
                    _ => message["payload"].clone(),
                }
            }
            Self::Stream => {
                let asking = Client::new()
                    .post(format!("{server}/graphql/stream"))
                    .header("accept", EVENT_STREAM)
                    .json(parameters);
                EventStream::of(asking).await.next().await
            }
        })
    }
}

async fn post(server: &str, parameters: &Value, token: Option<&str>) -> Response {
    let mut request = Client::new()
        .post(format!("{server}/graphql"))
        .header("accept", GRAPHQL)
        .json(parameters);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

async fn get(server: &str, parameters: &Value) -> Response {
    let encoded = |text: &str| {
        let bytes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        bytes.concat()
    };
    let pairs = parameters.as_object().unwrap().iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={}", encoded(text)),
            other => format!("{name}={}", encoded(&other.to_string())),
        })
        .collect();
    let request = Client::new().get(format!("{server}/graphql?{}", pairs.join("&")));
    request.header("accept", GRAPHQL).send().await.unwrap()
}

async fn json_of(response: Response) -> Value {
    response.json().await.unwrap()
}

/// Sends it in every way that it fits, and expects this code; in between somebody holds a seat.
async fn expect_refused(house: &House, event: &Event, name: &str, parameters: &Value, code: &str) {
    let bytes = parameters.to_string().len();
    for transport in Transport::ALL {
        if bytes > transport.room() {
            continue;
        }
        let answer = transport.ask(&house.url, parameters).await;
        let found = answer.0.to_string();
        assert_eq!(
            answer.error_code(),
            code,
            "{name} by {transport:?}: {found}"
        );
        assert!(answer.0.get("data").is_none(), "{name}: {found}");
        assert!(
            found.len() < 8_000,
            "{name}: an answer of {} bytes",
            found.len()
        );
    }
    expect_served(house, event).await;
}

/// A buyer who behaves gets a seat, and gives it back.
async fn expect_served(house: &House, event: &Event) {
    let buyer = house.visitor();
    let seats = buyer.seats(&event.id).await;
    let held = buyer.hold(&event.id, &seats[..1]).await;
    let token = held.data()["token"].as_str().unwrap().to_owned();
    buyer.release(&token, None).await.data();
}
