//! Sockets and event streams: how many may be opened, how many may be open, and what the
//! operations on them cost.

use super::{error, header, limited, rate_limit, reads, unlimited};
use crate::support::event_stream::{self, EventStream};
use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL};
use crate::support::{House, eventually};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::json;
use std::time::Duration;
use usher::config::RateLimitSettings;

/// A handshake that reqwest can send: a refusal is an answer like any other.
fn handshake(house: &House, from: &str) -> RequestBuilder {
    Client::new()
        .get(format!("{}/graphql", house.url))
        .header("x-forwarded-for", from)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header(PROTOCOL, SUBPROTOCOL)
}

async fn open(house: &House, from: &str) -> Response {
    handshake(house, from).send().await.unwrap()
}

const HERE: &str = "192.0.2.1";

#[tokio::test]
async fn an_operation_over_budget_is_refused_and_the_socket_stays() {
    let (house, clock) = limited(reads("2/20s")).await;
    let mut peer = Peer::ready(&house.url).await;
    for id in ["1", "2"] {
        peer.subscribe(id, "{ __typename }").await;
        assert_eq!(peer.next().await["type"], "next");
        peer.expect(json!({"id": id, "type": "complete"})).await;
    }
    peer.subscribe("3", "{ __typename }").await;
    let refused = peer.next().await;
    assert_eq!(refused["type"], "error", "{refused}");
    let extensions = &refused["payload"][0]["extensions"];
    assert_eq!(
        *extensions,
        json!({"code": "RATE_LIMITED", "retryAfterMs": 10_000})
    );
    clock.advance(Duration::from_secs(10));
    peer.subscribe("3", "{ __typename }").await;
    assert_eq!(peer.next().await["type"], "next");
    peer.expect(json!({"id": "3", "type": "complete"})).await;
    // What is refused before it is an operation is charged, too.
    clock.advance(Duration::from_secs(10));
    peer.subscribe("4", "{ nothing (").await;
    let refused = peer.next().await;
    let code = &refused["payload"][0]["extensions"]["code"];
    assert_eq!(code, "GRAPHQL_PARSE_FAILED");
    peer.subscribe("5", "{ __typename }").await;
    let refused = peer.next().await;
    let code = &refused["payload"][0]["extensions"]["code"];
    assert_eq!(code, "RATE_LIMITED");
}

#[tokio::test]
async fn a_stream_over_budget_is_refused_before_it_is_open() {
    let (house, _clock) = limited(RateLimitSettings {
        sockets: rate_limit("3/1m"),
        ..reads("2/1m")
    })
    .await;
    let asking = || event_stream::asking(&house.url, "{ __typename }");
    for left in [1, 0] {
        let stream = EventStream::of(asking()).await;
        let limit = header(&stream.response, "ratelimit").unwrap();
        let expected = format!(
            "\"sockets\";r={};t={}, \"reads\";r={left};t={}",
            left + 1,
            20 * (2 - left),
            30 * (2 - left)
        );
        assert_eq!(limit, expected);
        let policy = header(&stream.response, "ratelimit-policy").unwrap();
        assert_eq!(policy, "\"sockets\";q=3;w=60, \"reads\";q=2;w=60");
    }
    let refused = asking().send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), Some("30"));
    let message = &error(refused).await["message"];
    assert!(message.as_str().unwrap().contains("for reads"), "{message}");
    let refused = asking().send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let message = &error(refused).await["message"];
    let message = message.as_str().unwrap();
    assert!(message.contains("for sockets"), "{message}");
}

#[tokio::test]
async fn who_opens_too_many_sockets_is_refused_before_the_upgrade() {
    let (house, clock) = limited(RateLimitSettings {
        sockets: rate_limit("2/10s"),
        ..unlimited()
    })
    .await;
    assert_eq!(open(&house, HERE).await.status(), 101);
    assert_eq!(open(&house, HERE).await.status(), 101);
    let refused = open(&house, HERE).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), Some("5"));
    assert_eq!(header(&refused, "ratelimit"), Some("\"sockets\";r=0;t=10"));
    assert_eq!(error(refused).await["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(open(&house, "192.0.2.2").await.status(), 101);
    clock.advance(Duration::from_secs(5));
    assert_eq!(open(&house, HERE).await.status(), 101);
}

#[tokio::test]
async fn an_address_has_so_many_open_and_a_place_is_free_when_one_is_closed() {
    let (house, _clock) = limited(RateLimitSettings {
        sockets_per_address: 2,
        max_sockets: 3,
        trusted_proxies: "127.0.0.1".parse().unwrap(),
        ..RateLimitSettings::off()
    })
    .await;
    let event = house.event(1, 1).await;
    let from_here = &[(PROTOCOL, SUBPROTOCOL), ("x-forwarded-for", HERE)];
    let first = Peer::connect_with(&house.url, from_here).await;
    let watching = format!(
        "subscription {{ seatMap(eventId: {:?}) {{ __typename }} }}",
        event.id
    );
    let stream = event_stream::asking(&house.url, &watching);
    let stream = EventStream::of(stream.header("x-forwarded-for", HERE)).await;
    let refused = open(&house, HERE).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), Some("1"));
    let code = &error(refused).await["extensions"]["code"];
    assert_eq!(code, "TOO_MANY_CONNECTIONS");
    let another = event_stream::asking(&house.url, &watching);
    let another = another.header("x-forwarded-for", HERE).send().await;
    assert_eq!(another.unwrap().status(), 429);

    let elsewhere = open(&house, "192.0.2.2").await;
    assert_eq!(elsewhere.status(), 101);
    let in_all = open(&house, "192.0.2.3").await;
    assert_eq!(in_all.status(), 503, "as many as there may be");
    assert_eq!(header(&in_all, "retry-after"), Some("1"));
    let code = &error(in_all).await["extensions"]["code"];
    assert_eq!(code, "TOO_MANY_CONNECTIONS");

    drop((first, elsewhere));
    let here_again = eventually("there is a place again", async || {
        let opened = open(&house, HERE).await;
        (opened.status() == 101).then_some(opened)
    })
    .await;
    drop(stream);
    eventually("the stream's place is free, too", async || {
        let opened = open(&house, HERE).await;
        (opened.status() == 101).then_some(())
    })
    .await;
    drop(here_again);
}
