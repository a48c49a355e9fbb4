//! Bodies that are to fill the memory.

use super::a_buyer_is_served;
use super::wire::{Wire, head};
use crate::support::house::Limits;
use crate::support::program::Server;
use crate::support::{House, eventually};
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use usher::config::WebSettings;

const JSON: &str = "content-type: application/json";
const TEN_MEGABYTES: usize = 10_000_000;

/// Anybody's body ends at a megabyte, and what has come of it is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_refused_and_fill_no_memory() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let server = Server::beside(&house, &[]).await;
    let before = server.memory();
    let announced = head(&[JSON, "content-length: 10000000", "connection: close"]);
    let chunked = head(&[JSON, "transfer-encoding: chunked", "connection: close"]);
    let body = vec![b' '; TEN_MEGABYTES];
    let attackers = join_all((0..40).map(async |number| {
        let mut wire = Wire::to(&server.url).await;
        if number % 2 == 0 {
            wire.say(&announced).await;
            wire.say(&body).await;
        } else {
            wire.say(&chunked).await;
            for chunk in body.chunks(TEN_MEGABYTES / 100) {
                wire.say(format!("{:x}\r\n", chunk.len())).await;
                wire.say(chunk).await;
                wire.say("\r\n").await;
            }
            wire.say("0\r\n\r\n").await;
        }
        wire.heard().await.status()
    }));
    let buyer = async {
        let held = server.visitor().hold(&event.id, &event.seats).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld");
    };
    let (statuses, ()) = tokio::join!(attackers, buyer);
    assert_eq!(statuses, [Some(413); 40]);
    if let (Some([before, _]), Some([_, most])) = (before, server.memory()) {
        assert!(most < before + 150, "{before} MB before, {most} at most");
    }
    server.stop().await;
}

/// A query in a body of this length at least.
async fn padded(house: &House, length: usize) -> reqwest::Response {
    let padding = " ".repeat(length);
    let query = json!({"query": "{ __typename }"});
    let request = Client::new()
        .post(format!("{}/graphql", house.url))
        .header("content-type", "application/json")
        .body(format!("{padding}{query}"));
    request.send().await.unwrap()
}

/// Each of them is within its limit, and never comes to its end. What buyers send is small.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_have_all_the_room_together_keep_no_small_one_out() {
    let house = House::open_with_all(Limits {
        web: WebSettings {
            max_bodies_bytes: 1_000_000,
            ..WebSettings::default()
        },
        ..Limits::default()
    })
    .await;
    let event = house.event(1, 2).await;
    assert_eq!(padded(&house, 200_000).await.status(), 200);
    let announced = head(&[JSON, "content-length: 600000"]);
    let chunked = head(&[JSON, "transfer-encoding: chunked"]) + "927c0\r\n";
    let body = vec![b' '; 500_000];
    let mut attackers = Vec::new();
    for head in [&announced, &chunked] {
        let mut wire = Wire::to(&house.url).await;
        wire.say(head).await;
        wire.say(&body).await;
        attackers.push(wire);
    }
    let refused = eventually("they have all the room", async || {
        let answer = padded(&house, 200_000).await;
        (answer.status() == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused.headers()["retry-after"], "1");
    let answer: Value = refused.json().await.unwrap();
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(
        *extensions,
        json!({"code": "UNAVAILABLE", "retryAfterMs": 1_000})
    );
    // One that does not say how long it is finds out on its way.
    let mut wire = Wire::to(&house.url).await;
    wire.say(head(&[JSON, "transfer-encoding: chunked"]) + "30d40\r\n")
        .await;
    wire.say(&body[..200_000]).await;
    wire.say("\r\n0\r\n\r\n").await;
    assert_eq!(wire.heard().await.status(), Some(503));
    a_buyer_is_served(&house, &event, 0).await;
    assert_eq!(padded(&house, 10_000).await.status(), 200);
    drop(attackers);
    eventually("there is room again", async || {
        (padded(&house, 200_000).await.status() == 200).then_some(())
    })
    .await;
    a_buyer_is_served(&house, &event, 1).await;
}

/// The first bytes of ten megabytes of nothing, in eight kilobytes, would do: whatever is
/// compressed is not looked at.
#[tokio::test]
async fn nothing_is_decompressed() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let bomb = gzip(&vec![b' '; TEN_MEGABYTES]).await;
    assert!(bomb.len() < 20_000, "{}", bomb.len());
    for path in ["/graphql", "/graphql/stream"] {
        for coding in ["gzip", "br", "zstd", "deflate", "identity, gzip", "x"] {
            let request = Client::new()
                .post(format!("{}{path}", house.url))
                .header("accept", "application/json, text/event-stream")
                .header("content-type", "application/json")
                .header("content-encoding", coding)
                .body(bomb.clone());
            let refused = request.send().await.unwrap();
            assert_eq!(refused.status(), 415, "{coding}");
            assert_eq!(refused.headers()["accept-encoding"], "identity");
        }
    }
    let plain = Client::new()
        .post(format!("{}/graphql", house.url))
        .header("content-encoding", "identity")
        .json(&json!({"query": "{ __typename }"}));
    assert_eq!(plain.send().await.unwrap().status(), 200);
    // By the other way to say it, the bytes are what they are: no JSON.
    let mut request = head(&[
        JSON,
        "transfer-encoding: gzip, chunked",
        "connection: close",
    ])
    .into_bytes();
    request.extend_from_slice(format!("{:x}\r\n", bomb.len()).as_bytes());
    request.extend_from_slice(&bomb);
    request.extend_from_slice(b"\r\n0\r\n\r\n");
    let said = Wire::exchange(&house.url, request).await;
    assert_eq!(said.status(), Some(400), "{said:?}");
    a_buyer_is_served(&house, &event, 0).await;
}

async fn gzip(plain: &[u8]) -> Vec<u8> {
    use async_compression::tokio::write::GzipEncoder;
    use tokio::io::AsyncWriteExt;
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(plain).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}
