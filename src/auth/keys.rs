//! The keys by which tokens are believed, and for each of them how it is used.
//!
//! It must never let a token say how its signature is to be checked: a public key that
//! served as an HMAC secret would let everybody sign.

mod jwks;
mod pem;

use jsonwebtoken::{Algorithm, DecodingKey};
use rsa::RsaPublicKey;
use rsa::traits::PublicKeyParts;
use secrecy::{ExposeSecret, SecretString};

/// Shorter secrets can be guessed from one token: RFC 7518, section 3.2, asks
/// for as many bits as the hash has.
pub const MIN_SECRET_BYTES: usize = 32;

/// RFC 7518, section 3.3.
const MIN_RSA_BITS: usize = 2048;

/// Most keys of a file. A token that names none of them is tried with all that fit.
const MOST_KEYS: usize = 32;

/// The secret cannot be used as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token secret has {0} bytes: give it at least {MIN_SECRET_BYTES}, at random")]
pub struct SecretTooShort(usize);

/// Why what is in a file cannot be the keys to believe.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// Neither PEM nor JSON.
    #[error("it is no PEM and no JSON Web Key Set")]
    Unreadable,
    /// Nothing in it can be used.
    #[error("it has no public key that tokens could be signed for with RS256, ES256 or EdDSA")]
    Empty,
    /// It has far more than anybody rotates through.
    #[error("it has more than {MOST_KEYS} keys")]
    TooMany,
    /// One of them is broken, weak or of a kind that is not used.
    #[error("key {place}: {why}")]
    Key {
        /// Which one, counted from 1.
        place: usize,
        /// What is wrong with it.
        why: BadKey,
    },
    /// Two of them have the same name.
    #[error("two keys have the id {0:?}")]
    DuplicateId(String),
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It should not be there at all.
    #[error(
        "it is private, and only public keys belong here: replace it, it is not secret any more"
    )]
    Private,
    /// Whoever can check a token with it can also make one.
    #[error("it is symmetric: a secret is given as USHER_JWT_SECRET or USHER_JWT_SECRET_FILE")]
    Symmetric,
    /// A certificate is believed by rules of its own.
    #[error("it is a certificate: take its public key, with openssl x509 -pubkey -noout")]
    Certificate,
    /// Its numbers are none.
    #[error("it cannot be read as an RSA key, a P-256 key or an Ed25519 key")]
    Unreadable,
    /// It can be broken.
    #[error("it is an RSA key of {0} bits, and {MIN_RSA_BITS} are needed")]
    Short(usize),
    /// Signatures that anybody can make fit it.
    #[error("it is an Ed25519 key that proves nothing")]
    Weak,
}

/// A key, and the one way in which it is used.
pub struct Key {
    /// What tokens call it.
    id: Option<String>,
    /// The algorithm of the tokens that it is for.
    pub algorithm: Algorithm,
    /// What signatures are checked with.
    pub decoding: DecodingKey,
}

impl Key {
    /// The secret that this server shares with who signs.
    ///
    /// # Errors
    /// When it is shorter than [`MIN_SECRET_BYTES`].
    pub fn from_secret(secret: &SecretString) -> Result<Self, SecretTooShort> {
        Ok(Self {
            id: None,
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(checked(secret)?),
        })
    }

    fn rsa(id: Option<String>, key: &RsaPublicKey) -> Result<Self, BadKey> {
        let bits = key.n().bits();
        if bits < MIN_RSA_BITS {
            return Err(BadKey::Short(bits));
        }
        let (modulus, exponent) = (key.n().to_bytes_be(), key.e().to_bytes_be());
        Ok(Self {
            id,
            algorithm: Algorithm::RS256,
            decoding: DecodingKey::from_rsa_raw_components(&modulus, &exponent),
        })
    }

    fn p256(id: Option<String>, key: &p256::PublicKey) -> Self {
        Self {
            id,
            algorithm: Algorithm::ES256,
            decoding: DecodingKey::from_ec_der(&key.to_sec1_bytes()),
        }
    }

    fn ed25519(id: Option<String>, key: &ed25519_dalek::VerifyingKey) -> Result<Self, BadKey> {
        if key.is_weak() {
            return Err(BadKey::Weak);
        }
        Ok(Self {
            id,
            algorithm: Algorithm::EdDSA,
            decoding: DecodingKey::from_ed_der(key.as_bytes()),
        })
    }

    /// Whether a token that names this key, or none, may be signed with it. One without a
    /// name of its own may be anybody's.
    pub fn may_be(&self, id: Option<&str>) -> bool {
        match (id, self.id.as_deref()) {
            (Some(wanted), Some(own)) => wanted == own,
            _ => true,
        }
    }
}

/// The public keys in a file.
///
/// # Errors
/// When there is none, or anything is wrong with one of them.
pub fn read_keys(content: &[u8]) -> Result<Vec<Key>, BadKeys> {
    let keys = if content.trim_ascii_start().starts_with(b"{") {
        jwks::read(content)?
    } else {
        pem::read(content)?
    };
    if keys.is_empty() {
        return Err(BadKeys::Empty);
    }
    if keys.len() > MOST_KEYS {
        return Err(BadKeys::TooMany);
    }
    for (place, key) in keys.iter().enumerate() {
        let is_again = |other: &Key| other.id.is_some() && other.id == key.id;
        if keys.iter().skip(place + 1).any(is_again) {
            return Err(BadKeys::DuplicateId(key.id.clone().unwrap_or_default()));
        }
    }
    Ok(keys)
}

/// The bytes of a secret that is long enough.
///
/// # Errors
/// When it is not.
pub fn checked(secret: &SecretString) -> Result<&[u8], SecretTooShort> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(SecretTooShort(bytes.len()));
    }
    Ok(bytes)
}
