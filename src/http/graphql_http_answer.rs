//! What goes back over HTTP: answers of GraphQL, and refusals in the same shape.
//!
//! It owns the headers of an answer and the errors that come before GraphQL. It must
//! never decide which status an answer has.

use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use std::time::Duration;

use super::graphql_answer::Answer;
use super::graphql_errors::{ErrorCode, after, coded};
use super::media_type::MediaType;
use super::observe::note_error;
use crate::graphql::OVERLOAD_PAUSE;

/// Refuses a request with an error in the shape that GraphQL's paths always answer with.
pub fn refuse(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Response {
    Refusal::new(status, code, message).into_response(MediaType::Json)
}

/// An answer of GraphQL as a response.
pub fn write_answer(status: StatusCode, media_type: MediaType, answer: &Answer) -> Response {
    if let Some(code) = answer.first_error_code() {
        note_error(code);
    }
    let (status, body) = match serde_json::to_vec(answer) {
        Ok(body) => (status, Body::from(body)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, Body::empty())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(answer.http_headers().clone());
    headers.insert(CONTENT_TYPE, media_type.header_value());
    // Answers depend on the caller and hold tokens, and a seat map is old at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The value of `Retry-After`: whole seconds, and none too few.
pub fn retry_after(time: Duration) -> HeaderValue {
    HeaderValue::from(seconds(time).max(1))
}

/// A time in whole seconds, and none too few.
pub fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Why a request was not given to GraphQL: its status is the same for both media types.
pub struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
    retry_after: Option<Duration>,
    offence: Option<Offence>,
}

/// What a page of somebody else's could make a browser send, if it were let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
pub enum Offence {
    /// A body of another type than JSON, as a form has.
    #[strum(to_string = "a body that is not JSON")]
    NotJson,
    /// A mutation by another method than POST, as behind a link.
    #[strum(to_string = "a mutation that was not sent by POST")]
    MutationByGet,
}

impl Refusal {
    /// A refusal without a header of its own.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            header: None,
            retry_after: None,
            offence: None,
        }
    }

    /// What was sent is no GraphQL request.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message)
    }

    /// The method cannot do what was asked; these can.
    pub fn method(allowed: &'static str, message: &'static str) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, ErrorCode::MethodNotAllowed, message)
            .with_header(ALLOW, HeaderValue::from_static(allowed))
    }

    /// The body has more bytes than are read.
    pub fn too_large(largest: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::PayloadTooLarge,
            format!("the body is larger than {largest} bytes"),
        )
    }

    /// The same, and its response says more in a header.
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    /// The same, and it says after which time the same may be asked again.
    pub fn after(self, time: Duration) -> Self {
        Self {
            retry_after: Some(time),
            ..self
        }
    }

    /// The same, and the security log has it.
    pub fn written_down_as(self, offence: Offence) -> Self {
        Self {
            offence: Some(offence),
            ..self
        }
    }

    /// What the security log says of it, if it says anything.
    pub fn offence(&self) -> Option<Offence> {
        self.offence
    }

    /// More is asked for than can be done: nothing was begun.
    pub fn overloaded() -> Self {
        let message = "the service is overloaded: try again";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            message,
        )
        .after(OVERLOAD_PAUSE)
    }

    /// The refusal as the client reads it.
    pub fn into_response(self, media_type: MediaType) -> Response {
        let error = coded(self.code, self.message);
        let error = match self.retry_after {
            Some(time) => after(time, error),
            None => error,
        };
        let answer = Answer::refused(error);
        let mut response = write_answer(self.status, media_type, &answer);
        let headers = response.headers_mut();
        headers.extend(self.header);
        headers.extend(
            self.retry_after
                .map(|time| (RETRY_AFTER, retry_after(time))),
        );
        response
    }
}
