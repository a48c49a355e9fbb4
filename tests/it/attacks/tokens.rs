//! Forged, stolen, expired and confused tokens. None of them makes anybody of its bearer,
//! not even a visitor, and everybody else is served on.

mod claims;
mod credentials;
mod floods;
mod forged;

use crate::support::actor::Actor;
use crate::support::event_stream::EVENT_STREAM;
use crate::support::house::SECRET;
use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL, TOKEN};
use crate::support::{Answer, House};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;

const QUERY: &str = "{ viewer { role subject } }";

/// What staff's tokens say.
fn staff() -> Value {
    json!({"sub": "mallory", "role": "STAFF", "exp": Utc::now().timestamp() + 3600})
}

/// What staff's tokens say, but for this claim.
fn staff_but(claim: &str, value: Value) -> Value {
    let mut claims = staff();
    claims[claim] = value;
    claims
}

/// The part of a token that is signed.
fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A token signed with HS256, whatever its header says.
fn hmac_signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = unsigned(header, claims);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{message}.{signature}")
}

/// One that the houses would believe, if what it says were right.
fn signed(claims: &Value) -> String {
    hmac_signed(
        &json!({"alg": "HS256", "typ": "JWT"}),
        claims,
        SECRET.as_bytes(),
    )
}

fn code_of(answer: &Value) -> &Value {
    assert!(answer.get("data").is_none(), "{answer}");
    &answer["errors"][0]["extensions"]["code"]
}

/// Shows the credential wherever one is taken, and is nobody there.
async fn expect_nobody(house: &House, credential: &str) {
    if let Ok(value) = HeaderValue::from_str(credential) {
        for request in [
            reqwest::Client::new().post(format!("{}/graphql", house.url)),
            reqwest::Client::new().post(format!("{}/graphql/stream", house.url)),
        ] {
            let request = request
                .header("accept", format!("application/json, {EVENT_STREAM}"))
                .header(AUTHORIZATION, value.clone())
                .json(&json!({"query": QUERY}));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{credential}");
            let challenge = response.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer error="), "{challenge}");
            let answer: Value = response.json().await.unwrap();
            assert_eq!(code_of(&answer), "UNAUTHENTICATED", "{credential}");
        }
        let plan = reqwest::Client::new()
            .get(format!("{}/plans/x", house.url))
            .header(AUTHORIZATION, value.clone())
            .send();
        assert_eq!(plan.await.unwrap().status(), 401, "{credential}");
        if value.to_str().is_ok() {
            let headers = [(PROTOCOL, SUBPROTOCOL), (TOKEN, credential)];
            let peer = Peer::connect_with(&house.url, &headers).await;
            expect_forbidden(peer, json!({})).await;
        }
    }
    let peer = Peer::connect(&house.url).await;
    expect_forbidden(peer, json!({"authorization": credential})).await;
}

async fn expect_forbidden(mut peer: Peer, payload: Value) {
    peer.send(json!({"type": "connection_init", "payload": payload}))
        .await;
    peer.expect_close(4403, "Forbidden: ").await;
}

/// Somebody who has done nothing wrong is served, as the one they are.
async fn expect_served(house: &House, token: String) {
    let buyer = Actor::new(&house.url, Some(token));
    let answer = buyer.ask(QUERY, json!({})).await;
    assert_eq!(answer.data()["viewer"]["role"], "BUYER");
    let visitor = house.visitor().ask(QUERY, json!({})).await;
    assert_eq!(visitor.data()["viewer"]["role"], "VISITOR");
}

/// None of these tokens makes anybody of its bearer.
async fn expect_all_nobody(house: &House, honest: &str, tokens: &[String]) {
    for token in tokens {
        expect_nobody(house, &format!("Bearer {token}")).await;
    }
    expect_served(house, honest.to_owned()).await;
}

#[tokio::test]
async fn the_same_token_unforged_is_believed() {
    // Or all that follows would prove nothing.
    let house = House::open().await;
    let staff = Actor::new(&house.url, Some(signed(&staff())));
    let answer: Answer = staff.ask(QUERY, json!({})).await;
    let viewer = json!({"role": "STAFF", "subject": "mallory"});
    assert_eq!(answer.data()["viewer"], viewer);
}
