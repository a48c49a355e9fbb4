//! The id of a request that a trusted proxy has chosen; any other request is given one.
//!
//! It owns whose ids are taken, and what they may look like. An id goes into every line of the
//! log and back into the answer, so that it must never be long, or hold what ends a line or a
//! field. Nor may a client choose it: a line with the id of somebody else's request would say
//! that it was theirs.

use super::client_address::Proxies;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// The header of the id, in requests and answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken: three UUIDs and some words around them.
const LONGEST_ID: usize = 128;

/// Drops an id that is not taken, so that the request is given one of its own.
pub async fn forget_unusable(
    State(proxies): State<Arc<Proxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut ids = request.headers().get_all(REQUEST_ID).iter();
    // Of several, nobody could tell which one the client means.
    let usable = match (ids.next(), ids.next()) {
        (Some(id), None) => is_usable(id.as_bytes()) && proxies.sent(&request),
        _ => false,
    };
    if !usable {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
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
