//! How a connection ends: who ended it, under which code, and the last words.
//!
//! It owns the close handshake and the reading of read errors. It must never decide
//! that a connection ends; it is told.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::WebSocket;
use super::close_reason::CloseReason;

/// The half of a socket that writes.
pub type Sink = SplitSink<WebSocket, Message>;

/// The half of a socket that reads.
pub type Stream = SplitStream<WebSocket>;

/// How a connection came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server closes it.
    Close(CloseReason),
    /// The server closes it because it cannot read what the peer sends.
    Unreadable(CloseReason),
    /// The peer closed it, with this code.
    PeerClosed(u16),
    /// The peer vanished.
    Gone,
    /// The peer made no room for a message in time, or too little all the time.
    NotReading,
    /// The peer did not answer a ping in time.
    Silent,
}

impl Ending {
    /// What an error of reading means for the connection.
    pub fn of_read_error(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Self::Unreadable(CloseReason::MessageTooLarge),
            Error::Utf8(_) => Self::Unreadable(CloseReason::NotUtf8),
            // Not a word of farewell, which is no fault of the words before.
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Gone,
            Error::Protocol(_) => Self::Unreadable(CloseReason::ProtocolViolation),
            _ => Self::Gone,
        }
    }

    /// The close code for the metrics, or why the server cut the connection without one.
    /// A peer may choose its code freely, so that those nobody knows share a label.
    pub fn label(&self) -> String {
        match self {
            Self::Close(reason) | Self::Unreadable(reason) => reason.code().to_string(),
            Self::PeerClosed(code @ (1000..=1015 | 4004 | 4005 | 4499 | 4504)) => code.to_string(),
            Self::PeerClosed(_) => "other".to_owned(),
            Self::Gone => "1006".to_owned(),
            Self::NotReading => "not_reading".to_owned(),
            Self::Silent => "silent".to_owned(),
        }
    }

    /// Says farewell as this ending asks for, and waits until the peer agrees. A peer
    /// need not ever agree: the caller limits the time.
    pub async fn take_leave(self, sink: &mut Sink, stream: &mut Stream) {
        match self {
            Self::Gone | Self::NotReading | Self::Silent => {}
            Self::PeerClosed(_) => read_to_end(stream).await,
            Self::Close(reason) => {
                if say(sink, &reason).await.is_ok() {
                    read_to_end(stream).await;
                }
            }
            Self::Unreadable(reason) => {
                // A connection that is dropped with bytes unread is reset, and a reset
                // overtakes the close frame: the peer would not learn its fault, and
                // try again. So it gets all the time there is to read the frame.
                if say(sink, &reason).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

async fn say(sink: &mut Sink, reason: &CloseReason) -> Result<(), Error> {
    sink.send(Message::Close(Some(reason.frame()))).await
}

// Reading sends the answer to the peer's close, or meets the peer's answer to ours.
async fn read_to_end(stream: &mut Stream) {
    while let Some(Ok(_)) = stream.next().await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn codes_that_peers_invent_share_a_label() {
        assert_eq!(Ending::PeerClosed(1000).label(), "1000");
        assert_eq!(Ending::PeerClosed(3777).label(), "other");
        assert_eq!(Ending::Gone.label(), "1006");
    }

    #[test]
    fn a_peer_that_vanished_is_no_violation() {
        let ending = |error: Error| Ending::of_read_error(&error);
        assert_eq!(
            ending(ProtocolError::ResetWithoutClosingHandshake.into()),
            Ending::Gone
        );
        assert_eq!(
            ending(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            Ending::Gone
        );
        assert_eq!(
            ending(ProtocolError::NonZeroReservedBits.into()),
            Ending::Unreadable(CloseReason::ProtocolViolation)
        );
    }
}
