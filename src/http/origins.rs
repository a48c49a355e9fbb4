//! Which pages a browser may use the API for: usher's own, and those that the settings list.
//!
//! ```text
//!   a page of     asks before (preflight)   GraphQL                       plans
//!   usher's own   never                     served                        served
//!   the list      told that it may          served, and may read it       served, and may read it
//!   elsewhere     403                       403, and so is a handshake    served, cannot read it
//! ```
//!
//! Browsers say in `Origin` whose page it is that asks, and no page can change that. usher has no
//! cookies: nothing that somebody else's page sends speaks for who is signed in. But it could
//! still hold seats as the visitors that it has, by the thousand, and read what is shown to them
//! in their network. What is no browser names no origin and is not asked for one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::client_address::ClientAddress;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::refuse;
use super::request_id::REQUEST_ID;
use super::turned_away::TurnedAway;
use crate::config::{AllowedOrigins, Origin};

/// How long a browser may remember that it may ask. Chromium's limit is two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

/// What a page may send beside what is always allowed. usher reads the first two; monitoring,
/// Apollo's clients and graphql-sse's send the others.
const REQUEST_HEADERS: [HeaderName; 7] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    REQUEST_ID,
    HeaderName::from_static("apollo-require-preflight"),
    HeaderName::from_static("apollographql-client-name"),
    HeaderName::from_static("apollographql-client-version"),
    HeaderName::from_static("last-event-id"),
];

/// What a page may read of an answer beside what is always readable.
const ANSWER_HEADERS: [HeaderName; 4] = [
    REQUEST_ID,
    RETRY_AFTER,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// Whose pages may use the API. Its clones share the list.
#[derive(Clone)]
pub struct Origins {
    allowed: Arc<AllowedOrigins>,
    turned_away: TurnedAway,
}

impl Origins {
    /// Usher's own pages, and these.
    pub fn new(allowed: AllowedOrigins, turned_away: TurnedAway) -> Self {
        Self {
            allowed: Arc::new(allowed),
            turned_away,
        }
    }

    /// What tells browsers that pages of the list may read answers; none of them without one.
    pub fn cors(&self) -> Option<CorsLayer> {
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(REQUEST_HEADERS)
            .expose_headers(ANSWER_HEADERS)
            .max_age(PREFLIGHT_MAX_AGE);
        match &*self.allowed {
            AllowedOrigins::All => Some(layer.allow_origin(AllowOrigin::any()).vary([])),
            AllowedOrigins::Listed(origins) if origins.is_empty() => None,
            AllowedOrigins::Listed(origins) => {
                let values = origins
                    .iter()
                    .filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok());
                let layer = layer.allow_origin(AllowOrigin::list(values));
                // A cache must not give the answer for one of them to another.
                Some(layer.vary([ORIGIN]))
            }
        }
    }

    /// Whether a request with these headers comes from no page, or from one that may use the API.
    fn admit(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (None, _) => return true,
            (Some(origin), None) => origin,
            // No browser names two.
            (Some(_), Some(_)) => return false,
        };
        let listed = match &*self.allowed {
            AllowedOrigins::All => return true,
            AllowedOrigins::Listed(listed) => listed,
        };
        let Some(origin) = origin
            .to_str()
            .ok()
            .and_then(|text| text.parse::<Origin>().ok())
        else {
            return false;
        };
        listed.contains(&origin) || host(uri, headers).is_some_and(|host| origin.is_of_host(host))
    }
}

/// The host that is asked, as the client has it.
fn host<'request>(uri: &'request Uri, headers: &'request HeaderMap) -> Option<&'request str> {
    // RFC 9112, section 3.2.2: what the target says goes before the header.
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// Refuses what pages ask that may not: whatever the method, a handshake and the question of a
/// browser beforehand among them.
pub async fn guard(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    if origins.admit(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let address = ClientAddress::of(&request);
    let reason = "a page of an origin that is not allowed";
    origins.turned_away.note(address, reason);
    refuse(
        StatusCode::FORBIDDEN,
        ErrorCode::OriginNotAllowed,
        "pages of this origin may not use the API: who runs it lists those that may in \
         USHER_ALLOWED_ORIGINS",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Clock;

    fn admits(allowed: &str, target: &'static str, headers: &[(HeaderName, &'static str)]) -> bool {
        let turned_away = TurnedAway::new(Clock::default());
        let origins = Origins::new(allowed.parse().unwrap(), turned_away);
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        origins.admit(&Uri::from_static(target), &map)
    }

    #[test]
    fn usher_s_own_pages_and_those_of_the_list_are_admitted() {
        let list = "https://shop.example";
        let own = (HOST, "usher.example");
        assert!(admits(list, "/", &[]));
        assert!(admits(list, "/", std::slice::from_ref(&own)));
        for origin in [
            "https://shop.example",
            "https://usher.example",
            "http://usher.example",
        ] {
            assert!(
                admits(list, "/", &[own.clone(), (ORIGIN, origin)]),
                "{origin}"
            );
        }
        for origin in [
            "https://evil.example",
            "http://shop.example",
            "null",
            "",
            "https://usher.example/",
        ] {
            assert!(
                !admits(list, "/", &[own.clone(), (ORIGIN, origin)]),
                "{origin}"
            );
            assert!(
                admits("*", "/", &[own.clone(), (ORIGIN, origin)]),
                "{origin}"
            );
        }
    }

    #[test]
    fn what_is_said_twice_is_not_believed() {
        let origin = (ORIGIN, "https://a.example");
        let host = (HOST, "a.example");
        assert!(admits("", "/", &[origin.clone(), host.clone()]));
        assert!(!admits(
            "",
            "/",
            &[origin.clone(), origin.clone(), host.clone()]
        ));
        assert!(!admits(
            "",
            "/",
            &[origin.clone(), host.clone(), host.clone()]
        ));
        assert!(!admits("", "/", std::slice::from_ref(&origin)));
        // The target goes before the header.
        assert!(!admits("", "http://b.example/", &[origin, host]));
    }
}
