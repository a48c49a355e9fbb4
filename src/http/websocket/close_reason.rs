//! The reasons for which a server closes a socket, with their codes.
//!
//! It owns what a client reads in a close frame. It must never decide that one is closed.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::protocol::InvalidMessage;
use crate::auth::AuthenticationError;

/// Longest reason that fits a close frame.
const LONGEST_REASON: usize = 123;

/// Why the server closes a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The server stops.
    ShuttingDown,
    /// The bytes are not what RFC 6455 allows.
    ProtocolViolation,
    /// A text frame is not UTF-8.
    NotUtf8,
    /// More messages come than may.
    TooManyMessages,
    /// A message is larger than it may be.
    MessageTooLarge,
    /// A message is not one of the protocol.
    InvalidMessage(String),
    /// An operation before `connection_ack`.
    Unauthorized,
    /// The credential was refused, or its time is over.
    Forbidden(AuthenticationError),
    /// The handshake did not offer the subprotocol.
    SubprotocolNotAcceptable,
    /// `connection_init` did not come in time.
    InitialisationTimeout,
    /// The id of a running operation was used again.
    SubscriberExists(String),
    /// A second `connection_init`.
    TooManyInitialisations,
}

impl CloseReason {
    /// The code of the close frame.
    pub fn code(&self) -> u16 {
        match self {
            Self::ShuttingDown => 1001,
            Self::ProtocolViolation => 1002,
            Self::NotUtf8 => 1007,
            Self::TooManyMessages => 1008,
            Self::MessageTooLarge => 1009,
            Self::InvalidMessage(_) => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden(_) => 4403,
            Self::SubprotocolNotAcceptable => 4406,
            Self::InitialisationTimeout => 4408,
            Self::SubscriberExists(_) => 4409,
            Self::TooManyInitialisations => 4429,
        }
    }

    /// The close frame.
    pub fn frame(&self) -> CloseFrame {
        // Those of the protocol begin as its specification has them, so that a client
        // finds what it looks for.
        let reason = match self {
            Self::ShuttingDown => "the server is shutting down".into(),
            Self::ProtocolViolation => "WebSocket protocol error".into(),
            Self::NotUtf8 => "text must be UTF-8".into(),
            Self::TooManyMessages => "too many messages".into(),
            Self::MessageTooLarge => "the message is too large".into(),
            Self::InvalidMessage(why) => cut_to(why, LONGEST_REASON).into(),
            Self::Unauthorized => "Unauthorized".into(),
            Self::Forbidden(why) => {
                let reason = format!("Forbidden: {why}");
                cut_to(&reason, LONGEST_REASON).to_owned().into()
            }
            Self::SubprotocolNotAcceptable => "Subprotocol not acceptable".into(),
            Self::InitialisationTimeout => "Connection initialisation timeout".into(),
            Self::SubscriberExists(id) => {
                let around = "Subscriber for  already exists".len();
                let id = cut_to(id, LONGEST_REASON - around);
                format!("Subscriber for {id} already exists").into()
            }
            Self::TooManyInitialisations => "Too many initialisation requests".into(),
        };
        CloseFrame {
            code: self.code().into(),
            reason,
        }
    }
}

impl From<InvalidMessage> for CloseReason {
    fn from(invalid: InvalidMessage) -> Self {
        // Cut here already: the text may quote the peer, and reasons are logged.
        let why = invalid.to_string();
        Self::InvalidMessage(cut_to(&why, LONGEST_REASON).to_owned())
    }
}

fn cut_to(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_its_frame() {
        let long = "é".repeat(200);
        for reason in [
            CloseReason::SubscriberExists(long.clone()),
            CloseReason::InvalidMessage(long),
        ] {
            let frame = reason.frame();
            assert!(frame.reason.len() <= LONGEST_REASON, "{}", frame.reason);
        }
        assert_eq!(
            CloseReason::SubscriberExists("7".to_owned()).frame().reason,
            "Subscriber for 7 already exists"
        );
    }
}
