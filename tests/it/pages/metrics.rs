//! `/metrics`, of a process of its own: the counters are the process', and the
//! other tests share theirs.

#![allow(clippy::float_cmp, reason = "counts are exact")]

use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::{House, eventually};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Every sample, by its name with its labels.
type Samples = BTreeMap<String, f64>;

async fn metrics(server: &Server) -> Samples {
    let response = reqwest::get(format!("{}/metrics", server.url)).await;
    let response = response.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    parse(&response.text().await.unwrap())
}

/// Reads Prometheus' text format, strictly.
fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n'), "the last line has no end");
    let is_name = |name: &str| {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic());
        first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut described = BTreeSet::new();
    let mut types = BTreeMap::new();
    let mut samples = Samples::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(described.insert(name) && words.ends_with('.'), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
            assert!(types.insert(name, kind).is_none(), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            assert!(is_name(name), "{line}");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|part| name.strip_suffix(part))
                .find(|family| types.get(family) == Some(&"histogram"))
                .unwrap_or(name);
            assert!(types.contains_key(family), "no type: {line}");
            assert!(described.contains(family), "no description: {line}");
            let value = value.parse().unwrap();
            assert!(samples.insert(sample.to_owned(), value).is_none(), "{line}");
        }
    }
    samples
}

#[tokio::test]
async fn holds_and_requests_are_counted() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let server = Server::beside(&house, &[]).await;
    let visitor = server.visitor();
    let held = |outcome: &str| format!("usher_holds_total{{outcome=\"{outcome}\"}}");
    let before = metrics(&server).await;
    for outcome in ["held", "conflict", "refused"] {
        assert_eq!(before[&held(outcome)], 0.0, "shown from the start");
    }
    assert_eq!(before["usher_hold_attempts_total"], 0.0);
    assert_eq!(before["usher_lapsed_holds_total"], 0.0);
    assert!(before["usher_database_connections"] >= 1.0);

    let seat = &event.seats[..1];
    for (token, answered) in [
        (None, "SeatsHeld"),
        (None, "SeatConflict"),
        (None, "SeatConflict"),
        (Some("of nobody"), "HoldNotFound"),
    ] {
        let answer = visitor.hold_into(&event.id, seat, token).await;
        assert_eq!(answer.data()["__typename"], answered);
    }
    let after = metrics(&server).await;
    for (outcome, count) in [("held", 1.0), ("conflict", 2.0), ("refused", 1.0)] {
        assert_eq!(after[&held(outcome)], count, "{outcome}");
    }
    assert_eq!(after["usher_hold_attempts_total"], 4.0);
    let requests = "usher_http_requests_total{method=\"POST\",route=\"/graphql\",status=\"200\"}";
    assert_eq!(after[requests], 4.0);
    let bucket = |bound: &str| {
        format!("usher_http_request_seconds_bucket{{route=\"/graphql\",le=\"{bound}\"}}")
    };
    assert_eq!(after[&bucket("+Inf")], 4.0);
    assert!(after[&bucket("0.001")] <= after[&bucket("10")]);
    let sum = after["usher_http_request_seconds_sum{route=\"/graphql\"}"];
    assert!(sum > 0.0 && sum < 120.0, "{sum} seconds");
    server.stop().await;
}

#[tokio::test]
async fn paths_that_lead_nowhere_share_a_route() {
    let house = House::open().await;
    let server = Server::beside(&house, &[]).await;
    for path in [
        "/wp-login.php",
        "/a/b/c",
        "/graphiql/nothing.js",
        "/home.css",
    ] {
        reqwest::get(format!("{}{path}", server.url)).await.unwrap();
    }
    let after = metrics(&server).await;
    let count = |route: &str, status: u16| {
        let labels = format!("method=\"GET\",route=\"{route}\",status=\"{status}\"");
        after[&format!("usher_http_requests_total{{{labels}}}")]
    };
    assert_eq!(count("other", 404), 3.0);
    assert_eq!(count("/{*path}", 200), 1.0);
    assert_eq!(
        after["usher_http_request_seconds_count{route=\"other\"}"],
        3.0
    );
    let missing: Vec<_> = after.keys().filter(|key| key.contains("404")).collect();
    assert_eq!(missing.len(), 1, "{missing:?}");
    server.stop().await;
}

#[tokio::test]
async fn sockets_and_what_runs_on_them_are_counted_up_and_down() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let server = Server::beside(&house, &[]).await;
    let open = async |connections: f64, operations: f64| {
        let what = format!("{connections} sockets with {operations} operations are counted");
        eventually(&what, async || {
            let found = metrics(&server).await;
            let as_wanted = found["usher_websocket_connections"] == connections
                && found["usher_websocket_operations"] == operations;
            as_wanted.then_some(())
        })
        .await;
    };
    open(0.0, 0.0).await;
    let mut peer = Peer::ready(&server.url).await;
    let mut other = Peer::ready(&server.url).await;
    let subscription = format!(
        "subscription {{ seatMap(eventId: {:?}) {{ __typename }} }}",
        event.id
    );
    peer.subscribe("1", &subscription).await;
    peer.subscribe("2", &subscription).await;
    open(2.0, 2.0).await;
    peer.send(json!({"type": "complete", "id": "1"})).await;
    open(2.0, 1.0).await;
    other.send(json!({"type": "connection_init"})).await;
    other.expect_close(4429, "Too many").await;
    open(1.0, 1.0).await;
    drop(peer);
    open(0.0, 0.0).await;
    let after = metrics(&server).await;
    let closed = |code: &str| after[&format!("usher_websocket_closed_total{{code=\"{code}\"}}")];
    assert_eq!(closed("4429"), 1.0);
    assert_eq!(closed("1006"), 1.0, "the one that just went away");
    server.stop().await;
}
