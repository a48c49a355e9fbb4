//! What is logged about requests: one line for each, with its id, and nothing
//! that is secret.

use crate::support::House;
use crate::support::event_stream::EventStream;
use crate::support::peer::{Peer, subscribe};
use crate::support::program::{Server, of_itself};
use reqwest::Client;
use serde_json::{Value, json};

/// The test's requests have the ids that it chooses.
const AS_A_PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.1"];

/// Sends requests of every kind and stops the server; answers its log.
async fn log_of_some_requests(server: Server) -> Vec<String> {
    let client = Client::new();
    let get = async |path: &str, id: &str| {
        let request = client
            .get(format!("{}{path}", server.url))
            .header("x-request-id", id);
        request.send().await.unwrap()
    };
    get("/", "the-page").await;
    get("/nothing", "the-missing").await;
    get("/graphql?query={viewer{role}}&secret=hunter2", "the-query").await;
    for quiet in ["/healthz", "/readyz", "/metrics"] {
        get(quiet, "the-quiet").await;
    }
    let made_up = client
        .post(format!("{}/graphql", server.url))
        .bearer_auth("hunter2")
        .json(&json!({"query": "{ viewer { role } }"}))
        .send();
    let made_up = made_up.await.unwrap().headers()["x-request-id"].clone();
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    assert!(!log.join("\n").contains("hunter2"), "{log:#?}");
    let of = |id: &str| log.iter().filter(|line| line.contains(id)).count();
    for id in ["the-page", "the-missing", "the-query"] {
        assert_eq!(of(id), 1, "one line for {id}: {log:#?}");
    }
    // And one of the security log: its token is not believed.
    assert_eq!(of(made_up.to_str().unwrap()), 2, "{log:#?}");
    assert_eq!(of("turned away"), 1, "{log:#?}");
    assert_eq!(of("the-quiet"), 0, "{log:#?}");
    log
}

#[tokio::test]
async fn each_request_has_one_line_with_its_id() {
    let house = House::open().await;
    let server = Server::beside(&house, &AS_A_PROXY).await;
    let log = log_of_some_requests(server).await;
    let line = |id: &str| log.iter().find(|line| line.contains(id)).unwrap();
    let page = line("the-page");
    for part in [
        " INFO ",
        "id=\"the-page\"",
        "method=GET",
        "path=\"/\"",
        "status=200",
        "elapsed_ms=",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let missing = line("the-missing");
    assert!(missing.contains("status=404"), "{missing}");
    let refused = log.iter().filter(|line| line.contains("status=401"));
    assert_eq!(refused.count(), 1, "{log:#?}");
}

#[tokio::test]
async fn a_log_that_is_no_terminal_has_no_colours() {
    let house = House::open().await;
    let server = Server::beside(&house, &AS_A_PROXY).await;
    let log = log_of_some_requests(server).await;
    assert!(log.len() >= 5, "{log:#?}");
    assert!(!log.iter().any(|line| line.contains('\u{1b}')), "{log:#?}");
}

#[tokio::test]
async fn every_line_of_a_log_in_json_is_an_object() {
    let house = House::open().await;
    let flags = [&AS_A_PROXY[..], &["--log-format", "json"]].concat();
    let server = Server::beside(&house, &flags).await;
    let log = log_of_some_requests(server).await;
    let lines: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert!(line["timestamp"].is_string(), "{line}");
        assert!(line["level"].is_string(), "{line}");
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    let query = lines
        .iter()
        .find(|line| line["span"]["id"] == "the-query")
        .unwrap();
    assert_eq!(query["span"]["name"], "request");
    assert_eq!(query["fields"]["method"], "GET");
    assert_eq!(query["fields"]["path"], "/graphql");
    assert_eq!(query["fields"]["status"], 200);
}

/// Parameters are names, and digests of tokens.
#[tokio::test]
async fn what_is_bound_to_statements_is_logged_only_by_name() {
    let house = House::open().await;
    for (filter, expected) in [("debug", false), ("debug,tokio_postgres=debug", true)] {
        let server = Server::beside(&house, &["--log", filter]).await;
        let visitor = server.visitor();
        let answer = visitor.ask("{ events { nodes { id } } }", json!({})).await;
        answer.data();
        reqwest::get(format!("{}/healthz", server.url))
            .await
            .unwrap();
        server.signal(nix::sys::signal::Signal::SIGTERM);
        let (_, log) = server.ended().await;
        let found = log.iter().any(|line| line.contains("with parameters"));
        assert_eq!(found, expected, "{log:#?}");
        assert!(log.iter().any(|line| line.contains("DEBUG")), "{log:#?}");
    }
}

/// However much is logged, also by libraries: what a token is worth, the log would be.
#[tokio::test]
async fn no_token_is_logged_at_all() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let server = Server::beside(&house, &["--log", "trace"]).await;
    let visitor = server.visitor();
    let free = visitor.seats(&event.id).await;
    let held = visitor.hold(&event.id, &free[..1]).await;
    let token = held.data()["token"].as_str().unwrap().to_owned();
    server
        .bearer("hunter2-by-post")
        .ask("{ viewer { role } }", json!({}))
        .await;

    let mut stranger = Peer::connect(&server.url).await;
    let authorization = json!({"Authorization": "Bearer hunter2-by-socket"});
    stranger
        .send(json!({"type": "connection_init", "payload": authorization}))
        .await;
    stranger.expect_close(4403, "Forbidden").await;
    let hold = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { \
        ... on SeatsHeld { token } } }";
    let input = json!({"eventId": event.id, "seats": [free[2].input()]});
    let mut peer = Peer::ready(&server.url).await;
    peer.send(subscribe("hold", hold, &json!({"input": input})))
        .await;
    let answer = peer.next_of("hold").await;
    let answered = &answer["payload"]["data"]["holdSeats"]["token"];
    let other = answered.as_str().unwrap().to_owned();
    let release =
        format!("mutation {{ releaseHold(input: {{token: {other:?}}}) {{ __typename }} }}");
    let released = EventStream::open(&server.url, &release).await.next().await;
    assert_eq!(
        released["data"]["releaseHold"]["__typename"],
        "SeatsReleased"
    );

    server.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, log) = server.ended().await;
    assert!(log.iter().any(|line| line.contains("TRACE")), "{log:#?}");
    let hex = |text: &str| {
        let bytes = text.bytes().map(|byte| format!("{byte:02x}"));
        bytes.collect::<Vec<_>>().concat()
    };
    for secret in [token.as_str(), other.as_str(), "hunter2"] {
        let written = log.iter().find(|line| {
            let line = line.to_ascii_lowercase();
            line.contains(&secret.to_ascii_lowercase()) || line.contains(&hex(secret))
        });
        assert_eq!(written, None);
    }
}

#[tokio::test]
async fn the_filter_says_what_is_logged() {
    let house = House::open().await;
    let quiet = Server::beside(&house, &["--log", "warn"]).await;
    reqwest::get(format!("{}/", quiet.url)).await.unwrap();
    quiet.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, log) = quiet.ended().await;
    assert_eq!(of_itself(&log), [] as [&str; 0]);

    let flags = [&AS_A_PROXY[..], &["--log", "usher=debug"]].concat();
    let chatty = Server::beside(&house, &flags).await;
    let request = Client::new()
        .get(format!("{}/healthz", chatty.url))
        .header("x-request-id", "the-check");
    request.send().await.unwrap();
    chatty.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, log) = chatty.ended().await;
    assert!(
        log.iter().any(|line| line.contains("the-check")),
        "{log:#?}"
    );
}
