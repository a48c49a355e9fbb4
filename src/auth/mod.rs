//! Who is asking: bearer tokens in, a [`Caller`] out. What a caller may do is
//! for the domain to say.

pub mod keys;

use crate::model::caller::is_subject;
use crate::model::{Caller, Role};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Shorter secrets can be guessed from one token: RFC 7518, section 3.2, asks
/// for as many bits as the hash has.
pub const MIN_SECRET_BYTES: usize = 32;

/// Reads bearer tokens. A clone is the same key.
#[derive(Clone)]
pub struct Authenticator {
    key: Option<Arc<DecodingKey>>,
}

/// Why a caller was not believed. The text is for the caller and says nothing
/// of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// The header has another scheme.
    #[error("the Authorization header must read: Bearer <token>")]
    NotBearer,
    /// The token's time has passed.
    #[error("the token has expired: get a new one")]
    Expired,
    /// The token was not signed by this server's key, or is no token at all.
    #[error("the token is not valid here")]
    Invalid,
    /// This server has no key.
    #[error("this server accepts no tokens: it was started without a key")]
    NoKey,
}

/// The secret cannot be used as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token secret has {0} bytes: give it at least {MIN_SECRET_BYTES}, at random")]
pub struct SecretTooShort(usize);

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be signed")]
pub struct SigningFailed(#[source] jsonwebtoken::errors::Error);

/// What a token says (RFC 7519).
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    role: String,
    exp: u64,
}

impl Authenticator {
    /// Believes tokens that were signed with `secret` (HS256).
    ///
    /// # Errors
    /// When the secret is shorter than [`MIN_SECRET_BYTES`].
    pub fn new(secret: &SecretString) -> Result<Self, SecretTooShort> {
        let bytes = checked(secret)?;
        Ok(Self {
            key: Some(Arc::new(DecodingKey::from_secret(bytes))),
        })
    }

    /// Believes no token.
    pub fn without_key() -> Self {
        Self { key: None }
    }

    /// Who sends this `Authorization` header; without one, a visitor.
    ///
    /// # Errors
    /// When there is a header but no valid token in it: a caller who means to
    /// be somebody is never treated as a visitor.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<Caller, AuthenticationError> {
        let Some(authorization) = authorization else {
            return Ok(Caller::Anonymous);
        };
        let (scheme, token) = authorization
            .split_once(' ')
            .ok_or(AuthenticationError::NotBearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthenticationError::NotBearer);
        }
        let key = self.key.as_ref().ok_or(AuthenticationError::NoKey)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token.trim(), key, &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => AuthenticationError::Expired,
                _ => AuthenticationError::Invalid,
            })?
            .claims;
        let subject = claims.sub;
        if !is_subject(&subject) {
            return Err(AuthenticationError::Invalid);
        }
        match claims.role.parse() {
            Ok(Role::Buyer) => Ok(Caller::Buyer { subject }),
            Ok(Role::BoxOffice) => Ok(Caller::BoxOffice { subject }),
            Ok(Role::Staff) => Ok(Caller::Staff { subject }),
            Err(_) => Err(AuthenticationError::Invalid),
        }
    }
}

/// A token for `subject` in `role`, valid from now for `validity`.
///
/// # Errors
/// When the secret is too short or signing fails.
pub fn mint(
    secret: &SecretString,
    subject: &str,
    role: Role,
    validity: Duration,
) -> Result<String, MintError> {
    if !is_subject(subject) {
        return Err(MintError::Subject);
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let claims = Claims {
        sub: subject.to_owned(),
        role: role.to_string(),
        exp: (now + validity).as_secs(),
    };
    let key = EncodingKey::from_secret(checked(secret)?);
    Ok(
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
            .map_err(SigningFailed)?,
    )
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Nobody can be called that.
    #[error("a subject has 1 to 255 bytes and no control characters")]
    Subject,
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretTooShort),
    /// The library refused.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

fn checked(secret: &SecretString) -> Result<&[u8], SecretTooShort> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(SecretTooShort(bytes.len()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(letter: &str) -> SecretString {
        SecretString::from(letter.repeat(MIN_SECRET_BYTES))
    }

    fn ask(secret_of_server: &SecretString, token: &str) -> Result<Caller, AuthenticationError> {
        Authenticator::new(secret_of_server)
            .unwrap()
            .authenticate(Some(token))
    }

    #[test]
    fn a_minted_token_is_believed() {
        let token = mint(&secret("a"), "alice", Role::Staff, Duration::from_mins(1)).unwrap();
        let caller = ask(&secret("a"), &format!("Bearer {token}"));
        assert_eq!(
            caller,
            Ok(Caller::Staff {
                subject: "alice".to_owned()
            })
        );
        let token = mint(&secret("a"), "bob", Role::Buyer, Duration::from_mins(1)).unwrap();
        let caller = ask(&secret("a"), &format!("bearer {token}"));
        assert_eq!(
            caller,
            Ok(Caller::Buyer {
                subject: "bob".to_owned()
            })
        );
    }

    #[test]
    fn nobody_is_a_visitor_but_a_bad_token_is_not() {
        let authenticator = Authenticator::new(&secret("a")).unwrap();
        assert_eq!(authenticator.authenticate(None), Ok(Caller::Anonymous));
        let other = mint(&secret("b"), "eve", Role::Staff, Duration::from_mins(1)).unwrap();
        for (header, error) in [
            ("", AuthenticationError::NotBearer),
            ("Basic YTpi", AuthenticationError::NotBearer),
            ("Bearer ", AuthenticationError::Invalid),
            ("Bearer x.y.z", AuthenticationError::Invalid),
            (&format!("Bearer {other}"), AuthenticationError::Invalid),
        ] {
            assert_eq!(
                authenticator.authenticate(Some(header)),
                Err(error),
                "{header}"
            );
        }
        let none = Authenticator::without_key();
        let header = format!("Bearer {other}");
        assert_eq!(
            none.authenticate(Some(&header)),
            Err(AuthenticationError::NoKey)
        );
        assert_eq!(none.authenticate(None), Ok(Caller::Anonymous));
    }

    #[test]
    fn an_expired_token_says_so() {
        // Beyond the leeway of a minute that clocks may differ by.
        let claims = Claims {
            sub: "alice".into(),
            role: "STAFF".into(),
            exp: 1_000_000_000,
        };
        let key = EncodingKey::from_secret(secret("a").expose_secret().as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        let caller = ask(&secret("a"), &format!("Bearer {token}"));
        assert_eq!(caller, Err(AuthenticationError::Expired));
    }

    #[test]
    fn an_unknown_role_or_a_short_secret_is_refused() {
        let claims = Claims {
            sub: "a".into(),
            role: "ADMIN".into(),
            exp: u64::from(u32::MAX),
        };
        let key = EncodingKey::from_secret(secret("a").expose_secret().as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        let caller = ask(&secret("a"), &format!("Bearer {token}"));
        assert_eq!(caller, Err(AuthenticationError::Invalid));
        assert!(Authenticator::new(&SecretString::from("short")).is_err());
    }
}
