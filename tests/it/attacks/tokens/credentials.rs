//! Good tokens where none belongs, or not as they should be there.

use super::{QUERY, code_of, expect_forbidden, expect_nobody, expect_served, signed, staff};
use crate::support::House;
use crate::support::actor::Actor;
use crate::support::event_stream::asking;
use crate::support::house::token;
use crate::support::peer::Peer;
use crate::support::tokens::believing;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use usher::config::Visitors;
use usher::model::Role;

#[tokio::test]
async fn a_credential_is_one_token_in_one_header() {
    let house = House::open().await;
    let honest = token("anna", Role::Buyer);
    for credential in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        honest.clone(),
        format!("Token {honest}"),
        format!("Basic {honest}"),
        format!("Bearer{honest}"),
        format!("Bearer\t{honest}"),
        format!("Bearer Bearer {honest}"),
        format!("Bearer {honest}, Bearer {honest}"),
        format!("Bearer \t{honest}"),
        format!("Bearer {}", honest.replace('.', " .")),
        format!("Bearer \u{a0}{honest}"),
        format!("Bearer {honest}\n"),
        format!("Bearer {honest}\r\nX-Role: STAFF"),
        format!("Bearer {honest}\u{0}"),
        "Bearer \u{1f600}".to_owned(),
        "Bearer undefined".to_owned(),
        "Bearer null".to_owned(),
    ] {
        expect_nobody(&house, &credential).await;
    }
    expect_served(&house, honest.clone()).await;

    // Twice, even if both are good: some proxy may have looked at the other one.
    let bearer = |token: &str| HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    for (first, second) in [(&honest, &honest), (&honest, &signed(&staff()))] {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, bearer(first));
        headers.append(AUTHORIZATION, bearer(second));
        let request = asking(&house.url, QUERY).headers(headers);
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let good = format!("Bearer {honest}");
    let peer = Peer::connect(&house.url).await;
    expect_forbidden(peer, json!({"authorization": good, "Authorization": good})).await;

    // Bytes that are no text, past a client that would not send them.
    for value in [
        &b"Bearer \xff"[..],
        b"\xc3\x28",
        b"Bearer a\x01b",
        b"Bearer a\x00b",
    ] {
        let mut socket = TcpStream::connect(house.running.address).await.unwrap();
        let body = json!({"query": QUERY}).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: usher\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nauthorization: ",
            body.len()
        );
        let request = [head.as_bytes(), value, b"\r\n\r\n", body.as_bytes()].concat();
        socket.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        // hyper may hang up on what is no header.
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1);
        assert!(matches!(status, Some("400" | "401")), "{answer}");
        assert!(!answer.contains("viewer"), "{answer}");
    }
    expect_served(&house, honest).await;
}

#[tokio::test]
async fn a_long_token_is_not_looked_at() {
    let house = House::open().await;
    let honest = token("anna", Role::Buyer);
    let mut claims = staff();
    claims["padding"] = json!("x".repeat(8 * 1024));
    let believable = signed(&claims);
    assert!(believable.len() > 8 * 1024);
    let staff = Actor::new(&house.url, Some(believable));
    let refused = staff.ask(QUERY, json!({})).await;
    assert_eq!(refused.error_code(), "UNAUTHENTICATED");
    assert!(
        refused.error_message().contains("longer than"),
        "{refused:?}"
    );
    // What the socket takes as a message, and HTTP as a header, and what it does not.
    for length in [8 * 1024, 100 * 1024, 250 * 1024] {
        let peer = Peer::connect(&house.url).await;
        let credential = format!("Bearer {}", "a".repeat(length));
        expect_forbidden(peer, json!({"authorization": credential})).await;
    }
    expect_served(&house, honest).await;
}

#[tokio::test]
async fn a_token_in_an_address_is_not_read() {
    let staff = signed(&staff());
    for (visitors, status, role) in [(Visitors::Buy, 200, "VISITOR"), (Visitors::None, 401, "")] {
        let house = House::open_believing(believing(visitors)).await;
        for name in ["access_token", "token", "authorization", "Authorization"] {
            let query = format!("query={}&{name}=", QUERY.replace(' ', "%20"));
            for value in [staff.clone(), format!("Bearer%20{staff}")] {
                let url = format!("{}/graphql?{query}{value}", house.url);
                let response = reqwest::get(url).await.unwrap();
                assert_eq!(response.status(), status);
                let answer: Value = response.json().await.unwrap();
                if role.is_empty() {
                    assert_eq!(code_of(&answer), "UNAUTHENTICATED");
                } else {
                    assert_eq!(answer["data"]["viewer"]["role"], role);
                }
            }
        }
        // Nor in the body, nor in a cookie.
        let answer = reqwest::Client::new()
            .post(format!("{}/graphql", house.url))
            .header(
                "cookie",
                format!("token={staff}; authorization=Bearer {staff}"),
            )
            .json(&json!({"query": QUERY, "extensions": {"authorization": staff}}));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(!answer.text().await.unwrap().contains("STAFF"));
    }
}
