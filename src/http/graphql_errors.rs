//! The errors that the transports themselves write, and the codes all errors have.
//!
//! It owns the list of codes and the length of messages. It must never replace a
//! code that a resolver or a schema extension chose, nor put a cause, such as a
//! database's message, into an error.

use async_graphql::parser;
use async_graphql::{ErrorExtensionValues, ServerError};
use std::time::Duration;

use crate::graphql::{OVERLOAD_PAUSE, RETRY_AFTER_MS, code};

/// Longest message of an error, in characters. The library quotes what the client
/// sent, and that may be a megabyte.
const LONGEST_MESSAGE: usize = 300;

/// Most errors in one answer to a refused document: a short document can hold
/// thousands of faults, and the answer must not dwarf the request.
const MOST_REQUEST_ERRORS: usize = 20;

/// How async-graphql begins the message of an input value that its type refused.
/// These arise while resolvers run, and the library gives them no other mark.
const INPUT_VALUE_PREFIXES: [&str; 2] = ["Failed to parse \"", "Expected input type \""];

/// A stable `extensions.code` of an error that a transport wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request is not a GraphQL request at all.
    BadRequest,
    /// A value of an argument or a variable does not fit its type.
    BadUserInput,
    /// Only trusted documents are run, and this is none.
    DocumentNotTrusted,
    /// The operation asks for more than one operation may.
    GraphqlLimitExceeded,
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema.
    GraphqlValidationFailed,
    /// The server broke; the log knows why.
    InternalServerError,
    /// The schema is not told.
    IntrospectionDisabled,
    /// This HTTP method cannot do what was asked.
    MethodNotAllowed,
    /// The client accepts no media type that is served here.
    NotAcceptable,
    /// `operationName` names no operation, or is missing where there are several.
    OperationNotFound,
    /// A page of another origin asks, which is not in the list of those that may.
    OriginNotAllowed,
    /// The body is larger than the server reads.
    PayloadTooLarge,
    /// The caller has asked for too much, and may ask again later.
    RateLimited,
    /// The body did not come in time.
    RequestTimeout,
    /// The operation took too long; a mutation may have been done all the same.
    OperationTimeout,
    /// No document of this hash is known here: send the text, too.
    PersistedQueryNotFound,
    /// Documents are not known by their hashes here.
    PersistedQueryNotSupported,
    /// The server is about to stop.
    ServiceUnavailable,
    /// A subscription was sent over a transport that answers once.
    SubscriptionNotSupported,
    /// As many sockets and event streams are open as may be.
    TooManyConnections,
    /// The connection runs as many operations as it may, or the caller as many subscriptions.
    TooManySubscriptions,
    /// More is asked of the server than it can do.
    Unavailable,
    /// The bearer token is not valid.
    Unauthenticated,
    /// The body's `Content-Type` is not JSON.
    UnsupportedMediaType,
}

impl ErrorCode {
    /// The code as clients read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::DocumentNotTrusted => "DOCUMENT_NOT_TRUSTED",
            Self::GraphqlLimitExceeded => code::GRAPHQL_LIMIT_EXCEEDED,
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
            Self::IntrospectionDisabled => "INTROSPECTION_DISABLED",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::OperationNotFound => "OPERATION_NOT_FOUND",
            Self::OriginNotAllowed => "ORIGIN_NOT_ALLOWED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::RateLimited => "RATE_LIMITED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::OperationTimeout => "OPERATION_TIMEOUT",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
            Self::SubscriptionNotSupported => "SUBSCRIPTION_NOT_SUPPORTED",
            Self::TooManyConnections => "TOO_MANY_CONNECTIONS",
            Self::TooManySubscriptions => "TOO_MANY_SUBSCRIPTIONS",
            Self::Unavailable => code::UNAVAILABLE,
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
        }
    }
}

/// An error of a transport, ready for `errors[]`.
pub fn coded(code: ErrorCode, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(shortened(message.into()), None);
    set_code(&mut error, code);
    error
}

/// Whether an error has this code.
pub fn has_code(error: &ServerError, code: ErrorCode) -> bool {
    let found = error.extensions.as_ref();
    found.and_then(|extensions| extensions.get("code")) == Some(&code.name().into())
}

/// The same error, which says after which time the same may be asked again.
pub fn after(time: Duration, mut error: ServerError) -> ServerError {
    // Not a moment too early.
    let time = u64::try_from(time.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
    error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set(RETRY_AFTER_MS, time);
    error
}

/// The error for an operation that was not begun, because more is asked for than can be done.
pub fn overloaded() -> ServerError {
    let message = "the service is overloaded: try again";
    after(OVERLOAD_PAUSE, coded(ErrorCode::Unavailable, message))
}

/// The error for a document that could not be parsed.
pub fn parse_failed(cause: &parser::Error) -> ServerError {
    let mut error = coded(ErrorCode::GraphqlParseFailed, parse_message(cause));
    error.locations = cause.positions().collect();
    error
}

/// Gives the errors of a document that was refused before it ran their codes.
pub fn finish_request_errors(errors: &mut Vec<ServerError>) {
    errors.truncate(MOST_REQUEST_ERRORS);
    for error in errors {
        finish(error, ErrorCode::GraphqlValidationFailed);
    }
}

/// Gives the errors of resolvers a code where they have none.
pub fn finish_field_errors(errors: &mut [ServerError]) {
    for error in errors {
        let is_input = INPUT_VALUE_PREFIXES
            .iter()
            .any(|prefix| error.message.starts_with(prefix));
        let code = if is_input {
            ErrorCode::BadUserInput
        } else {
            ErrorCode::InternalServerError
        };
        finish(error, code);
    }
}

fn finish(error: &mut ServerError, default: ErrorCode) {
    let has_code = error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some());
    error.message = shortened(std::mem::take(&mut error.message));
    if !has_code {
        set_code(error, default);
    }
}

fn set_code(error: &mut ServerError, code: ErrorCode) {
    error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set("code", code.name());
}

fn parse_message(cause: &parser::Error) -> String {
    let parser::Error::Syntax { message, .. } = cause else {
        return cause.to_string();
    };
    // The parser draws the line with a caret under the fault, then says what it
    // wanted after `=`. The place is in `locations`, so the drawing is only an echo.
    let wanted = message
        .lines()
        .next_back()
        .and_then(|line| line.trim_start().strip_prefix("= "));
    match wanted {
        Some(wanted) => format!("syntax error: {wanted}"),
        None => "syntax error".to_owned(),
    }
}

fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn code_of(error: &ServerError) -> String {
        let extensions = error.extensions.as_ref().unwrap();
        extensions.get("code").unwrap().to_string()
    }

    #[test]
    fn a_syntax_error_does_not_echo_the_document() {
        let document = format!("{{ {} (", "secret ".repeat(500));
        let error = parse_failed(&parse_query(document).unwrap_err());
        assert!(!error.message.contains("secret"), "{}", error.message);
        assert!(error.message.starts_with("syntax error: expected "));
        assert_eq!(error.locations.len(), 1);
        assert_eq!(code_of(&error), "\"GRAPHQL_PARSE_FAILED\"");
    }

    #[test]
    fn messages_are_cut_between_characters() {
        let error = coded(ErrorCode::BadRequest, "é".repeat(400));
        assert_eq!(error.message.chars().count(), LONGEST_MESSAGE + 1);
        assert!(error.message.ends_with("é…"));
    }

    #[test]
    fn a_code_of_a_resolver_stays() {
        let mut own = ServerError::new("x".repeat(400), None);
        own.extensions
            .get_or_insert_with(ErrorExtensionValues::default)
            .set("code", "EVENT_NOT_FOUND");
        let mut errors = [own.clone()];
        finish_field_errors(&mut errors);
        assert_eq!(errors[0].extensions, own.extensions);
        assert_eq!(errors[0].message.chars().count(), LONGEST_MESSAGE + 1);
    }

    #[test]
    fn field_errors_without_a_code_get_one() {
        let mut errors = [
            ServerError::new("Failed to parse \"DateTime\": no", None),
            ServerError::new("broken", None),
        ];
        finish_field_errors(&mut errors);
        assert_eq!(code_of(&errors[0]), "\"BAD_USER_INPUT\"");
        assert_eq!(code_of(&errors[1]), "\"INTERNAL_SERVER_ERROR\"");
    }

    #[test]
    fn a_refused_document_gets_few_errors() {
        let mut errors = vec![ServerError::new("unknown field", None); 5_000];
        finish_request_errors(&mut errors);
        assert_eq!(errors.len(), MOST_REQUEST_ERRORS);
        assert_eq!(code_of(&errors[0]), "\"GRAPHQL_VALIDATION_FAILED\"");
    }
}
