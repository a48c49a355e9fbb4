//! One line of log and one count for each request.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use std::time::Instant;
use tower_http::request_id::RequestId;
use tracing::Instrument;

/// Runs the request in a span that carries its id, and says how it ended.
/// Query strings are left out: they can hold tokens.
pub async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let span = tracing::info_span!("request", id);
    async move {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        // Checks of load balancers and scrapes come all the time.
        if matches!(route.as_str(), "/healthz" | "/readyz" | "/metrics") {
            tracing::debug!(%method, path, status, ?elapsed, "answered");
        } else {
            tracing::info!(%method, path, status, ?elapsed, "answered");
        }
        histogram!("usher_http_request_seconds", "route" => route.clone())
            .record(elapsed.as_secs_f64());
        counter!(
            "usher_http_requests_total",
            "method" => method_label(&method), "route" => route, "status" => status.to_string()
        )
        .increment(1);
        response
    }
    .instrument(span)
    .await
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
