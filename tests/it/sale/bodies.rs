//! How much a request may carry: staff send plans, nobody else needs much.

use crate::support::House;
use crate::support::digest::Digest;
use crate::support::house::token;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use usher::model::Role;

const MEGABYTE: usize = 1_000_000;

/// Asks who one is with a body of about this size; answers status and body.
async fn ask_with(house: &House, token: Option<&str>, bytes: usize) -> (u16, Value) {
    let body = json!({
        "query": "{ viewer { role } }", "extensions": {"padding": "x".repeat(bytes)},
    });
    let mut request = reqwest::Client::new()
        .post(format!("{}/graphql", house.url))
        .json(&body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_megabytes_are_too_much_but_for_staff() {
    let house = House::open().await;
    let before = Digest::of(&house).await;
    let (buyer, staff) = (token("anna", Role::Buyer), token("tess", Role::Staff));
    for (caller, role) in [(None, "VISITOR"), (Some(buyer.as_str()), "BUYER")] {
        // Whoever sends it all before looking for an answer gets one, too: the
        // larger does not fit into what the network keeps on its way.
        for bytes in [2 * MEGABYTE, 12 * MEGABYTE] {
            let (status, body) = ask_with(&house, caller, bytes).await;
            assert_eq!(status, 413, "{body}");
            assert_eq!(body["errors"][0]["extensions"]["code"], "PAYLOAD_TOO_LARGE");
            assert_eq!(body.get("data"), None);
        }
        let (status, body) = ask_with(&house, caller, MEGABYTE).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["data"]["viewer"]["role"], role);
    }
    let (status, body) = ask_with(&house, Some(&staff), 30 * MEGABYTE).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["data"]["viewer"]["role"], "STAFF");
    before.assert_unchanged("large bodies").await;
}

/// A body of which no byte is sent: its announced length is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_as_far_too_large_is_refused_before_it_is_sent() {
    let house = House::open().await;
    let staff = token("tess", Role::Staff);
    for (authorization, length) in [
        (String::new(), 100 * MEGABYTE),
        (format!("Authorization: Bearer {staff}\r\n"), 100 * MEGABYTE),
    ] {
        let mut socket = TcpStream::connect(house.running.address).await.unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: usher\r\nContent-Type: application/json\r\n\
             {authorization}Content-Length: {length}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        let read = socket.read_exact(&mut status);
        let read = tokio::time::timeout(crate::support::PATIENCE, read).await;
        read.expect("an answer comes").unwrap();
        let status = String::from_utf8_lossy(&status);
        assert_eq!(status, "HTTP/1.1 413");
    }
}
