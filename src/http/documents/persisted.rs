//! Automatic persisted queries: a client sends the SHA-256 of a document in place of its text,
//! and both when it is told that the text is not known here. Apollo's protocol.
//!
//! It owns the memory of texts by their hashes, which is bounded in bytes. A text is kept under
//! no hash but its own, whoever says so, and only after it has passed all checks: nobody can
//! have another client run something else, and nothing that is refused takes up room.

use crate::http::graphql_errors::{ErrorCode, coded};
use crate::http::graphql_request::kind_of;
use async_graphql::ServerError;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Memory of all texts together, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// What an entry takes beside its text. It bounds their number, too.
const BYTES_OF_AN_ENTRY: u64 = 256;
/// One piece; see the cache of documents.
const EXPECTED_TEXTS: usize = 32;
/// The name of the protocol among a request's `extensions`.
const EXTENSION: &str = "persistedQuery";

/// The SHA-256 of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextHash([u8; 32]);

/// Texts by their hashes; the ones used least are dropped first.
pub struct PersistedQueries {
    texts: Cache<TextHash, Arc<str>, BySize>,
}

#[derive(Clone)]
struct BySize;

impl Weighter<TextHash, Arc<str>> for BySize {
    fn weight(&self, _: &TextHash, text: &Arc<str>) -> u64 {
        text.len() as u64 + BYTES_OF_AN_ENTRY
    }
}

impl Default for PersistedQueries {
    fn default() -> Self {
        let texts = Cache::with_weighter(EXPECTED_TEXTS, MAX_BYTES, BySize);
        Self { texts }
    }
}

impl PersistedQueries {
    /// The text of this hash, if it is known.
    pub fn get(&self, hash: TextHash) -> Option<Arc<str>> {
        self.texts.get(&hash)
    }

    /// Keeps a text under its hash.
    pub fn insert(&self, hash: TextHash, text: &str) {
        self.texts.insert(hash, text.into());
    }
}

impl TextHash {
    /// That of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

/// What a request says of a persisted query: the hash, as it is written.
///
/// # Errors
/// When it is not said in the protocol's words.
pub fn hash_of_extensions(extensions: &Map<String, Value>) -> Result<Option<&str>, ServerError> {
    let extension = match extensions.get(EXTENSION) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(extension)) => extension,
        Some(other) => {
            let kind = kind_of(other);
            return Err(refused(format!(
                "`{EXTENSION}` must be an object, not {kind}"
            )));
        }
    };
    if extension.get("version") != Some(&Value::from(1)) {
        return Err(refused(format!("`{EXTENSION}.version` must be 1")));
    }
    match extension.get("sha256Hash") {
        Some(Value::String(hash)) => Ok(Some(hash)),
        _ => Err(refused(format!(
            "`{EXTENSION}.sha256Hash` must be a string"
        ))),
    }
}

/// Reads a hash: 64 hexadecimal digits.
///
/// # Errors
/// When it is something else.
pub fn parse_hash(text: &str) -> Result<TextHash, ServerError> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let bytes: Option<[u8; 32]> = digits
        .filter(|digits| digits.len() == 64)
        .and_then(|digits| {
            let bytes: Vec<u8> = digits
                .chunks(2)
                .map(|pair| pair[0] << 4 | pair[1])
                .collect();
            bytes.try_into().ok()
        });
    bytes.map(TextHash).ok_or_else(|| {
        refused(format!(
            "`{EXTENSION}.sha256Hash` must have 64 hexadecimal digits"
        ))
    })
}

/// The text does not have the hash that came with it.
pub fn mismatch() -> ServerError {
    refused(format!(
        "`{EXTENSION}.sha256Hash` is not the SHA-256 of `query`"
    ))
}

/// The text is not known here; in the words that Apollo's clients look for.
pub fn not_found() -> ServerError {
    coded(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
}

/// Texts are not kept here; in the words that Apollo's clients look for.
pub fn not_supported() -> ServerError {
    coded(
        ErrorCode::PersistedQueryNotSupported,
        "PersistedQueryNotSupported",
    )
}

fn refused(message: String) -> ServerError {
    coded(ErrorCode::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hash(extensions: &Value) -> Result<Option<&str>, String> {
        hash_of_extensions(extensions.as_object().unwrap()).map_err(|error| error.message)
    }

    #[test]
    fn the_protocol_is_taken_by_its_word() {
        assert_eq!(hash(&json!({})), Ok(None));
        assert_eq!(hash(&json!({"persistedQuery": null})), Ok(None));
        let good = json!({"persistedQuery": {"version": 1, "sha256Hash": "ab"}});
        assert_eq!(hash(&good), Ok(Some("ab")));
        for bad in [
            json!(1),
            json!({"sha256Hash": "ab"}),
            json!({"version": 2, "sha256Hash": "ab"}),
            json!({"version": 1}),
            json!({"version": 1, "sha256Hash": 5}),
        ] {
            assert!(hash(&json!({"persistedQuery": bad})).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_64_digits_in_either_case() {
        // As `printf '{ __typename }' | sha256sum` has it.
        let known = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
        let of_text = TextHash::of("{ __typename }");
        assert_eq!(parse_hash(known).unwrap(), of_text);
        assert_eq!(parse_hash(&known.to_uppercase()).unwrap(), of_text);
        for bad in [
            "",
            "7f",
            &known[1..],
            &format!("{known}0"),
            &"é".repeat(32),
            &"g".repeat(64),
        ] {
            assert!(parse_hash(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_flood_takes_no_more_than_its_room() {
        let kept = PersistedQueries::default();
        for number in 0..40_000 {
            let text = format!("{{ a{number} }}");
            kept.insert(TextHash::of(&text), &text);
        }
        let long = "x".repeat(60_000);
        for number in 0..200 {
            let text = format!("{number}{long}");
            kept.insert(TextHash::of(&text), &text);
        }
        assert!(kept.texts.weight() <= MAX_BYTES);
        assert!(kept.texts.len() as u64 <= MAX_BYTES / BYTES_OF_AN_ENTRY);
    }
}
