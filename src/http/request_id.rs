//! The id of a request that the client, or a proxy before it, has chosen.
//!
//! It owns what such an id may look like. It goes into every line of the log and back
//! into the answer, so that it must never be long, or hold what ends a line or a field.

use axum::extract::Request;
use axum::http::HeaderName;

/// The header of the id, in requests and answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken: three UUIDs and some words around them.
const LONGEST_ID: usize = 128;

/// Drops an id that is not taken, so that the request is given one of its own.
pub async fn forget_unusable(mut request: Request) -> Request {
    let mut ids = request.headers().get_all(REQUEST_ID).iter();
    // Of several, nobody could tell which one the client means.
    let usable = match (ids.next(), ids.next()) {
        (Some(id), None) => is_usable(id.as_bytes()),
        _ => false,
    };
    if !usable {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

fn is_usable(id: &[u8]) -> bool {
    (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_short_printable_word() {
        for usable in ["7", "of-the-proxy-7", "Root=1-67891233-abcdef;Self=~!"] {
            assert!(is_usable(usable.as_bytes()), "{usable}");
        }
        assert!(is_usable(&[b'x'; LONGEST_ID]));
        assert!(!is_usable(&[b'x'; LONGEST_ID + 1]));
        for unusable in [&b""[..], b"two words", b"a\ttab", b"caf\xc3\xa9", b"\x7f"] {
            assert!(!is_usable(unusable), "{unusable:?}");
        }
    }
}
