//! The headers with which every answer keeps browsers from more than it is for.
//!
//! It owns their values. Which pages may read an answer is `origins`' to say. There is no
//! `Strict-Transport-Security` here: usher speaks plain HTTP, and only the proxy before it, which
//! has the certificate, can promise that there will be one.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

/// What the pages may load: nothing from elsewhere, and no script that is not a
/// file of usher's. GraphiQL sets styles from its script.
const POLICY_OF_PAGES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What is no page loads nothing, wherever somebody shows it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What is the same for all answers.
const ON_ALL: [(HeaderName, HeaderValue); 6] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // For pages that would show an answer as a script or an image. Those that are allowed to
    // read one ask for that, and are not kept from it by this.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // In case that somebody finds a way to put something into a page.
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ),
];

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// On an answer that is a page, or what pages load.
pub async fn on_page(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY_OF_PAGES);
    response
}

/// On every answer.
pub async fn on_all<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.extend(ON_ALL);
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    // What may be kept says so itself.
    headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
    response
}
