//! How a token is made. It must never make one that the same rules would not believe.

use super::claims::TokenRules;
use super::keys::{SecretTooShort, checked};
use crate::model::Role;
use crate::model::caller::is_subject;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use std::time::Duration;

/// What tokens are signed with, and the one way in which it is used.
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

/// The private key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no private key as PEM, of RSA, P-256 or Ed25519, without a password")]
pub struct BadSigningKey;

/// A token to make.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Whom it speaks of.
    pub subject: &'a str,
    /// What its bearer may do.
    pub role: Role,
    /// How long it is valid.
    pub valid_for: Duration,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Nobody can be called that.
    #[error("a subject has 1 to 255 bytes and no control characters")]
    Subject,
    /// It would be valid beyond the end of the calendar.
    #[error("the token would be valid for too long")]
    TooLong,
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretTooShort),
    /// The library refused.
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

impl SigningKey {
    /// Signs with a secret that the server has, too (HS256).
    ///
    /// # Errors
    /// When it is too short.
    pub fn from_secret(secret: &SecretString) -> Result<Self, SecretTooShort> {
        Ok(Self {
            algorithm: Algorithm::HS256,
            key: EncodingKey::from_secret(checked(secret)?),
        })
    }

    /// Signs with a private key (RS256, ES256 or `EdDSA`), whose public key the server has.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, BadSigningKey> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| BadSigningKey)?;
        match &key {
            PrivateKeyDer::Pkcs1(der) => {
                rsa(RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok())
            }
            PrivateKeyDer::Sec1(der) => {
                p256(p256::SecretKey::from_sec1_der(der.secret_sec1_der()).ok())
            }
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                rsa(RsaPrivateKey::from_pkcs8_der(der).ok())
                    .or_else(|| p256(p256::SecretKey::from_pkcs8_der(der).ok()))
                    .or_else(|| ed25519(der))
            }
            _ => None,
        }
        .ok_or(BadSigningKey)
    }
}

fn rsa(key: Option<RsaPrivateKey>) -> Option<SigningKey> {
    let der = key?.to_pkcs1_der().ok()?;
    Some(SigningKey {
        algorithm: Algorithm::RS256,
        key: EncodingKey::from_rsa_der(der.as_bytes()),
    })
}

fn p256(key: Option<p256::SecretKey>) -> Option<SigningKey> {
    let der = key?.to_pkcs8_der().ok()?;
    Some(SigningKey {
        algorithm: Algorithm::ES256,
        key: EncodingKey::from_ec_der(der.as_bytes()),
    })
}

fn ed25519(der: &[u8]) -> Option<SigningKey> {
    ed25519_dalek::SigningKey::from_pkcs8_der(der).ok()?;
    Some(SigningKey {
        algorithm: Algorithm::EdDSA,
        key: EncodingKey::from_ed_der(der),
    })
}

/// A token that says what the rules ask for, valid from now on.
///
/// # Errors
/// When it would not be believed, or signing fails.
pub fn mint(
    key: &SigningKey,
    rules: &TokenRules,
    token: &NewToken<'_>,
    now: DateTime<Utc>,
) -> Result<String, MintError> {
    if !is_subject(token.subject) {
        return Err(MintError::Subject);
    }
    let valid_for = TimeDelta::from_std(token.valid_for).ok();
    let expires_at = valid_for.and_then(|time| now.checked_add_signed(time));
    let expires_at = expires_at.ok_or(MintError::TooLong)?;
    let claims = rules.claims(token.subject, token.role, now, expires_at);
    jsonwebtoken::encode(&Header::new(key.algorithm), &claims, &key.key).map_err(MintError::Signing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use rsa::rand_core::OsRng;

    fn pem(label: &str, der: &[u8]) -> Vec<u8> {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").into_bytes()
    }

    fn algorithm_of(label: &str, der: &[u8]) -> Option<Algorithm> {
        let key = SigningKey::from_pem(&pem(label, der)).ok()?;
        Some(key.algorithm)
    }

    #[test]
    fn private_keys_are_read_as_openssl_writes_them() {
        let p256 = p256::SecretKey::from_slice(&[7; 32]).unwrap();
        let (sec1, pkcs8) = (p256.to_sec1_der().unwrap(), p256.to_pkcs8_der().unwrap());
        assert_eq!(
            algorithm_of("EC PRIVATE KEY", &sec1),
            Some(Algorithm::ES256)
        );
        assert_eq!(
            algorithm_of("PRIVATE KEY", pkcs8.as_bytes()),
            Some(Algorithm::ES256)
        );
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let pkcs8 = ed25519.to_pkcs8_der().unwrap();
        assert_eq!(
            algorithm_of("PRIVATE KEY", pkcs8.as_bytes()),
            Some(Algorithm::EdDSA)
        );
        let rsa = RsaPrivateKey::new(&mut OsRng, 2_048).unwrap();
        let pkcs8 = rsa.to_pkcs8_der().unwrap();
        assert_eq!(
            algorithm_of("PRIVATE KEY", pkcs8.as_bytes()),
            Some(Algorithm::RS256)
        );
        let pkcs1 = rsa.to_pkcs1_der().unwrap();
        assert_eq!(
            algorithm_of("RSA PRIVATE KEY", pkcs1.as_bytes()),
            Some(Algorithm::RS256)
        );
    }

    #[test]
    fn what_is_no_private_key_signs_nothing() {
        let p256 = p256::SecretKey::from_slice(&[7; 32]).unwrap();
        let sec1 = p256.to_sec1_der().unwrap();
        assert_eq!(
            algorithm_of("PRIVATE KEY", &sec1),
            None,
            "in the wrong section"
        );
        assert_eq!(algorithm_of("PRIVATE KEY", b"no key"), None);
        assert_eq!(algorithm_of("PUBLIC KEY", &sec1), None);
        assert_eq!(algorithm_of("ENCRYPTED PRIVATE KEY", &sec1), None);
        assert!(SigningKey::from_pem(b"").is_err());
    }

    #[test]
    fn nothing_is_signed_that_nobody_would_believe() {
        let key = SigningKey::from_secret(&SecretString::from("s".repeat(32))).unwrap();
        let mint = |subject, valid_for| {
            let token = NewToken {
                subject,
                role: Role::Buyer,
                valid_for,
            };
            mint(&key, &TokenRules::default(), &token, Utc::now())
        };
        assert!(mint("anna", Duration::from_hours(1)).is_ok());
        assert!(matches!(
            mint("a\nb", Duration::from_hours(1)),
            Err(MintError::Subject)
        ));
        assert!(matches!(
            mint("anna", Duration::MAX),
            Err(MintError::TooLong)
        ));
        let short = SigningKey::from_secret(&SecretString::from("s".repeat(31)));
        assert!(short.is_err());
    }
}
