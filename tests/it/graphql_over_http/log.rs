//! What a line of the log says of an operation: which one it was and what went
//! wrong, and of its document nothing else.

use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::slow_hold::SlowHold;
use crate::support::{House, eventually};
use reqwest::Client;
use serde_json::{Value, json};

/// A server on the house's database that logs JSON, and takes the ids that requests have.
async fn logging(house: &House) -> Server {
    let flags = ["--log-format", "json", "--trusted-proxies", "127.0.0.1"];
    Server::beside(house, &flags).await
}

/// Stops the server; answers the lines in which it says that something was done.
async fn lines_of(server: Server, message: &str) -> Vec<Value> {
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    let lines = log.iter().map(|line| serde_json::from_str(line).unwrap());
    let wanted = |line: &Value| line["fields"]["message"] == message;
    lines.filter(wanted).collect()
}

#[tokio::test]
async fn a_request_says_its_operation_and_its_first_error() {
    let house = House::open().await;
    let server = logging(&house).await;
    let long = "x".repeat(255);
    let long_query = format!("query {long} {{ __typename }}");
    let create = "mutation Found { createVenue(input: {name: \"A\", timeZone: \"UTC\"}) \
                  { __typename } }";
    let cases = [
        ("{ __typename }", json!("query"), json!(null), json!(null)),
        (
            "query Who { viewer { role } }",
            json!("query"),
            json!("Who"),
            json!(null),
        ),
        (
            create,
            json!("mutation"),
            json!("Found"),
            json!("UNAUTHENTICATED"),
        ),
        (
            "query Bad { hunter2 }",
            json!("query"),
            json!("Bad"),
            json!("GRAPHQL_VALIDATION_FAILED"),
        ),
        (
            "{ hunter2 (",
            json!(null),
            json!(null),
            json!("GRAPHQL_PARSE_FAILED"),
        ),
        (
            "subscription S { seatMap(eventId: \"x\") { __typename } }",
            json!("subscription"),
            json!("S"),
            json!("SUBSCRIPTION_NOT_SUPPORTED"),
        ),
        (
            &long_query,
            json!("query"),
            json!("x".repeat(100)),
            json!(null),
        ),
    ];
    for (index, (query, ..)) in cases.iter().enumerate() {
        let request = Client::new()
            .post(format!("{}/graphql", server.url))
            .header("x-request-id", format!("of-case-{index}"))
            .json(&json!({"query": query}));
        request.send().await.unwrap();
    }
    let lines = lines_of(server, "answered").await;
    for (index, (query, operation, name, code)) in cases.iter().enumerate() {
        let id = format!("of-case-{index}");
        let line = lines.iter().find(|line| line["span"]["id"] == id).unwrap();
        assert_eq!(&line["span"]["operation"], operation, "{query}: {line}");
        assert_eq!(&line["span"]["operation_name"], name, "{query}: {line}");
        assert_eq!(&line["span"]["error_code"], code, "{query}: {line}");
        assert!(line["fields"]["elapsed_ms"].is_f64(), "{line}");
        assert!(!line.to_string().contains("hunter2"), "{line}");
    }
}

#[tokio::test]
async fn an_operation_on_a_websocket_says_the_same() {
    let house = House::open().await;
    let server = logging(&house).await;
    let mut peer = Peer::ready(&server.url).await;
    for (id, document) in [
        ("1", "query Who { viewer { role } }"),
        ("2", "{ node(id: \"nonsense\") { id } }"),
        (
            "3",
            "subscription S { seatMap(eventId: \"x\") { nothing } }",
        ),
    ] {
        peer.subscribe(id, document).await;
        while !matches!(
            peer.next_of(id).await["type"].as_str(),
            Some("complete" | "error")
        ) {}
    }
    drop(peer);
    let lines = lines_of(server, "ended").await;
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for (id, operation, name, code) in [
        ("1", "query", json!("Who"), json!(null)),
        ("2", "query", json!(null), json!("BAD_USER_INPUT")),
        (
            "3",
            "subscription",
            json!("S"),
            json!("GRAPHQL_VALIDATION_FAILED"),
        ),
    ] {
        let of_operation = |line: &&Value| line["fields"]["operation_id"] == id;
        let line = lines.iter().find(of_operation).unwrap();
        let fields = &line["fields"];
        assert_eq!(fields["operation"], operation, "{line}");
        assert_eq!(fields["operation_name"], name, "{line}");
        assert_eq!(fields["error_code"], code, "{line}");
        assert!(fields["elapsed_ms"].is_f64(), "{line}");
    }
}

#[tokio::test]
async fn a_request_whose_client_has_left_has_its_line_too() {
    let house = House::open().await;
    let server = logging(&house).await;
    let mut hold = SlowHold::at(&house).await;
    let asking = Client::new()
        .post(format!("{}/graphql", server.url))
        .header("x-request-id", "of-nobody")
        .json(&json!({"query": hold.mutation()}));
    let asking = tokio::spawn(asking.send());
    hold.has_begun().await;
    asking.abort();
    // The counts are made with the line.
    eventually("the server has noticed", async || {
        let counts = reqwest::get(format!("{}/metrics", server.url)).await;
        let counts = counts.unwrap().text().await.unwrap();
        counts.contains("status=\"499\"").then_some(())
    })
    .await;
    hold.takes_effect(&house).await;
    let lines = lines_of(server, "left without an answer").await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["span"]["id"], "of-nobody");
    assert_eq!(lines[0]["span"]["operation"], "mutation");
    assert_eq!(lines[0]["fields"]["status"], 499);
}

#[tokio::test]
async fn an_operation_that_its_peer_leaves_has_its_line_too() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let server = logging(&house).await;
    let watch = |name: &str| {
        format!(
            "subscription {name} {{ seatMap(eventId: \"{}\") {{ __typename }} }}",
            event.id
        )
    };
    let mut staying = Peer::ready(&server.url).await;
    staying.subscribe("1", &watch("Stopped")).await;
    staying.next_of("1").await;
    let mut leaving = Peer::ready(&server.url).await;
    leaving.subscribe("2", &watch("Left")).await;
    leaving.next_of("2").await;
    drop(leaving);
    let lines = lines_of(server, "ended").await;
    let mut names: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["fields"]["operation_name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Left", "Stopped"], "{lines:#?}");
}
