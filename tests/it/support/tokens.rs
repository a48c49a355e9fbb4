//! Tokens of the tests' secret, and who believes them.

use crate::support::house::SECRET;
use chrono::Utc;
use secrecy::SecretString;
use std::time::Duration;
use usher::auth::{Authenticator, NewToken, SigningKey, TokenRules, mint};
use usher::config::Visitors;
use usher::model::Role;

/// Believes tokens of the tests' secret, and lets visitors do this much.
pub fn believing(visitors: Visitors) -> Authenticator {
    let secret = SecretString::from(SECRET);
    Authenticator::new(Some(&secret), None, TokenRules::default(), visitors).unwrap()
}

/// A token of those who have this secret.
pub fn token_signed_with(secret: &str, name: &str, role: Role, valid_for: Duration) -> String {
    let key = SigningKey::from_secret(&SecretString::from(secret)).unwrap();
    let token = NewToken {
        subject: name,
        role,
        valid_for,
    };
    mint(&key, &TokenRules::default(), &token, Utc::now()).unwrap()
}
