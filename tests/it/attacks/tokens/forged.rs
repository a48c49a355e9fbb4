//! Tokens that somebody else has signed, or nobody, or in another way.

use super::{expect_all_nobody, expect_nobody, hmac_signed, signed, staff, staff_but, unsigned};
use crate::support::House;
use crate::support::house::{SECRET, token};
use crate::support::keys::{KeyPair, jwks};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use jsonwebtoken::jwk::Jwk;
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use usher::auth::{Authenticator, KeyFile, TokenRules};
use usher::config::Visitors;
use usher::model::Role;

/// A house whose tokens are signed by somebody else.
async fn house_with_keys(content: &str, secret: Option<&str>) -> House {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, content).unwrap();
    let keys = Some(Arc::new(KeyFile::open(&path).unwrap()));
    let secret = secret.map(SecretString::from);
    let rules = TokenRules::default();
    let believing = Authenticator::new(secret.as_ref(), keys, rules, Visitors::Buy);
    House::open_believing(believing.unwrap()).await
}

#[tokio::test]
async fn a_signature_must_be_the_servers() {
    let house = House::open().await;
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let good = signed(&staff());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    let flipped = URL_SAFE_NO_PAD.encode(&bytes);
    let buyers = token("anna", Role::Buyer);
    let (_, buyers_signature) = buyers.rsplit_once('.').unwrap();
    let other = b"another secret that is long enough, 32+";
    let forged = [
        hmac_signed(&header, &staff(), other),
        hmac_signed(&header, &staff(), b""),
        format!("{message}.{flipped}"),
        format!("{message}.{}", &signature[..signature.len() - 2]),
        // A believed signature, of another token.
        format!("{message}.{buyers_signature}"),
        // None at all.
        format!("{message}."),
        message.to_owned(),
        // More than there should be.
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good}="),
        format!("{good}A"),
        format!(".{good}"),
        format!("{good} {good}"),
        format!("{good},{good}"),
        // As JSON, which is another serialization (RFC 7515, section 7.2).
        json!({"payload": "e30", "protected": "e30", "signature": signature}).to_string(),
    ];
    expect_all_nobody(&house, &buyers, &forged).await;
}

#[tokio::test]
async fn a_token_says_nothing_of_how_it_is_checked() {
    let house = House::open().await;
    let mut forged = Vec::new();
    for none in [
        "none", "None", "NONE", "nOnE", "", "HS1", "HS256 ", "hs256", "dir",
    ] {
        let message = unsigned(&json!({"alg": none, "typ": "JWT"}), &staff());
        forged.push(format!("{message}."));
        forged.push(message);
        let header = json!({"alg": none, "typ": "JWT"});
        forged.push(hmac_signed(&header, &staff(), SECRET.as_bytes()));
    }
    for header in [
        json!({}),
        json!({"typ": "JWT"}),
        json!({"alg": null}),
        json!({"alg": ["HS256"]}),
        // The right algorithm for the secret, but not the one that is used with it.
        json!({"alg": "HS512"}),
        json!({"alg": "RS256"}),
        json!({"alg": "ES256"}),
        json!({"alg": "EdDSA"}),
        // What must be understood, and is not (RFC 7515, section 4.1.11).
        json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
        json!({"alg": "HS256", "crit": ["exp"]}),
        // A token of another kind, of the same issuer.
        json!({"alg": "HS256", "typ": "logout+jwt"}),
        json!({"alg": "HS256", "typ": "dpop+jwt"}),
    ] {
        forged.push(hmac_signed(&header, &staff(), SECRET.as_bytes()));
    }
    expect_all_nobody(&house, &token("anna", Role::Buyer), &forged).await;
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let key = KeyPair::rsa();
    let honest = key.sign(
        None,
        &json!({
            "sub": "anna", "role": "BUYER", "exp": Utc::now().timestamp() + 3600,
        }),
    );
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let modulus = URL_SAFE_NO_PAD
        .decode(key.jwk["n"].as_str().unwrap())
        .unwrap();
    let confused: Vec<String> = [
        key.public_pem.as_bytes(),
        key.public_pem.trim_end().as_bytes(),
        key.jwk.to_string().as_bytes(),
        &modulus,
    ]
    .into_iter()
    .map(|known_to_all| hmac_signed(&header, &staff(), known_to_all))
    .collect();
    // Without a secret, and beside one.
    for secret in [None, Some(SECRET)] {
        for content in [key.public_pem.clone(), jwks(&[key.jwk_named("a")])] {
            let house = house_with_keys(&content, secret).await;
            expect_all_nobody(&house, &honest, &confused).await;
        }
    }
}

#[tokio::test]
async fn a_key_believes_in_one_way_only() {
    let (key, other) = (KeyPair::rsa(), KeyPair::rsa());
    let honest = json!({
        "sub": "anna", "role": "BUYER", "exp": Utc::now().timestamp() + 3600,
    });
    let honest = key.sign(Some("a"), &honest);
    let house = house_with_keys(&jwks(&[key.jwk_named("a")]), None).await;
    let mut forged = vec![
        other.sign(Some("a"), &staff()),
        other.sign(None, &staff()),
        KeyPair::p256().sign(Some("a"), &staff()),
        KeyPair::ed25519().sign(Some("a"), &staff()),
        // Where no secret is configured, not even the right one.
        signed(&staff()),
        signed(&staff_but("aud", json!("usher"))),
    ];
    // The key's own signature, said to be of another kind.
    for algorithm in [
        jsonwebtoken::Algorithm::RS384,
        jsonwebtoken::Algorithm::RS512,
        jsonwebtoken::Algorithm::PS256,
    ] {
        let mut header = key.header(Some("a"));
        header.alg = algorithm;
        forged.push(key.sign_under(&header, &staff()));
    }
    expect_all_nobody(&house, &honest, &forged).await;
    // And one of a public key where only a secret is configured.
    let house = House::open().await;
    let forged = [key.sign(None, &staff()), key.sign(Some("a"), &staff())];
    expect_all_nobody(&house, &token("anna", Role::Buyer), &forged).await;
}

#[tokio::test]
async fn a_token_brings_no_key_of_its_own() {
    let key = KeyPair::ed25519();
    let honest = json!({
        "sub": "anna", "role": "BUYER", "exp": Utc::now().timestamp() + 3600,
    });
    let honest = key.sign(Some("a"), &honest);
    // Whoever comes for a key there would be seen.
    let bait = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/keys", bait.local_addr().unwrap());
    let house = house_with_keys(&jwks(&[key.jwk_named("a")]), None).await;
    let attacker = KeyPair::ed25519();
    let own: Jwk = serde_json::from_value(attacker.jwk.clone()).unwrap();
    let mut forged = Vec::new();
    for id in [None, Some("a"), Some("b")] {
        for change in 0..4 {
            let mut header = attacker.header(id);
            match change {
                0 => header.jwk = Some(own.clone()),
                1 => header.jku = Some(address.clone()),
                2 => header.x5u = Some(address.clone()),
                _ => header.x5c = Some(vec!["MIIB".to_owned()]),
            }
            forged.push(attacker.sign_under(&header, &staff()));
        }
    }
    // Names that would be a path, a statement or a host elsewhere.
    for id in [
        "../../../../dev/null",
        "/etc/passwd",
        "a' OR '1'='1",
        "a'; DROP TABLE seats; --",
        "a\u{0}",
        "a\n",
        "A",
        "",
        "http://169.254.169.254/",
        &"a".repeat(4096),
    ] {
        forged.push(attacker.sign(Some(id), &staff()));
        let header = json!({"alg": "HS256", "kid": id});
        forged.push(hmac_signed(&header, &staff(), b""));
    }
    expect_all_nobody(&house, &honest, &forged).await;
    let visited = tokio::time::timeout(std::time::Duration::ZERO, bait.accept()).await;
    assert!(visited.is_err(), "somebody came for a key");
    // A good token under a name that is not known is not guessed at.
    let misnamed = key.sign(Some("b"), &staff());
    expect_nobody(&house, &format!("Bearer {misnamed}")).await;
}
