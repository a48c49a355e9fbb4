//! Public keys as PEM, one after the other, as `openssl pkey -pubout` writes them.

use super::{BadKey, BadKeys, Key};
use ed25519_dalek::VerifyingKey;
use p256::pkcs8::DecodePublicKey;
use rsa::RsaPublicKey;
use rustls::pki_types::pem::{PemObject, SectionKind};

/// Those of a file. They have no ids.
///
/// # Errors
/// When it is no PEM, or one of them is of no use.
pub fn read(content: &[u8]) -> Result<Vec<Key>, BadKeys> {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(content);
    let mut keys = Vec::new();
    for (section, place) in sections.zip(1..) {
        let (kind, der) = section.map_err(|_| BadKeys::Unreadable)?;
        let key = match kind {
            SectionKind::PublicKey => public_key(&der),
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                Err(BadKey::Private)
            }
            SectionKind::Certificate => Err(BadKey::Certificate),
            _ => Err(BadKey::Unreadable),
        };
        keys.push(key.map_err(|why| BadKeys::Key { place, why })?);
    }
    if keys.is_empty() {
        return Err(BadKeys::Unreadable);
    }
    Ok(keys)
}

// Each of them looks at the kind of key that the section names before anything else.
fn public_key(der: &[u8]) -> Result<Key, BadKey> {
    if let Ok(key) = RsaPublicKey::from_public_key_der(der) {
        return Key::rsa(None, &key);
    }
    if let Ok(key) = p256::PublicKey::from_public_key_der(der) {
        return Ok(Key::p256(None, &key));
    }
    let key = VerifyingKey::from_public_key_der(der).map_err(|_| BadKey::Unreadable)?;
    Key::ed25519(None, &key)
}
