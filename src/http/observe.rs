//! One line of log and one count for each request.

use async_graphql::parser::types::OperationType;
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use std::time::{Duration, Instant};
use tower_http::request_id::RequestId;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

/// Most characters of a word that a client chose, in a line of the log.
const LONGEST_WORD: usize = 100;

/// Runs the request in a span that carries its id, and says how it ended.
/// Query strings are left out: they can hold tokens.
pub async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let span = tracing::info_span!(
        "request",
        id,
        operation = Empty,
        operation_name = Empty,
        error_code = Empty
    );
    async move {
        let response = next.run(request).await;
        let status = response.status();
        let elapsed = started.elapsed();
        let (code, elapsed_ms) = (status.as_u16(), milliseconds(elapsed));
        let route = route_label(route.as_ref(), status);
        // Checks of load balancers and scrapes come all the time.
        if matches!(route, "/healthz" | "/readyz" | "/metrics") {
            tracing::debug!(%method, path, status = code, elapsed_ms, "answered");
        } else {
            tracing::info!(%method, path, status = code, elapsed_ms, "answered");
        }
        histogram!("usher_http_request_seconds", "route" => route.to_owned())
            .record(elapsed.as_secs_f64());
        counter!(
            "usher_http_requests_total",
            "method" => method_label(&method),
            "route" => route.to_owned(),
            "status" => code.to_string()
        )
        .increment(1);
        response
    }
    .instrument(span)
    .await
}

/// Has all further lines of this request say which operation it is. Of the document
/// nothing else is logged: it can hold tokens.
pub fn note_operation(kind: OperationType, name: Option<&str>) {
    let span = Span::current();
    span.record("operation", display(kind));
    if let Some(name) = name {
        span.record("operation_name", shortened(name));
    }
}

/// Has all further lines of this request say what went wrong.
pub fn note_error(code: &str) {
    Span::current().record("error_code", shortened(code));
}

/// The beginning of a word that a client chose: a log is read line by line.
pub fn shortened(word: &str) -> &str {
    match word.char_indices().nth(LONGEST_WORD) {
        Some((end, _)) => word.get(..end).unwrap_or_default(),
        None => word,
    }
}

/// A time as the log has it: a number, to the microsecond.
pub fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

/// The route, unless there is nothing: paths that lead nowhere have no route of
/// their own, and the one of the pages' files would count what is no file.
fn route_label(route: Option<&MatchedPath>, status: StatusCode) -> &str {
    match route {
        Some(route) if status != StatusCode::NOT_FOUND => route.as_str(),
        _ => "other",
    }
}

/// The methods that anybody has a use for; a client can invent others without end.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(shortened("HoldTwoSeats"), "HoldTwoSeats");
        assert_eq!(shortened(&"é".repeat(300)), "é".repeat(LONGEST_WORD));
    }

    #[test]
    fn times_are_numbers_without_a_tail() {
        let elapsed = Duration::from_nanos(10_450_527);
        assert_eq!(milliseconds(elapsed).to_string(), "10.451");
    }
}
