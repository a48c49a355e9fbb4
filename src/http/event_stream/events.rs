//! The words of the protocol, as bytes.
//!
//! It owns the format of events. It must never send, wait, or know what a GraphQL
//! operation does. Events have no `id`: `Last-Event-ID` is not part of the protocol, and a
//! client that comes back says in its variables where it was.

use crate::http::enveloped::Enveloped;
use crate::http::graphql_answer::WrittenAnswer;
use axum::body::Bytes;

/// A comment, which every client passes over: the stream is still there.
pub const KEEP_ALIVE: Enveloped = Enveloped::bare(Bytes::from_static(b":\n\n"));

/// The end: nothing more of the operation follows. The empty data is for a browser's
/// `EventSource`, which passes over events without any.
pub const COMPLETE: Enveloped = Enveloped::bare(Bytes::from_static(b"event: complete\ndata: \n\n"));

const NEXT: Bytes = Bytes::from_static(b"event: next\ndata: ");

/// One answer of the operation. JSON has its line breaks escaped, so it is one line.
pub fn next(answer: &WrittenAnswer) -> Enveloped {
    Enveloped::new(&NEXT, &answer.text, b"\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::{Response, Value};

    #[test]
    fn an_answer_is_one_line_of_data() {
        let answer = WrittenAnswer::new(Response::new(Value::from("one\r\ntwo")));
        assert!(
            next(&answer)
                .pieces(usize::MAX)
                .eq(["event: next\ndata: {\"data\":\"one\\r\\ntwo\"}\n\n"])
        );
    }
}
