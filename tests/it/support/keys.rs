//! Key pairs, as those have them who sign tokens, and what they sign.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};

/// A key pair.
pub struct KeyPair {
    algorithm: Algorithm,
    signing: EncodingKey,
    /// The private key, PKCS #8 as PEM.
    pub private_pem: String,
    /// The public key as PEM.
    pub public_pem: String,
    /// The public key as a JSON Web Key, without an id.
    pub jwk: Value,
}

impl KeyPair {
    /// A new RSA key.
    pub fn rsa() -> Self {
        let key = RsaPrivateKey::new(&mut OsRng, 2_048).unwrap();
        let public = RsaPublicKey::from(&key);
        Self {
            algorithm: Algorithm::RS256,
            signing: EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes()),
            private_pem: pem_of("PRIVATE KEY", key.to_pkcs8_der().unwrap().as_bytes()),
            public_pem: pem_of("PUBLIC KEY", public.to_public_key_der().unwrap().as_bytes()),
            jwk: rsa_jwk(&public),
        }
    }

    /// A new key on the curve P-256.
    pub fn p256() -> Self {
        let key = loop {
            // Next to every number is a key.
            if let Ok(key) = p256::SecretKey::from_slice(&rand::random::<[u8; 32]>()) {
                break key;
            }
        };
        let (public, private) = (key.public_key(), key.to_pkcs8_der().unwrap());
        let point = public.to_encoded_point(false);
        let coordinate = |bytes: Option<_>| URL_SAFE_NO_PAD.encode(bytes.unwrap());
        Self {
            algorithm: Algorithm::ES256,
            signing: EncodingKey::from_ec_der(private.as_bytes()),
            private_pem: pem_of("PRIVATE KEY", private.as_bytes()),
            public_pem: pem_of("PUBLIC KEY", public.to_public_key_der().unwrap().as_bytes()),
            jwk: json!({
                "kty": "EC", "crv": "P-256",
                "x": coordinate(point.x()), "y": coordinate(point.y()),
            }),
        }
    }

    /// A new Ed25519 key.
    pub fn ed25519() -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&rand::random());
        let (public, private) = (key.verifying_key(), key.to_pkcs8_der().unwrap());
        Self {
            algorithm: Algorithm::EdDSA,
            signing: EncodingKey::from_ed_der(private.as_bytes()),
            private_pem: pem_of("PRIVATE KEY", private.as_bytes()),
            public_pem: pem_of("PUBLIC KEY", public.to_public_key_der().unwrap().as_bytes()),
            jwk: json!({
                "kty": "OKP", "crv": "Ed25519",
                "x": URL_SAFE_NO_PAD.encode(public.as_bytes()),
            }),
        }
    }

    /// The public key under this id.
    pub fn jwk_named(&self, id: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(id);
        jwk
    }

    /// The header of a token of this key.
    pub fn header(&self, id: Option<&str>) -> Header {
        Header {
            kid: id.map(str::to_owned),
            ..Header::new(self.algorithm)
        }
    }

    /// A token that says this.
    pub fn sign(&self, id: Option<&str>, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(id), claims, &self.signing).unwrap()
    }

    /// A token with this header.
    pub fn sign_under(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.signing).unwrap()
    }
}

/// The JWK of an RSA key of so many bits, whose factors nobody knows.
pub fn rsa_jwk_of(bits: usize) -> Value {
    let mut modulus: Vec<u8> = (0..bits / 8).map(|_| rand::random()).collect();
    modulus[0] |= 0x80;
    *modulus.last_mut().unwrap() |= 1;
    let exponent = BigUint::from(65_537_u32);
    rsa_jwk(&RsaPublicKey::new(BigUint::from_bytes_be(&modulus), exponent).unwrap())
}

fn rsa_jwk(key: &RsaPublicKey) -> Value {
    let number = |number: &BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    json!({"kty": "RSA", "n": number(key.n()), "e": number(key.e())})
}

/// A section of a PEM file.
pub fn pem_of(label: &str, der: &[u8]) -> String {
    let lines = STANDARD.encode(der);
    let lines: Vec<&str> = (0..lines.len())
        .step_by(64)
        .map(|from| &lines[from..lines.len().min(from + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// A set of keys, as identity providers publish them.
pub fn jwks(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}
