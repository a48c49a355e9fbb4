//! A client of `/graphql/stream` that reads what comes, event by event.

use crate::support::{Event, House, PATIENCE};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

pub const EVENT_STREAM: &str = "text/event-stream";
const END_OF_EVENT: &str = "\n\n";

/// What can come on a stream.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// A comment, such as a sign of life.
    Comment,
    Next(Value),
    Complete,
    /// No more bytes, with or without a `complete` before.
    End,
}

/// One open stream.
pub struct EventStream {
    pub response: Response,
    unread: String,
}

/// A request for a stream, by POST.
pub fn asking(server: &str, document: &str) -> RequestBuilder {
    Client::new()
        .post(format!("{server}/graphql/stream"))
        .header("accept", EVENT_STREAM)
        .json(&json!({"query": document}))
}

/// The same of somebody, with or without a token.
pub fn asking_with(server: &str, document: &str, token: Option<&str>) -> RequestBuilder {
    let asking = asking(server, document);
    match token {
        Some(token) => asking.bearer_auth(token),
        None => asking,
    }
}

impl EventStream {
    /// Opens a stream for this document.
    pub async fn open(server: &str, document: &str) -> Self {
        Self::of(asking(server, document)).await
    }

    /// Opens the stream that is asked for.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let headers = response.headers();
        assert_eq!(headers["content-type"], "text/event-stream; charset=utf-8");
        Self::reading(response)
    }

    /// The stream that an answer is.
    pub fn reading(response: Response) -> Self {
        Self {
            response,
            unread: String::new(),
        }
    }

    /// Opens a stream on an event's map and reads the snapshot.
    pub async fn on_map(house: &House, event: &Event) -> Self {
        let mut stream = Self::open(&house.url, &watching(event)).await;
        let snapshot = stream.next().await;
        let map = &snapshot["data"]["seatMap"];
        assert_eq!(map["__typename"], "SeatMapSnapshot", "{snapshot}");
        stream
    }

    /// What comes next.
    pub async fn receive(&mut self) -> Received {
        let reading = async {
            loop {
                if let Some(length) = self.unread.find(END_OF_EVENT) {
                    let event: String = self.unread.drain(..length).collect();
                    self.unread.drain(..END_OF_EVENT.len());
                    return parse(&event);
                }
                match self.response.chunk().await.unwrap() {
                    Some(chunk) => self.unread += std::str::from_utf8(&chunk).unwrap(),
                    None => return Received::End,
                }
            }
        };
        let received = timeout(PATIENCE, reading).await;
        received.expect("nothing comes in time")
    }

    /// What comes next and is no comment.
    pub async fn event(&mut self) -> Received {
        loop {
            let received = self.receive().await;
            if received != Received::Comment {
                return received;
            }
        }
    }

    /// The next answer, which must come before anything else but comments.
    pub async fn next(&mut self) -> Value {
        match self.event().await {
            Received::Next(answer) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    /// The end of the operation and then of the stream.
    pub async fn expect_complete(&mut self) {
        assert_eq!(self.event().await, Received::Complete);
        assert_eq!(self.event().await, Received::End);
    }
}

/// A subscription that soon sends a snapshot and does not end.
pub fn watching(event: &Event) -> String {
    format!(
        "subscription {{ seatMap(eventId: {:?}) {{ __typename \
           ... on SeatMapSnapshot {{ cursor seats {{ id status version }} }} \
           ... on SeatMapDelta {{ cursor changes {{ seatId status version }} }} }} }}",
        event.id
    )
}

// Strict: just the lines that the protocol has, each with its one space.
fn parse(event: &str) -> Received {
    if event == ":" {
        return Received::Comment;
    }
    if event == "event: complete\ndata: " {
        return Received::Complete;
    }
    let data = event.strip_prefix("event: next\ndata: ");
    let data = data.unwrap_or_else(|| panic!("no event: {event:?}"));
    Received::Next(serde_json::from_str(data).unwrap())
}
