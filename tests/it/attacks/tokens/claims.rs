//! Tokens that are signed well, and say what they must not.

use super::{expect_all_nobody, signed, staff_but};
use crate::support::House;
use crate::support::house::{SECRET, token};
use chrono::Utc;
use secrecy::SecretString;
use serde_json::{Value, json};
use usher::auth::{Authenticator, TokenRules};
use usher::config::Visitors;
use usher::model::Role;

/// How much clocks may differ by, in seconds.
const LEEWAY: i64 = 60;

#[tokio::test]
async fn what_a_token_says_must_be_right() {
    let house = House::open().await;
    let now = Utc::now().timestamp();
    let mut wrong = vec![
        staff_but("exp", json!(now - LEEWAY - 1)),
        staff_but("exp", json!(0)),
        staff_but("exp", json!(null)),
        staff_but("exp", json!(format!("{}", now + 3600))),
        staff_but("exp", json!({"$gt": 0})),
        staff_but("nbf", json!(now + LEEWAY + 30)),
        staff_but("nbf", json!("soon")),
        // This house has no audience, so it was not made for it.
        staff_but("aud", json!("another application")),
        staff_but("aud", json!([])),
    ];
    for role in [
        json!(null),
        json!(["STAFF"]),
        json!(2),
        json!(true),
        json!({"role": "STAFF"}),
        json!("ADMIN"),
        json!("STAFF\n"),
        json!("STAFF,BUYER"),
        json!(""),
    ] {
        wrong.push(staff_but("role", role));
    }
    for subject in [
        json!(null),
        json!(""),
        json!(1),
        json!(["tess"]),
        json!("x".repeat(256)),
        json!("tess\nINFO all is well"),
        json!("\u{1b}[2J"),
        json!("a\u{0}b"),
    ] {
        wrong.push(staff_but("sub", subject));
    }
    let mut tokens: Vec<String> = wrong.iter().map(signed).collect();
    // No object at all.
    for claims in [json!([]), json!("staff"), json!(null), json!(1)] {
        tokens.push(signed(&claims));
    }
    expect_all_nobody(&house, &token("anna", Role::Buyer), &tokens).await;
}

#[tokio::test]
async fn a_token_is_of_the_issuer_and_for_the_audience() {
    let rules = TokenRules {
        issuer: Some("https://id.example".to_owned()),
        audience: Some("usher".to_owned()),
        ..TokenRules::default()
    };
    let secret = SecretString::from(SECRET);
    let believing = Authenticator::new(Some(&secret), None, rules, Visitors::Buy).unwrap();
    let house = House::open_believing(believing).await;
    let says = |issuer: Value, audience: Value, role: &str| {
        let mut claims = staff_but("iss", issuer);
        (claims["aud"], claims["role"]) = (audience, json!(role));
        signed(&claims)
    };
    let good = json!("https://id.example");
    let honest = says(good.clone(), json!(["shop", "usher"]), "BUYER");
    let forged = [
        says(json!("https://evil.example"), json!("usher"), "STAFF"),
        says(
            json!("https://id.example.evil.example"),
            json!("usher"),
            "STAFF",
        ),
        says(json!(["https://id.example"]), json!("usher"), "STAFF"),
        says(json!(null), json!("usher"), "STAFF"),
        says(good.clone(), json!("shop"), "STAFF"),
        says(good.clone(), json!(["shop"]), "STAFF"),
        says(good, json!(null), "STAFF"),
    ];
    expect_all_nobody(&house, &honest, &forged).await;
}
