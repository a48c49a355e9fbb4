//! Words that are to end up where they are obeyed: in headers, in the lines of the log, on a
//! terminal, and beside other words on a page.

use super::wire::Wire;
use crate::support::House;
use crate::support::peer::{Peer, subscribe};
use crate::support::program::Server;
use nix::sys::signal::Signal;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn no_name_gets_into_a_header_or_changes_what_is_around_it() {
    let house = House::open().await;
    let staff = house.staff();
    for bad in [
        "a\r\nset-cookie: a=b",
        "a\nb",
        "a\u{85}b",
        "a\u{2028}b",
        "\u{1b}[2J",
        "a\u{9b}2J",
        "\u{202e}tuo dlos",
        "\u{202a}a",
        "\u{2066}a",
        "a\u{2069}",
    ] {
        let refused = staff.try_create_venue(bad, "Europe/Berlin").await;
        assert_eq!(refused.error_code(), "BAD_USER_INPUT", "{bad:?}");
        let mut plan = crate::support::house::plan(1, 1);
        plan["zones"][0]["name"] = json!(bad);
        let refused = staff.try_import_plan(&plan).await;
        let problem = &refused.data()["problems"][0];
        assert_eq!(problem["path"], "zones[0].name", "{bad:?}");
        let message = problem["message"].as_str().unwrap();
        assert!(
            message.contains("has the control character U+"),
            "{message}"
        );
    }
    // What is a name may look like a header, and is none.
    let name = "Set-Cookie: a=b; \u{2067}המופע\u{2069} 👩\u{200d}🦽";
    let created = staff.try_create_venue(name, "Europe/Berlin").await;
    let id = created.data()["venue"]["id"].clone();
    let headers = async |query: &str| {
        let request = Client::new()
            .post(format!("{}/graphql", house.url))
            .json(&json!({"query": query, "variables": {"id": id}}));
        let answer = request.send().await.unwrap();
        let names = answer.headers().keys().map(ToString::to_string);
        // What is long enough says that it could be compressed.
        let names: BTreeSet<String> = names.filter(|name| name != "vary").collect();
        (names, answer.json::<Value>().await.unwrap())
    };
    let (usual, _) = headers("{ __typename }").await;
    let query = "query($id: ID!) { node(id: $id) { ... on Venue { name } } }";
    let (named, answer) = headers(query).await;
    assert_eq!(answer["data"]["node"]["name"], name);
    assert_eq!(usual, named);
}

/// Says what would look like a line of its own, or paint the terminal, in every place that is
/// logged; answers the log.
async fn log_of_an_attack(format: &str) -> Vec<String> {
    let house = House::open().await;
    let server = Server::beside(&house, &["--log-format", format, "--log", "usher=trace"]).await;
    let fake = "2030-01-01T00:00:00Z  INFO usher: forged";
    let close = "host: usher\u{202e}\r\nconnection: close\r\n\r\n";
    for line in [
        format!("GET /%0d%0a{} HTTP/1.1\r\n", fake.replace(' ', "%20")),
        format!("GET /\r{fake} HTTP/1.1\r\n"),
        "GET /\u{9b}2J\u{85}\u{2028}\u{202e}forged HTTP/1.1\r\n".to_owned(),
        format!("GET /{}/forged HTTP/1.1\r\n", "x".repeat(20_000)),
        "GET / HTTP/1.1\r\nx-request-id: \u{1b}[2J\r\n".to_owned(),
        "GET / HTTP/1.1\r\nx-request-id: a\tforged\r\n".to_owned(),
        "GET / HTTP/1.1\r\nx-request-id: \u{202e}forged\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nuser-agent: forged\r\n {fake}\r\n"),
        format!("FORGED\u{1b} /{fake} HTTP/1.1\r\n"),
    ] {
        Wire::exchange(&server.url, line + close).await;
    }
    for body in [
        json!({"query": "{ __typename }", "operationName": format!("\n{fake}")}),
        json!({"query": format!("{{ a\u{202e}\u{1b} }} # \n{fake}")}),
        json!({"query": format!("{{ node(id: \"\\n{fake}\") {{ id }} }}")}),
    ] {
        let request = Client::new().post(format!("{}/graphql", server.url));
        request.json(&body).send().await.unwrap();
    }
    let mut peer = Peer::ready(&server.url).await;
    for id in [
        format!("1\n{fake}"),
        "\u{1b}[2J\u{9b}\u{202e}forged".to_owned(),
    ] {
        peer.send(subscribe(&id, "{ __typename }", &json!({})))
            .await;
        peer.next_of(&id).await;
        peer.next_of(&id).await;
    }
    drop(peer);
    server.signal(Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    for line in &log {
        let bad = |character: char| {
            character.is_control() || matches!(character, '\u{2028}'..='\u{202e}')
        };
        assert!(!line.contains(bad), "{line:?}");
        assert!(line.len() < 1_000, "{line}");
    }
    let forged = log.iter().filter(|line| line.contains("forged")).count();
    assert!(forged >= 4, "what is looked for was logged: {log:#?}");
    log
}

#[tokio::test]
async fn nobody_writes_lines_of_the_log_but_usher() {
    let log = log_of_an_attack("text").await;
    for line in &log {
        // Each line begins with the year in which it was written, which is not the forged one.
        let is_own = line.starts_with("20") && !line.starts_with("2030");
        assert!(is_own, "{line}");
    }
}

#[tokio::test]
async fn nor_those_of_a_log_in_json() {
    for line in log_of_an_attack("json").await {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["timestamp"].is_string(), "{line}");
    }
}
