//! How a message becomes frames.
//!
//! The library copies each frame into a buffer of the socket, which never shrinks again.
//! A large map in one frame would therefore stay with each of its watchers for good: large
//! messages are sent in pieces (RFC 6455, section 5.4), and a socket costs the same
//! whatever it was sent.

use std::iter;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::http::enveloped::Enveloped;

/// The longest payload of one frame, in bytes.
const LONGEST_FRAME: usize = 8 * 1024;

/// The frames of a text message, in order.
pub fn of_text(text: Enveloped) -> impl Iterator<Item = Message> {
    let mut pieces = text.pieces(LONGEST_FRAME).peekable();
    let mut kind = Data::Text;
    iter::from_fn(move || {
        let piece = pieces.next()?;
        let is_last = pieces.peek().is_none();
        let frame = Frame::message(piece, OpCode::Data(kind), is_last);
        kind = Data::Continue;
        Some(Message::Frame(frame))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;

    /// Of each frame what it is, whether it is the last, and how long.
    fn frames(length: usize) -> Vec<(OpCode, bool, usize)> {
        let text = Enveloped::bare(Bytes::from(vec![b' '; length]));
        let frames = of_text(text).map(|message| match message {
            Message::Frame(frame) => {
                let header = frame.header();
                (header.opcode, header.is_final, frame.payload().len())
            }
            other => panic!("{other:?}"),
        });
        frames.collect()
    }

    #[test]
    fn a_message_that_fits_is_one_frame() {
        let text = OpCode::Data(Data::Text);
        assert_eq!(frames(LONGEST_FRAME), [(text, true, LONGEST_FRAME)]);
    }

    #[test]
    fn a_longer_one_goes_on_in_more() {
        let (text, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
        assert_eq!(
            frames(2 * LONGEST_FRAME + 1),
            [
                (text, false, LONGEST_FRAME),
                (more, false, LONGEST_FRAME),
                (more, true, 1)
            ]
        );
    }
}
