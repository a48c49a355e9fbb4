//! Requests over HTTP, given to all routes of usher: each is answered in time and with what its
//! path answers with, and none makes the server fail.
//!
//! The input is a request as HTTP/1.1 writes it, with `\n` or `\r\n` after each line: method and
//! target, headers, an empty line, and the body as it is. `STAFF-TOKEN` and `BUYER-TOKEN` stand
//! for tokens that are believed.

use super::answers::check_answer;
use super::server::Server;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use tower::ServiceExt;

/// hyper takes no more.
const MOST_HEADERS: usize = 100;

/// Longest that anything takes: longer than every limit of the server.
const LONGEST: Duration = Duration::from_mins(2);

/// Answers of GraphQL, and the largest files of the pages.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Asks for what the input says, if it says anything that hyper would let through.
pub fn check(input: &[u8]) {
    Server::with(async |server| {
        let Some(request) = read(server, input) else {
            return;
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answered = server.router.clone().oneshot(request);
        let answered = timeout(LONGEST, answered).await;
        let Ok(response) = answered.expect("every request is answered in time");
        check_response(&method, &uri, response).await;
        let ended = timeout(LONGEST, async {
            while !server.tasks.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        ended.await.expect("nothing goes on behind an answer");
    });
}

fn read(server: &Server, input: &[u8]) -> Option<Request<Body>> {
    let (first, mut rest) = line(input)?;
    let mut words = first.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = Uri::try_from(words.next()?).ok()?;
    let mut request = Request::builder().method(method).uri(uri);
    for _ in 0..MOST_HEADERS {
        let Some((header, after)) = line(rest) else {
            break;
        };
        rest = after;
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&header[..colon]).ok()?;
        let value = header[colon + 1..].trim_ascii();
        let value = match std::str::from_utf8(value) {
            Ok(text) => HeaderValue::from_str(&server.with_tokens(text)),
            Err(_) => HeaderValue::from_bytes(value),
        };
        request = request.header(name, value.ok()?);
    }
    request.body(Body::from(Bytes::copy_from_slice(rest))).ok()
}

/// The first line without its end, and what follows.
fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let line = &input[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &input[end + 1..]))
}

async fn check_response(method: &Method, uri: &Uri, response: Response<Body>) {
    let (parts, body) = response.into_parts();
    let asks_database = uri.path() == "/readyz" || uri.path().starts_with("/plans/");
    if !(asks_database && parts.status == StatusCode::SERVICE_UNAVAILABLE) {
        assert!(!parts.status.is_server_error(), "{method} {uri}: {parts:?}");
    }
    for always in [
        "x-request-id",
        "x-content-type-options",
        "content-security-policy",
    ] {
        assert!(
            parts.headers.contains_key(always),
            "{method} {uri} without {always}"
        );
    }
    let body = timeout(LONGEST, to_bytes(body, LARGEST_ANSWER)).await;
    let body = body
        .expect("every answer ends")
        .expect("and is not too large");
    let is_graphql = matches!(uri.path(), "/graphql" | "/graphql/stream");
    if !is_graphql
        || parts.status == StatusCode::SWITCHING_PROTOCOLS
        || parts.headers.contains_key(CONTENT_ENCODING)
        || body.is_empty() && (method == Method::HEAD || is_preflight(method, parts.status))
    {
        return;
    }
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match kind.expect("an answer has a type").split(';').next() {
        Some("text/event-stream") => check_events(&body),
        Some("application/json" | "application/graphql-response+json") => {
            let answer: Value = serde_json::from_slice(&body).expect("an answer is JSON");
            check_answer(&answer);
            let is_refused = parts.status.is_client_error();
            assert!(
                !is_refused || answer.get("data").is_none(),
                "{parts:?} {answer}"
            );
        }
        other => panic!("{method} {uri} is answered with {other:?}"),
    }
}

/// Only a browser asks like this, and it looks at the headers.
fn is_preflight(method: &Method, status: StatusCode) -> bool {
    method == Method::OPTIONS && status.is_success()
}

fn check_events(body: &[u8]) {
    let text = std::str::from_utf8(body).expect("events are UTF-8");
    assert!(
        text.ends_with("event: complete\ndata: \n\n"),
        "no end: {text}"
    );
    for event in text.split_terminator("\n\n").filter(|event| *event != ":") {
        let (kind, data) = event.split_once('\n').expect("an event has two lines");
        let data = data.strip_prefix("data: ").expect("an event has data");
        match kind {
            "event: next" => {
                check_answer(&serde_json::from_str(data).expect("an answer is JSON"));
            }
            "event: complete" => assert_eq!(data, ""),
            other => panic!("{other}"),
        }
    }
}
