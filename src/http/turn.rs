//! Whose turn it is on a connection: the client's, to say something, or the server's, to answer.
//!
//! It must never know what is said.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Response, StatusCode};
use hyper::body::{Frame, SizeHint};

const CLIENTS: u8 = 0;
const SERVERS: u8 = 1;
/// No turns any more: both may talk at any time.
const SOCKET: u8 = 2;

/// Whose turn it is. Its clones know the same; at first it is the client's.
#[derive(Clone, Debug, Default)]
pub struct Turn(Arc<AtomicU8>);

/// The server's turn, until this is dropped.
#[derive(Debug)]
pub struct Answering(Turn);

impl Turn {
    /// Whether the client need not say anything: it is being answered, or there are no turns.
    pub fn is_servers(&self) -> bool {
        self.0.load(Ordering::Relaxed) != CLIENTS
    }

    /// A request is there. From now on it is the server's turn.
    pub fn begin(&self) -> Answering {
        self.0.store(SERVERS, Ordering::Relaxed);
        Answering(self.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let Turn(turn) = &self.0;
        // A socket stays one.
        let _ = turn.compare_exchange(SERVERS, CLIENTS, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl Answering {
    /// Has the server's turn last as long as the answer does.
    pub fn with(self, response: Response<Body>) -> Response<AnswerBody> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.0.0.store(SOCKET, Ordering::Relaxed);
        }
        response.map(|body| AnswerBody {
            body,
            _answering: self,
        })
    }
}

/// The body of an answer, and the turn that ends with it.
pub struct AnswerBody {
    body: Body,
    _answering: Answering,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_ends_with_the_answer() {
        let turn = Turn::default();
        assert!(!turn.is_servers());
        let answering = turn.begin();
        assert!(turn.is_servers());
        let response = answering.with(Response::new(Body::from("an answer")));
        assert!(turn.is_servers());
        drop(response);
        assert!(!turn.is_servers());
        // Also when there is none.
        drop(turn.begin());
        assert!(!turn.is_servers());
    }

    #[test]
    fn a_socket_has_no_turns() {
        let turn = Turn::default();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        drop(turn.begin().with(response));
        assert!(turn.is_servers());
    }
}
