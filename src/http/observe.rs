//! One line of log and one count for each request.

use super::client_address::ClientAddress;
use crate::domain::text;
use crate::trail;
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

/// What nginx made known as "client closed request": nobody is left to be answered.
const CLIENT_LEFT: u16 = 499;

/// Runs the request in a span that carries its id, and says how it ended: also
/// when it is dropped half-way, because its client has left or the server stops.
/// Query strings are left out: they can hold tokens.
pub async fn observe(request: Request, next: Next) -> Response {
    let observed = Observed {
        started: Instant::now(),
        method: request.method().clone(),
        path: readable(request.uri().path()),
        route: request.extensions().get::<MatchedPath>().cloned(),
        status: None,
    };
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let client = request.extensions().get::<ClientAddress>();
    // With the target of the security log, whose lines need it whatever else is left out.
    let span = tracing::info_span!(
        target: trail::TARGET,
        "request",
        id,
        client = client.map(|client| display(client.0)),
        operation = Empty,
        operation_name = Empty,
        error_code = Empty
    );
    async move {
        // As a whole, so that it is dropped with the work and in its span.
        let mut observed = observed;
        let response = next.run(request).await;
        observed.status = Some(response.status());
        response
    }
    .instrument(span)
    .await
}

/// A request; its line is written and its count made when this is dropped.
struct Observed {
    started: Instant,
    method: Method,
    path: String,
    route: Option<MatchedPath>,
    /// What it was answered with; nothing while it runs.
    status: Option<StatusCode>,
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Self { method, path, .. } = self;
        let elapsed = self.started.elapsed();
        let elapsed_ms = milliseconds(elapsed);
        let status = self.status.map_or(CLIENT_LEFT, |status| status.as_u16());
        let route = route_label(self.route.as_ref(), self.status);
        if self.status.is_none() {
            tracing::info!(%method, path, status, elapsed_ms, "left without an answer");
        } else if matches!(route, "/healthz" | "/readyz" | "/metrics") {
            // Checks of load balancers and scrapes come all the time.
            tracing::debug!(%method, path, status, elapsed_ms, "answered");
        } else {
            tracing::info!(%method, path, status, elapsed_ms, "answered");
        }
        histogram!("usher_http_request_seconds", "route" => route.to_owned())
            .record(elapsed.as_secs_f64());
        counter!(
            "usher_http_requests_total",
            "method" => method_label(method),
            "route" => route.to_owned(),
            "status" => status.to_string()
        )
        .increment(1);
    }
}

/// Has all further lines of this request say which operation it is. Of the document
/// nothing else is logged: it can hold tokens.
pub fn note_operation(kind: OperationType, name: Option<&str>) {
    let span = Span::current();
    span.record("operation", display(kind));
    if let Some(name) = name {
        span.record("operation_name", readable(name));
    }
}

/// Has all further lines of this request say what went wrong.
pub fn note_error(code: &str) {
    Span::current().record("error_code", readable(code));
}

/// The beginning of a word that a client chose, and nothing in it that moves a terminal or makes
/// a line look like another one: a log is read line by line.
pub fn readable(word: &str) -> String {
    let beginning = match word.char_indices().nth(LONGEST_WORD) {
        Some((end, _)) => word.get(..end).unwrap_or_default(),
        None => word,
    };
    match text::unfit_character(beginning) {
        Some(_) => beginning.escape_default().to_string(),
        None => beginning.to_owned(),
    }
}

/// A time as the log has it: a number, to the microsecond.
pub fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

/// The route, unless there is nothing: paths that lead nowhere have no route of
/// their own, and the one of the pages' files would count what is no file.
fn route_label(route: Option<&MatchedPath>, status: Option<StatusCode>) -> &str {
    match route {
        Some(route) if status != Some(StatusCode::NOT_FOUND) => route.as_str(),
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
        assert_eq!(readable("HoldTwoSeats"), "HoldTwoSeats");
        assert_eq!(readable(&"é".repeat(300)), "é".repeat(LONGEST_WORD));
    }

    #[test]
    fn words_are_written_out_that_a_terminal_would_obey() {
        for (word, written) in [
            ("1\r\n2026 INFO", "1\\r\\n2026 INFO"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("/\u{9b}2J", "/\\u{9b}2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(readable(word), written);
        }
    }

    #[test]
    fn times_are_numbers_without_a_tail() {
        let elapsed = Duration::from_nanos(10_450_527);
        assert_eq!(milliseconds(elapsed).to_string(), "10.451");
    }
}
