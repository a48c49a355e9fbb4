//! Public keys as a JSON Web Key Set (RFC 7517), as identity providers publish them.
//!
//! Keys for something else, or of a kind that is not used here, are passed over, as section 5
//! of the RFC asks for: a provider that adds one must not lock everybody out.

use super::{BadKey, BadKeys, Key};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use rsa::{BigUint, RsaPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Set {
    keys: Vec<Map<String, Value>>,
}

/// Those of a set that tokens may be signed with.
///
/// # Errors
/// When it is no such set, or has a key that it should not have.
pub fn read(content: &[u8]) -> Result<Vec<Key>, BadKeys> {
    let set: Set = serde_json::from_slice(content).map_err(|_| BadKeys::Unreadable)?;
    let mut keys = Vec::new();
    for (entry, place) in set.keys.iter().zip(1..) {
        match key(entry) {
            Ok(key) => keys.push(key),
            Err(Unused::OtherUse) => {}
            Err(Unused::Unknown) => tracing::warn!(
                place,
                id = text(entry, "kid"),
                kind = text(entry, "kty"),
                algorithm = text(entry, "alg"),
                "a key of the set is passed over: tokens are believed that are signed with \
                 RS256, ES256 or EdDSA"
            ),
            Err(Unused::Bad(why)) => return Err(BadKeys::Key { place, why }),
        }
    }
    Ok(keys)
}

/// Why an entry is no key for tokens.
enum Unused {
    /// It is for something else, and says so.
    OtherUse,
    /// It is of a kind, or for an algorithm, that is not used here.
    Unknown,
    /// It should not be there.
    Bad(BadKey),
}

impl From<BadKey> for Unused {
    fn from(why: BadKey) -> Self {
        Self::Bad(why)
    }
}

fn key(entry: &Map<String, Value>) -> Result<Key, Unused> {
    let kind = text(entry, "kty").ok_or(Unused::Unknown)?;
    if kind == "oct" {
        return Err(BadKey::Symmetric.into());
    }
    if entry.contains_key("d") {
        return Err(BadKey::Private.into());
    }
    let is_for_signatures = entry.get("use").is_none_or(|usage| usage == "sig");
    let checks = |operations: &Value| {
        let mut operations = operations.as_array().into_iter().flatten();
        operations.any(|operation| operation == "verify")
    };
    if !is_for_signatures || !entry.get("key_ops").is_none_or(checks) {
        return Err(Unused::OtherUse);
    }
    let id = text(entry, "kid").map(ToOwned::to_owned);
    let curve = text(entry, "crv").unwrap_or_default();
    // Ed25519 is what RFC 9864 calls the algorithm since.
    let (key, names): (_, &[&str]) = match (kind, curve) {
        ("RSA", _) => (rsa(id, entry), &["RS256"]),
        ("EC", "P-256") => (p256(id, entry), &["ES256"]),
        ("OKP", "Ed25519") => (ed25519(id, entry), &["EdDSA", "Ed25519"]),
        _ => return Err(Unused::Unknown),
    };
    match entry.get("alg") {
        None => Ok(key?),
        Some(Value::String(name)) if names.contains(&name.as_str()) => Ok(key?),
        Some(_) => Err(Unused::Unknown),
    }
}

fn rsa(id: Option<String>, entry: &Map<String, Value>) -> Result<Key, BadKey> {
    let number = |name| Ok(BigUint::from_bytes_be(&bytes(entry, name)?));
    let key = RsaPublicKey::new(number("n")?, number("e")?).map_err(|_| BadKey::Unreadable)?;
    Key::rsa(id, &key)
}

fn p256(id: Option<String>, entry: &Map<String, Value>) -> Result<Key, BadKey> {
    // As SEC 1, section 2.3.3, writes a point that is not compressed.
    let point = [
        vec![4],
        coordinate(entry, "x")?.into(),
        coordinate(entry, "y")?.into(),
    ];
    let key = p256::PublicKey::from_sec1_bytes(&point.concat()).map_err(|_| BadKey::Unreadable)?;
    Ok(Key::p256(id, &key))
}

fn ed25519(id: Option<String>, entry: &Map<String, Value>) -> Result<Key, BadKey> {
    let key = VerifyingKey::from_bytes(&coordinate(entry, "x")?);
    Key::ed25519(id, &key.map_err(|_| BadKey::Unreadable)?)
}

fn coordinate(entry: &Map<String, Value>, name: &str) -> Result<[u8; 32], BadKey> {
    let bytes = bytes(entry, name)?;
    bytes.try_into().map_err(|_| BadKey::Unreadable)
}

fn bytes(entry: &Map<String, Value>, name: &str) -> Result<Vec<u8>, BadKey> {
    let text = text(entry, name).ok_or(BadKey::Unreadable)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| BadKey::Unreadable)
}

fn text<'entry>(entry: &'entry Map<String, Value>, name: &str) -> Option<&'entry str> {
    entry.get(name).and_then(Value::as_str)
}
