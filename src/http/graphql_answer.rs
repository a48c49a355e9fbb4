//! A GraphQL response as it goes out, over whichever transport.
//!
//! It owns the shape of an answer: its errors have codes, and `data` is left out
//! when nothing was executed, which the library's own response cannot say. It must
//! never know how the answer is sent.

use async_graphql::{Response, ServerError, Value};
use axum::body::Bytes;
use axum::http::HeaderMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::time::Duration;

use super::graphql_errors::{finish_field_errors, finish_request_errors};
use crate::graphql::{RETRY_AFTER_MS, code};

/// What an operation answered, ready to be written as JSON.
#[derive(Debug)]
pub struct Answer {
    response: Response,
    executed: bool,
    has_data: bool,
}

impl Answer {
    /// The answer of the executor.
    pub fn new(mut response: Response) -> Self {
        let executed = was_executed(&response);
        if executed {
            finish_field_errors(&mut response.errors);
        } else {
            finish_request_errors(&mut response.errors);
        }
        Self {
            has_data: response.data != Value::Null,
            response,
            executed,
        }
    }

    /// The answer to a request that never reached the executor.
    pub fn refused(error: ServerError) -> Self {
        Self::new(Response::from_errors(vec![error]))
    }

    /// Whether execution began. If not, there are errors and nothing else.
    pub fn was_executed(&self) -> bool {
        self.executed
    }

    /// What went wrong, if anything.
    pub fn errors(&self) -> &[ServerError] {
        &self.response.errors
    }

    /// The code of the first error: what the log says of an answer with errors.
    pub fn first_error_code(&self) -> Option<&str> {
        match self.errors().first()?.extensions.as_ref()?.get("code")? {
            Value::String(code) => Some(code),
            _ => None,
        }
    }

    /// When to ask again, if there is nothing but errors, and each of a field that did nothing
    /// because the server is overloaded.
    pub fn retry_after(&self) -> Option<Duration> {
        if self.errors().is_empty() || self.has_data {
            return None;
        }
        let waits = self.errors().iter().map(|error| {
            let extensions = error.extensions.as_ref()?;
            let code = extensions.get("code")?;
            let is_unavailable = *code == Value::from(code::UNAVAILABLE);
            let Value::Number(wait) = extensions.get(RETRY_AFTER_MS)? else {
                return None;
            };
            let wait = is_unavailable.then(|| wait.as_u64()).flatten()?;
            Some(Duration::from_millis(wait))
        });
        let waits: Option<Vec<Duration>> = waits.collect();
        waits?.into_iter().max()
    }

    /// The HTTP headers that resolvers asked for.
    pub fn http_headers(&self) -> &HeaderMap {
        &self.response.http_headers
    }
}

/// An answer as the text that it is on the wire: written once, for everybody who is
/// answered the same.
#[derive(Debug)]
pub struct WrittenAnswer {
    /// What the text says, without its data, which takes many times the room of the text.
    pub answer: Answer,
    /// It as JSON.
    pub text: Bytes,
}

impl WrittenAnswer {
    /// The answer of the executor.
    pub fn new(response: Response) -> Self {
        Self::of(Answer::new(response))
    }

    /// The answer to a request that never reached the executor.
    pub fn refused(error: ServerError) -> Self {
        Self::of(Answer::refused(error))
    }

    fn of(mut answer: Answer) -> Self {
        let text = serde_json::to_vec(&answer).unwrap_or_else(|error| {
            tracing::error!(%error, "an answer could not be written as JSON");
            b"null".to_vec()
        });
        answer.response.data = Value::Null;
        Self {
            answer,
            text: text.into(),
        }
    }
}

impl PartialEq for WrittenAnswer {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

// The library answers `data: null` both for a refused document and for a root field
// that failed. Only the errors of fields have a path, and that tells the two apart.
fn was_executed(response: &Response) -> bool {
    response.data != Value::Null
        || response.errors.is_empty()
        || response.errors.iter().any(|error| !error.path.is_empty())
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // Errors first, so that a person who reads the answer does not miss them.
        if !self.response.errors.is_empty() {
            map.serialize_entry("errors", &self.response.errors)?;
        }
        if self.executed {
            map.serialize_entry("data", &self.response.data)?;
        }
        if !self.response.extensions.is_empty() {
            map.serialize_entry("extensions", &self.response.extensions)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::PathSegment;

    use super::*;

    fn written(answer: &Answer) -> String {
        serde_json::to_string(answer).unwrap()
    }

    #[test]
    fn a_refused_request_has_no_data() {
        let answer = Answer::new(Response::from_errors(vec![ServerError::new("no", None)]));
        assert!(!answer.was_executed());
        assert_eq!(answer.first_error_code(), Some("GRAPHQL_VALIDATION_FAILED"));
        assert_eq!(
            written(&answer),
            r#"{"errors":[{"message":"no","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#
        );
    }

    #[test]
    fn a_failed_root_field_has_null_data() {
        let error =
            ServerError::new("no", None).with_path(vec![PathSegment::Field("event".to_owned())]);
        let answer = Answer::new(Response::from_errors(vec![error]));
        assert!(answer.was_executed());
        assert!(written(&answer).ends_with(r#""data":null}"#));
    }

    #[test]
    fn a_success_has_no_errors() {
        let answer = Answer::new(Response::new(Value::from(1)));
        assert_eq!(written(&answer), r#"{"data":1}"#);
        assert_eq!(answer.first_error_code(), None);
    }
}
