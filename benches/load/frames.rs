//! A WebSocket as a client that counts microseconds has it: bytes out, frames in.

use crate::Outcome;

/// What asks for the socket. The key is no secret, and nobody looks at its answer.
pub fn handshake(address: &str) -> String {
    format!(
        "GET /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
}

/// Where the answer to that ends, when all of it is there.
pub fn end_of_handshake(bytes: &[u8]) -> Outcome<Option<usize>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    if bytes.starts_with(b"HTTP/1.1 101") {
        return Ok(Some(end + 4));
    }
    Err(format!("no socket: {}", String::from_utf8_lossy(&bytes[..end])).into())
}

/// A frame from the server.
pub enum Frame<'bytes> {
    Text(&'bytes [u8]),
    /// A part of a text.
    Piece {
        text: &'bytes [u8],
        is_last: bool,
    },
    Ping(&'bytes [u8]),
    Close(&'bytes [u8]),
    Other,
}

const WHOLE: u8 = 0x80;
const MASKED: u8 = 0x80;
/// What stands for a length that follows.
const IN_TWO_BYTES: u8 = 0x7e;
const IN_EIGHT_BYTES: u8 = 0x7f;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The first frame of these bytes and its length, when all of it is there. The server
/// masks nothing.
pub fn first(bytes: &[u8]) -> Outcome<Option<(Frame<'_>, usize)>> {
    let (Some(kind), Some(length)) = (bytes.first(), bytes.get(1)) else {
        return Ok(None);
    };
    let (head, length) = match *length {
        IN_TWO_BYTES => match bytes.get(2..4) {
            Some(length) => (4, usize::from(u16::from_be_bytes(length.try_into()?))),
            None => return Ok(None),
        },
        IN_EIGHT_BYTES => match bytes.get(2..10) {
            Some(length) => (10, u64::from_be_bytes(length.try_into()?).try_into()?),
            None => return Ok(None),
        },
        length => (2, usize::from(length)),
    };
    let Some(payload) = bytes.get(head..head + length) else {
        return Ok(None);
    };
    let frame = match (kind & WHOLE, kind & 0x0f) {
        (WHOLE, TEXT) => Frame::Text(payload),
        (whole, TEXT | CONTINUATION) => Frame::Piece {
            text: payload,
            is_last: whole == WHOLE,
        },
        (_, PING) => Frame::Ping(payload),
        (_, CLOSE) => Frame::Close(payload),
        _ => Frame::Other,
    };
    Ok(Some((frame, head + length)))
}

/// A message, as a client sends it.
pub fn text(message: &str) -> Vec<u8> {
    masked(TEXT, message.as_bytes())
}

/// What a ping is answered with.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    masked(PONG, payload)
}

/// Clients must mask; the mask may be zeros, which change nothing.
#[allow(clippy::cast_possible_truncation, reason = "compared before")]
fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![WHOLE | kind];
    match payload.len() {
        length @ 0..126 => frame.push(MASKED | length as u8),
        length => {
            frame.push(MASKED | IN_TWO_BYTES);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
