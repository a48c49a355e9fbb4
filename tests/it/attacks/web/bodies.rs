//! Bodies that are to fill the memory.

use super::a_buyer_is_served;
use super::wire::{Wire, head};
use crate::support::House;
use crate::support::program::Server;
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::json;

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
