//! The token of a hold: where the hold is, and a secret that only its owner
//! gets. Nothing stores the secret; the database keeps its SHA-256.

use crate::model::ids::{EventId, HoldId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// A capability: whoever has it may use the hold.
#[derive(Clone)]
pub struct HoldToken {
    /// The event, so that a hold is found by its key.
    pub event: EventId,
    /// The hold.
    pub hold: HoldId,
    secret: [u8; SECRET_LENGTH],
}

/// 128 random bits.
const SECRET_LENGTH: usize = 16;
const LENGTH: usize = 8 + 16 + SECRET_LENGTH;

/// What a token is derived with, beside a key that is stored nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSalt([u8; SECRET_LENGTH]);

impl TokenSalt {
    /// A new one.
    pub fn generate() -> Self {
        Self(rand::random())
    }
}

/// The text is not a token that usher gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the token of a hold")]
pub struct MalformedToken;

impl HoldToken {
    /// The token of this hold, the same whenever it is derived with the same key
    /// and salt: the first 128 bits of their HMAC-SHA-256 (RFC 2104), where the key is
    /// hashed first. Whoever lacks one of the two knows nothing about it.
    pub fn derive(event: EventId, hold: HoldId, key: &[u8], salt: TokenSalt) -> Self {
        let mut secret = [0; SECRET_LENGTH];
        // The hash of a key of any length fills half a block, the rest is zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&Sha256::digest(key));
        let code = Hmac::<Sha256>::new(&block.into()).chain_update(salt.0);
        secret.copy_from_slice(&code.finalize().into_bytes()[..SECRET_LENGTH]);
        Self {
            event,
            hold,
            secret,
        }
    }

    /// What the database keeps.
    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.secret).to_vec()
    }

    /// Whether `hash` is this token's, in a time that does not tell how much of it fits.
    pub fn matches(&self, hash: &[u8]) -> bool {
        self.hash().ct_eq(hash).into()
    }

    /// The text that its owner keeps. Not `Display`, so that it is not logged by accident.
    pub fn reveal(&self) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&self.event.0.to_be_bytes());
        bytes.extend_from_slice(self.hold.0.as_bytes());
        bytes.extend_from_slice(&self.secret);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// As its hash: what a request asked for is remembered without its token.
impl Serialize for HoldToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.event, self.hold, self.hash()).serialize(serializer)
    }
}

impl fmt::Debug for HoldToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "HoldToken({} of event {}, ***)",
            self.hold, self.event
        )
    }
}

impl FromStr for HoldToken {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedToken)?;
        let bytes: [u8; LENGTH] = bytes.try_into().map_err(|_| MalformedToken)?;
        let mut event = [0; 8];
        let mut hold = [0; 16];
        let mut secret = [0; SECRET_LENGTH];
        event.copy_from_slice(&bytes[..8]);
        hold.copy_from_slice(&bytes[8..24]);
        secret.copy_from_slice(&bytes[24..]);
        Ok(Self {
            event: EventId(i64::from_be_bytes(event)),
            hold: HoldId(Uuid::from_bytes(hold)),
            secret,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_token() -> HoldToken {
        HoldToken::derive(
            EventId(7),
            HoldId::generate(),
            b"key",
            TokenSalt::generate(),
        )
    }

    #[test]
    fn survives_its_text_form_and_matches_only_its_own_hash() {
        let token = new_token();
        let again: HoldToken = token.reveal().parse().unwrap();
        assert_eq!(again.event, token.event);
        assert_eq!(again.hold, token.hold);
        assert!(again.matches(&token.hash()));

        assert!(!token.matches(&[]));
    }

    #[test]
    fn is_the_same_for_the_same_key_and_salt_and_for_no_other() {
        let token = new_token();
        let derive = |key: &[u8], salt| HoldToken::derive(token.event, token.hold, key, salt);
        let salt = TokenSalt::generate();
        let hash = derive(b"key", salt).hash();
        assert!(derive(b"key", salt).matches(&hash));
        assert!(!derive(b"kez", salt).matches(&hash));
        assert!(!derive(b"key\0", salt).matches(&hash));
        assert!(!derive(b"key", TokenSalt::generate()).matches(&hash));
    }

    #[test]
    fn refuses_what_is_not_one_and_never_prints_its_secret() {
        let token = new_token();
        let text = token.reveal();
        for bad in ["", "x", &text[1..], &format!("{text}AAAA")] {
            assert_eq!(bad.parse::<HoldToken>().unwrap_err(), MalformedToken);
        }
        assert!(format!("{token:?}").ends_with("***)"));
    }
}
