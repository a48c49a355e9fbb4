//! Files of public keys: what is taken for one, and what becomes of a server whose file
//! changes.

use crate::support::actor::Actor;
use crate::support::keys::{KeyPair, jwks, pem_of, rsa_jwk_of};
use crate::support::program::Server;
use crate::support::tokens::token_signed_with;
use crate::support::{House, eventually};
use chrono::Utc;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use usher::auth::{KeyFile, TokenRules};
use usher::model::Role;
use usher::model::causes::in_full;

const QUERY: &str = "{ viewer { role subject } }";

/// A file in a folder of its own.
struct File {
    path: PathBuf,
    folder: TempDir,
}

impl File {
    fn new(content: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, content).unwrap();
        Self { path, folder }
    }

    /// Puts another content in its place, whole at once.
    fn replace(&self, content: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, &self.path).unwrap();
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

fn complaint(path: &Path) -> String {
    match KeyFile::open(path) {
        Ok(_) => panic!("{} is taken for keys", path.display()),
        Err(error) => in_full(&error),
    }
}

fn staff() -> Value {
    json!({"sub": "tess", "role": "STAFF", "exp": Utc::now().timestamp() + 3600})
}

/// What the bearer of this token is told, if that is not who they are.
async fn refusal_of(server: &Server, token: &str) -> Option<String> {
    let answer = server.bearer(token).ask(QUERY, json!({})).await;
    if answer.0.get("errors").is_none() {
        assert_eq!(answer.data()["viewer"]["role"], "STAFF");
        return None;
    }
    assert_eq!(answer.error_code(), "UNAUTHENTICATED");
    Some(answer.error_message().to_owned())
}

async fn believing(house: &House, file: &File) -> Server {
    let keys = [("USHER_JWT_KEYS", file.name())];
    Server::beside_with(house, &["--log", "error"], &keys).await
}

#[tokio::test]
async fn keys_of_each_kind_are_believed_from_either_format() {
    let house = House::open().await;
    let pairs = [KeyPair::rsa(), KeyPair::p256(), KeyPair::ed25519()];
    let in_pem: String = pairs.iter().map(|pair| pair.public_pem.clone()).collect();
    let in_jwks = jwks(&[
        pairs[0].jwk_named("0"),
        pairs[1].jwk_named("1"),
        // One without a name may be anybody's.
        pairs[2].jwk.clone(),
    ]);
    for content in [&in_pem, &in_jwks] {
        let server = believing(&house, &File::new(content)).await;
        for (number, pair) in pairs.iter().enumerate() {
            for id in [None, Some(number.to_string())] {
                let token = pair.sign(id.as_deref(), &staff());
                assert_eq!(refusal_of(&server, &token).await, None, "{number} {id:?}");
            }
        }
        let stranger = KeyPair::p256().sign(Some("1"), &staff());
        assert!(refusal_of(&server, &stranger).await.is_some());
        server.stop().await;
    }
}

#[tokio::test]
async fn keys_are_replaced_while_the_server_runs() {
    let house = House::open().await;
    let (old, new) = (KeyPair::ed25519(), KeyPair::p256());
    let file = File::new(&jwks(&[old.jwk_named("old")]));
    let mut server = believing(&house, &file).await;
    let of_old = old.sign(Some("old"), &staff());
    let of_new = new.sign(Some("new"), &staff());
    assert_eq!(refusal_of(&server, &of_old).await, None);
    assert!(refusal_of(&server, &of_new).await.is_some());

    // Both for a while, as is done when keys are rotated.
    file.replace(&jwks(&[old.jwk_named("old"), new.jwk_named("new")]));
    eventually("the new key is believed", async || {
        assert_eq!(refusal_of(&server, &of_old).await, None, "never without it");
        refusal_of(&server, &of_new).await.is_none().then_some(())
    })
    .await;

    // What cannot be used changes nothing, and is said.
    for (broken, said) in [
        (jwks(&[]), "no public key"),
        ("{\"keys\": [".to_owned(), "no JSON Web Key Set"),
        (new.private_pem.clone(), "it is private"),
        (
            jwks(&[new.jwk_named("a"), old.jwk_named("a")]),
            "two keys have the id",
        ),
    ] {
        file.replace(&broken);
        server.logged(|line| line.contains(said)).await;
        for token in [&of_old, &of_new] {
            assert_eq!(refusal_of(&server, token).await, None, "{said}");
        }
    }
    std::fs::remove_file(&file.path).unwrap();
    server.logged(|line| line.contains("cannot be read")).await;
    for token in [&of_old, &of_new] {
        assert_eq!(refusal_of(&server, token).await, None, "the file is gone");
    }

    // In the other format, and written in place.
    std::fs::write(&file.path, &new.public_pem).unwrap();
    let refusal = eventually("the old key is not believed", async || {
        assert_eq!(refusal_of(&server, &of_new).await, None, "never without it");
        refusal_of(&server, &of_old).await
    })
    .await;
    assert!(refusal.contains("algorithm"), "{refusal}");
    server.stop().await;
}

#[tokio::test]
async fn a_key_that_is_gone_is_said_to_be_unknown() {
    let house = House::open().await;
    let (old, new) = (KeyPair::ed25519(), KeyPair::ed25519());
    let server = believing(&house, &File::new(&jwks(&[new.jwk_named("new")]))).await;
    let refusal = refusal_of(&server, &old.sign(Some("old"), &staff())).await;
    assert!(refusal.unwrap().contains("key that is not known"));
    let refusal = refusal_of(&server, &old.sign(Some("new"), &staff())).await;
    assert!(refusal.unwrap().contains("not valid"));
    server.stop().await;
}

#[test]
fn keys_that_are_for_something_else_are_passed_over() {
    let known = KeyPair::p256().jwk_named("known");
    let mut encrypts = KeyPair::p256().jwk_named("encrypts");
    encrypts["use"] = json!("enc");
    let mut signs = KeyPair::p256().jwk_named("signs");
    signs["key_ops"] = json!(["sign"]);
    let mut other_algorithm = KeyPair::rsa().jwk_named("rs512");
    other_algorithm["alg"] = json!("RS512");
    let mut confused = KeyPair::rsa().jwk_named("confused");
    confused["alg"] = json!("HS256");
    let others = [
        encrypts,
        signs,
        other_algorithm,
        confused,
        json!({"kty": "EC", "crv": "P-521", "kid": "a", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "kid": "b", "x": "AA"}),
        json!({"kty": "LATTICE", "kid": "c"}),
        json!({"kid": "d"}),
    ];
    for other in &others {
        let alone = complaint(&File::new(&jwks(std::slice::from_ref(other))).path);
        assert!(alone.contains("no public key"), "{other}: {alone}");
    }
    let mut all = others.to_vec();
    all.push(known);
    let file = KeyFile::open(&File::new(&jwks(&all)).path).unwrap();
    assert_eq!(file.keys().len(), 1);
}

#[test]
fn a_file_that_should_not_be_believed_is_refused_and_says_why() {
    let with = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwks(&[jwk])
    };
    let ed25519 = KeyPair::ed25519();
    let many: Vec<Value> = (0..33).map(|_| KeyPair::ed25519().jwk).collect();
    let named = |name: &str| KeyPair::ed25519().jwk_named(name);
    let public = &ed25519.public_pem;
    for (content, said) in [
        (String::new(), "no PEM and no JSON"),
        ("keys".to_owned(), "no PEM and no JSON"),
        ("{}".to_owned(), "no PEM and no JSON"),
        (r#"{"keys": {}}"#.to_owned(), "no PEM and no JSON"),
        (public.replace("END", "DNE"), "no PEM and no JSON"),
        (jwks(&many), "more than 32 keys"),
        (jwks(&[named("a"), named("b"), named("a")]), "the id \"a\""),
        (ed25519.private_pem.clone(), "key 1: it is private"),
        (
            format!("{public}{}", KeyPair::rsa().private_pem),
            "key 2: it is private",
        ),
        (with(ed25519.jwk.clone(), "d", json!("AA")), "it is private"),
        (
            with(ed25519.jwk.clone(), "x", json!("AA")),
            "cannot be read",
        ),
        (with(ed25519.jwk.clone(), "x", json!(7)), "cannot be read"),
        // The neutral element: a signature of it is anybody's.
        (
            with(ed25519.jwk, "x", json!(format!("AQ{}", "A".repeat(41)))),
            "proves nothing",
        ),
        // No point of the curve.
        (
            with(KeyPair::p256().jwk, "x", json!("A".repeat(43))),
            "cannot be read",
        ),
        (with(KeyPair::rsa().jwk, "e", json!("AQ")), "cannot be read"),
        (jwks(&[rsa_jwk_of(1024)]), "1024 bits"),
        (
            jwks(&[json!({"kty": "oct", "k": "AAAA", "kid": "a"})]),
            "it is symmetric",
        ),
        (
            pem_of("CERTIFICATE", b"not looked at"),
            "it is a certificate",
        ),
        (pem_of("PUBLIC KEY", b"no key"), "cannot be read"),
    ] {
        let file = File::new(&content);
        let complaint = complaint(&file.path);
        assert!(complaint.contains(said), "{said}: {complaint}");
        assert!(complaint.contains(file.name()), "{complaint}");
    }
    let missing = complaint(Path::new("/nonexistent/keys"));
    assert!(missing.contains("cannot be read"), "{missing}");
    let endless = complaint(Path::new("/dev/zero"));
    assert!(endless.contains("cannot be read"), "{endless}");
}

#[tokio::test]
async fn a_secret_and_public_keys_are_believed_beside_each_other() {
    let house = House::open().await;
    let pair = KeyPair::ed25519();
    let file = File::new(&pair.public_pem);
    let secret = File::new("as long as a secret has to be: 32 bytes\n");
    let keys = [
        ("USHER_JWT_KEYS", file.name()),
        ("USHER_JWT_SECRET_FILE", secret.name()),
    ];
    let server = Server::beside_with(&house, &[], &keys).await;
    let text = std::fs::read_to_string(&secret.path).unwrap();
    let of_secret = token_signed_with(
        text.trim_end(),
        "tess",
        Role::Staff,
        Duration::from_hours(1),
    );
    for token in [pair.sign(None, &staff()), of_secret] {
        assert_eq!(refusal_of(&server, &token).await, None);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_role_may_stand_in_another_claim() {
    let house = House::open().await;
    let pair = KeyPair::ed25519();
    let file = File::new(&pair.public_pem);
    let settings = [
        ("USHER_JWT_KEYS", file.name()),
        ("USHER_JWT_ROLE_CLAIM", "https://example.org/usher-role"),
    ];
    let server = Server::beside_with(&house, &[], &settings).await;
    assert_eq!(TokenRules::default().role_claim, "role");
    let refusal = refusal_of(&server, &pair.sign(None, &staff())).await;
    assert!(refusal.unwrap().contains("role"));
    let mut elsewhere = staff();
    elsewhere["role"] = json!("BUYER");
    elsewhere["https://example.org/usher-role"] = json!("BOX_OFFICE");
    let token = pair.sign(None, &elsewhere);
    let seller: Actor = server.bearer(&token);
    let answer = seller.ask(QUERY, json!({})).await;
    assert_eq!(answer.data()["viewer"]["role"], "BOX_OFFICE");
    server.stop().await;
}
