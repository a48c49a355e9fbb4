//! Where a credential stands, and what is answered to a bad one.
//!
//! It must never take a credential that cannot be read, or that is there twice, for none:
//! whoever shows one means to be somebody.

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use chrono::Utc;
use serde_json::{Map, Value};

use super::client_address::ClientAddress;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::Refusal;
use super::rate_limits::{RateLimits, Receipts, TooMuch};
use crate::auth::{AuthenticationError, Authenticator, Identity};
use crate::limits::LimitKey;

/// A credential that no authenticator takes.
const UNUSABLE: &str = "";

/// The text of the `Authorization` header, if there is one.
pub fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return Some(UNUSABLE);
    }
    Some(first.to_str().unwrap_or(UNUSABLE))
}

/// The bearer credential of a connection: that of `connection_init` first, because
/// browsers cannot set headers of a handshake.
pub fn of_connection<'text>(
    payload: &'text Map<String, Value>,
    header: Option<&'text str>,
) -> Option<&'text str> {
    let mut in_payload = payload
        .iter()
        .filter(|(key, value)| key.eq_ignore_ascii_case("authorization") && !value.is_null());
    match (in_payload.next(), in_payload.next()) {
        (None, _) => header,
        (Some((_, value)), None) => Some(value.as_str().unwrap_or(UNUSABLE)),
        (Some(_), Some(_)) => Some(UNUSABLE),
    }
}

/// Why somebody is refused before it is looked at what they ask for.
#[derive(Clone, Copy, Debug)]
pub enum NotLetIn {
    /// They are not believed, or have no token where one is needed.
    NotBelieved(AuthenticationError),
    /// They have asked for too much, and go on.
    TooMuch(TooMuch),
}

/// Who sends these headers. Whoever is not believed is charged for the try.
///
/// # Errors
/// When they are not believed, have no token where one is needed, or have asked for too much.
pub async fn identify(
    authenticator: &Authenticator,
    limits: &RateLimits,
    address: ClientAddress,
    headers: &HeaderMap,
    receipts: &mut Receipts,
) -> Result<Identity, NotLetIn> {
    match authenticator.authenticate(authorization(headers), Utc::now()) {
        Ok(identity) => {
            let key = LimitKey::of(&identity.caller, address.0);
            let asking = limits.refuse_who_goes_on(&key, receipts);
            asking.map(|()| identity).map_err(NotLetIn::TooMuch)
        }
        Err(why) => {
            let charged = limits.turn_away(address, why, receipts).await;
            Err(charged.map_or_else(NotLetIn::TooMuch, |()| NotLetIn::NotBelieved(why)))
        }
    }
}

impl From<NotLetIn> for Refusal {
    fn from(refused: NotLetIn) -> Self {
        match refused {
            NotLetIn::TooMuch(too_much) => too_much.into(),
            NotLetIn::NotBelieved(why) => Self::new(
                StatusCode::UNAUTHORIZED,
                ErrorCode::Unauthenticated,
                why.to_string(),
            )
            .with_header(WWW_AUTHENTICATE, challenge(why)),
        }
    }
}

/// What a client is asked for (RFC 6750, section 3).
pub fn challenge(error: AuthenticationError) -> HeaderValue {
    HeaderValue::from_static(match error {
        AuthenticationError::TokenRequired => "Bearer",
        AuthenticationError::NotBearer => r#"Bearer error="invalid_request""#,
        _ => r#"Bearer error="invalid_token""#,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_header_that_cannot_be_read_is_a_header() {
        let header = |values: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            authorization(&headers).map(str::to_owned)
        };
        assert_eq!(header(&[]), None);
        assert_eq!(header(&[b"Bearer a"]).as_deref(), Some("Bearer a"));
        assert_eq!(header(&[b"Bearer \xff"]).as_deref(), Some(UNUSABLE));
        assert_eq!(
            header(&[b"Bearer a", b"Bearer a"]).as_deref(),
            Some(UNUSABLE)
        );
    }

    #[test]
    fn the_payload_wins_over_the_header() {
        let find = |payload: Value, header| {
            let payload = payload.as_object().cloned().unwrap_or_default();
            of_connection(&payload, header).map(str::to_owned)
        };
        let bearer = Some("Bearer a".to_owned());
        assert_eq!(find(json!({"AuthoriZation": "Bearer a"}), None), bearer);
        assert_eq!(find(json!({}), Some("Bearer a")), bearer);
        assert_eq!(
            find(json!({"authorization": null}), Some("Bearer a")),
            bearer
        );
        assert_eq!(
            find(json!({"authorization": "Bearer a"}), Some("Bearer b")),
            bearer
        );
        assert_eq!(find(json!({}), None), None);
    }

    #[test]
    fn a_credential_that_is_no_text_or_there_twice_does_not_make_a_visitor() {
        for payload in [
            json!({"authorization": 5}),
            json!({"authorization": ["Bearer a"]}),
            json!({"authorization": "Bearer a", "Authorization": "Bearer a"}),
        ] {
            let payload = payload.as_object().cloned().unwrap_or_default();
            assert_eq!(of_connection(&payload, Some("Bearer a")), Some(UNUSABLE));
        }
    }
}
