//! The words of `graphql-transport-ws`: messages in, frames out.
//!
//! It owns the JSON. It must never send, wait, or know what a GraphQL
//! operation does.

use async_graphql::ServerError;
use axum::body::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::http::enveloped::Enveloped;
use crate::http::graphql_answer::{Answer, WrittenAnswer};
use crate::http::graphql_request::{ParameterError, Parameters, kind_of};

/// The name of the protocol in the handshake.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Longest id of an operation. Every message of the operation repeats it, so that a
/// long one would turn a small request into a flood.
const LONGEST_ID: usize = 256;

/// A message from the peer.
#[derive(Debug)]
pub enum ClientMessage {
    /// Asks for the connection, perhaps with a credential.
    ConnectionInit(Map<String, Value>),
    /// Wants a pong with the same payload.
    Ping(Option<Value>),
    /// Answers a ping, or shows a sign of life.
    Pong,
    /// Starts an operation.
    Subscribe {
        /// Chosen by the peer; unique among its running operations.
        id: String,
        /// What to run.
        parameters: Parameters,
    },
    /// Wants no more of an operation.
    Complete {
        /// The operation.
        id: String,
    },
}

/// Why a message is not one of the protocol. The text goes into the close frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// A binary frame.
    #[error("binary messages are not part of {SUBPROTOCOL}")]
    Binary,
    /// Not JSON at all.
    #[error("the message is not JSON")]
    NotJson,
    /// JSON of another kind than an object.
    #[error("the message must be an object, not {0}")]
    NotAnObject(&'static str),
    /// No `type`, or not a string.
    #[error("the message has no `type`")]
    TypeMissing,
    /// A type that only a server sends, or that nobody does.
    #[error("a client sends no message of type `{0}`")]
    TypeUnknown(String),
    /// No `id`, or not a string, or empty.
    #[error("a message of type `{0}` must have a non-empty `id`")]
    IdMissing(&'static str),
    /// An id that is too long to be repeated.
    #[error("`id` is longer than {LONGEST_ID} bytes")]
    IdTooLong,
    /// A payload of the wrong kind.
    #[error("the `payload` of `{kind}` must be an object, not {found}")]
    PayloadType {
        /// The message's type.
        kind: &'static str,
        /// What the payload is.
        found: &'static str,
    },
    /// A payload of `subscribe` that is no GraphQL request.
    #[error("in the payload of `subscribe`, {0}")]
    Parameters(#[from] ParameterError),
}

impl ClientMessage {
    /// Reads the text of one frame.
    pub fn parse(text: &str) -> Result<Self, InvalidMessage> {
        let mut message = match serde_json::from_str(text) {
            Ok(Value::Object(message)) => message,
            Ok(other) => return Err(InvalidMessage::NotAnObject(kind_of(&other))),
            Err(_) => return Err(InvalidMessage::NotJson),
        };
        let Some(Value::String(kind)) = message.remove("type") else {
            return Err(InvalidMessage::TypeMissing);
        };
        match kind.as_str() {
            "connection_init" => {
                let payload = take_payload(&mut message, "connection_init")?;
                Ok(Self::ConnectionInit(payload.unwrap_or_default()))
            }
            "ping" => {
                let payload = take_payload(&mut message, "ping")?;
                Ok(Self::Ping(payload.map(Value::Object)))
            }
            "pong" => {
                take_payload(&mut message, "pong")?;
                Ok(Self::Pong)
            }
            "subscribe" => {
                let id = take_id(&mut message, "subscribe")?;
                let payload = take_payload(&mut message, "subscribe")?;
                let payload = payload.ok_or(InvalidMessage::PayloadType {
                    kind: "subscribe",
                    found: "null",
                })?;
                let parameters = Parameters::from_object(payload)?;
                Ok(Self::Subscribe { id, parameters })
            }
            "complete" => {
                let id = take_id(&mut message, "complete")?;
                Ok(Self::Complete { id })
            }
            _ => Err(InvalidMessage::TypeUnknown(kind)),
        }
    }
}

fn take_id(message: &mut Map<String, Value>, kind: &'static str) -> Result<String, InvalidMessage> {
    match message.remove("id") {
        Some(Value::String(id)) if id.len() > LONGEST_ID => Err(InvalidMessage::IdTooLong),
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err(InvalidMessage::IdMissing(kind)),
    }
}

fn take_payload(
    message: &mut Map<String, Value>,
    kind: &'static str,
) -> Result<Option<Map<String, Value>>, InvalidMessage> {
    match message.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(other) => Err(InvalidMessage::PayloadType {
            kind,
            found: kind_of(&other),
        }),
    }
}

/// `connection_ack`: operations may be started.
pub fn connection_ack() -> Enveloped {
    Enveloped::bare(Bytes::from_static(br#"{"type":"connection_ack"}"#))
}

/// `pong`, with the payload of the ping.
pub fn pong(payload: Option<&Value>) -> Enveloped {
    write(None, "pong", payload)
}

/// `next`: one result of an operation.
pub fn next(id: &str, answer: &Answer) -> Enveloped {
    write(Some(id), "next", Some(answer))
}

/// `next`, again and again: the results of one operation, which are JSON already.
pub struct Next {
    before: Bytes,
}

impl Next {
    /// Those of the operation of this id.
    pub fn of(id: &str) -> Self {
        // A string is always written.
        let id = serde_json::to_string(id).unwrap_or_default();
        Self {
            before: format!(r#"{{"id":{id},"type":"next","payload":"#).into(),
        }
    }

    /// One of them.
    pub fn with(&self, answer: &WrittenAnswer) -> Enveloped {
        Enveloped::new(&self.before, &answer.text, b"}")
    }
}

/// `error`: the operation was refused, and nothing more of it follows.
pub fn error(id: &str, errors: &[ServerError]) -> Enveloped {
    write(Some(id), "error", Some(errors))
}

/// `complete`: nothing more of the operation follows.
pub fn complete(id: &str) -> Enveloped {
    write(Some(id), "complete", None::<&Value>)
}

#[derive(Serialize)]
struct ServerMessage<'message, Payload: Serialize> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'message str>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
}

fn write(id: Option<&str>, r#type: &'static str, payload: Option<impl Serialize>) -> Enveloped {
    let message = ServerMessage {
        id,
        r#type,
        payload,
    };
    match serde_json::to_vec(&message) {
        Ok(text) => Enveloped::bare(text.into()),
        // Only a payload can fail to be written, and the peer must still learn that
        // nothing more comes.
        Err(error) => {
            tracing::error!(%error, "a message could not be written as JSON");
            match id {
                Some(id) => complete(id),
                None => pong(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::Response;

    fn text(enveloped: Enveloped) -> Bytes {
        enveloped.pieces(usize::MAX).next().unwrap()
    }

    fn refusal(text: &str) -> String {
        ClientMessage::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn messages_are_read() {
        assert!(matches!(
            ClientMessage::parse(r#"{"type":"connection_init","payload":null}"#),
            Ok(ClientMessage::ConnectionInit(payload)) if payload.is_empty()
        ));
        assert!(matches!(
            ClientMessage::parse(r#"{"type":"ping","payload":{"at":1}}"#),
            Ok(ClientMessage::Ping(Some(_)))
        ));
        assert!(matches!(
            ClientMessage::parse(r#"{"id":"1","type":"subscribe","payload":{"query":"{a}"}}"#),
            Ok(ClientMessage::Subscribe { id, parameters })
                if id == "1" && parameters.query.as_deref() == Some("{a}")
        ));
    }

    #[test]
    fn what_is_no_message_says_why() {
        assert_eq!(refusal("{"), "the message is not JSON");
        assert_eq!(refusal("[]"), "the message must be an object, not an array");
        assert_eq!(refusal("{}"), "the message has no `type`");
        assert_eq!(
            refusal(r#"{"type":"next"}"#),
            "a client sends no message of type `next`"
        );
        assert_eq!(
            refusal(r#"{"type":"complete","id":""}"#),
            "a message of type `complete` must have a non-empty `id`"
        );
        assert_eq!(
            refusal(r#"{"type":"pong","payload":[]}"#),
            "the `payload` of `pong` must be an object, not an array"
        );
        assert_eq!(
            refusal(r#"{"id":"1","type":"subscribe","payload":{"query":1}}"#),
            "in the payload of `subscribe`, `query` must be a string, not a number"
        );
        assert_eq!(
            refusal(&format!(
                r#"{{"type":"complete","id":"{}"}}"#,
                "x".repeat(300)
            )),
            "`id` is longer than 256 bytes"
        );
    }

    #[test]
    fn messages_are_written() {
        assert_eq!(text(complete("a\"b")), r#"{"id":"a\"b","type":"complete"}"#);
        assert_eq!(text(pong(None)), r#"{"type":"pong"}"#);
        let answer = WrittenAnswer::new(Response::new(async_graphql::Value::from(1)));
        assert_eq!(
            text(Next::of("a\"b").with(&answer)),
            r#"{"id":"a\"b","type":"next","payload":{"data":1}}"#
        );
        let payload = serde_json::json!({"at": 1});
        assert_eq!(
            text(pong(Some(&payload))),
            r#"{"type":"pong","payload":{"at":1}}"#
        );
        assert_eq!(
            text(error("1", &[ServerError::new("no", None)])),
            r#"{"id":"1","type":"error","payload":[{"message":"no"}]}"#
        );
    }
}
