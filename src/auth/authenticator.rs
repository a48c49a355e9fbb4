//! The way of a credential: from the header to the one who sent it.
//!
//! It must never take somebody who shows a credential for a visitor, and never do more
//! work for a token than its length and its key deserve.

use super::claims::TokenRules;
use super::error::AuthenticationError;
use super::key_file::KeyFile;
use super::keys::{Key, SecretTooShort};
use crate::config::Visitors;
use crate::model::Caller;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Header, Validation};
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Longest token that is looked at, in bytes. Identity providers stay well below.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// Reads credentials. A clone believes the same.
#[derive(Clone)]
pub struct Authenticator(Arc<Beliefs>);

struct Beliefs {
    secret: Option<Key>,
    public: Option<Arc<KeyFile>>,
    rules: TokenRules,
    visitors: Visitors,
}

/// Who is asking, and for how long that may be taken for true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// On whose behalf operations run.
    pub caller: Caller,
    /// When the token is not believed any more; visitors are visitors for ever.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Authenticator {
    /// Believes tokens that follow these rules and were signed with `secret` (HS256), or for
    /// one of the `public` keys. Without either it believes none.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn new(
        secret: Option<&SecretString>,
        public: Option<Arc<KeyFile>>,
        rules: TokenRules,
        visitors: Visitors,
    ) -> Result<Self, SecretTooShort> {
        Ok(Self(Arc::new(Beliefs {
            secret: secret.map(Key::from_secret).transpose()?,
            public,
            rules,
            visitors,
        })))
    }

    /// Whether there is anything for those without a token.
    pub fn takes_visitors(&self) -> bool {
        self.0.visitors != Visitors::None
    }

    /// The file of public keys, if there is one, which somebody has to follow.
    pub fn key_file(&self) -> Option<Arc<KeyFile>> {
        self.0.public.clone()
    }

    /// Who sends this `Authorization` header; without one, a visitor.
    ///
    /// # Errors
    /// When there is a header but no valid token in it, or none and visitors are to sign in.
    pub fn authenticate(
        &self,
        authorization: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Identity, AuthenticationError> {
        match authorization {
            None => self.0.visitor(),
            Some(header) => self.0.bearer(bearer_token(header)?, now),
        }
    }
}

/// The token of a header (RFC 6750, section 2.1).
fn bearer_token(header: &str) -> Result<&str, AuthenticationError> {
    let (scheme, token) = header
        .split_once(' ')
        .ok_or(AuthenticationError::NotBearer)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_matches(' '))
    } else {
        Err(AuthenticationError::NotBearer)
    }
}

impl Beliefs {
    fn visitor(&self) -> Result<Identity, AuthenticationError> {
        let caller = match self.visitors {
            Visitors::Buy => Caller::Anonymous,
            Visitors::Look => Caller::Onlooker,
            Visitors::None => return Err(AuthenticationError::TokenRequired),
        };
        Ok(Identity {
            caller,
            expires_at: None,
        })
    }

    fn bearer(&self, token: &str, now: DateTime<Utc>) -> Result<Identity, AuthenticationError> {
        if token.len() > LONGEST_TOKEN {
            return Err(AuthenticationError::TooLong);
        }
        let public = self.public.as_ref().map(|file| file.keys());
        let public = public.iter().flat_map(|keys| keys.iter());
        let keys: Vec<&Key> = self.secret.iter().chain(public).collect();
        if keys.is_empty() {
            return Err(AuthenticationError::NoKey);
        }
        let header =
            jsonwebtoken::decode_header(token).map_err(|_| AuthenticationError::Invalid)?;
        if !is_of_our_kind(&header) {
            return Err(AuthenticationError::Invalid);
        }
        let claims = verified(token, &header, &keys)?;
        self.rules.identity(&claims, now)
    }
}

/// Whether it is a token of the kind that is shown to be let in. The same issuer signs
/// others (to log out, to prove possession), which say so (RFC 8725, section 3.11), and
/// what must be understood is not (RFC 7515, section 4.1.11).
fn is_of_our_kind(header: &Header) -> bool {
    let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
    let kind = kind
        .as_deref()
        .map(|kind| kind.trim_start_matches("application/"));
    matches!(kind, None | Some("jwt" | "at+jwt")) && header.crit.is_none()
}

/// What a token says, when one of the keys proves it. The token only says which of them to
/// try; each of them is tried in its own way.
fn verified(
    token: &str,
    header: &Header,
    keys: &[&Key],
) -> Result<Map<String, Value>, AuthenticationError> {
    let mut fitting = keys
        .iter()
        .filter(|key| key.algorithm == header.alg)
        .peekable();
    if fitting.peek().is_none() {
        return Err(AuthenticationError::Algorithm);
    }
    let mut named = fitting
        .filter(|key| key.may_be(header.kid.as_deref()))
        .peekable();
    if named.peek().is_none() {
        return Err(AuthenticationError::UnknownKey);
    }
    let mut proven = named.filter_map(|key| {
        let mut signature_only = Validation::new(key.algorithm);
        // What it says is judged by our own clock and rules.
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        jsonwebtoken::decode(token, &key.decoding, &signature_only).ok()
    });
    let proven = proven.next().ok_or(AuthenticationError::Invalid)?;
    Ok(proven.claims)
}
