//! What every answer has, and what none has: whatever the path, the method and the status.

use crate::support::{House, house};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use usher::model::Role;

const ON_ALL: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Of the API: nothing is loaded, and nobody shows it in a frame.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn expect_guarded(response: &Response) {
    let what = response.url().path().to_owned();
    let header = |name: &str| {
        let values: Vec<_> = response.headers().get_all(name).iter().collect();
        assert!(values.len() < 2, "{what}: {name} twice");
        values.first().map(|value| value.to_str().unwrap())
    };
    for (name, value) in ON_ALL {
        assert_eq!(header(name), Some(value), "{what}");
    }
    let policy = header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{what}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}");
    let is_api = what.starts_with("/graphql") || what.starts_with("/plans");
    assert_eq!(
        policy == POLICY,
        is_api || what.ends_with('z') || what == "/metrics"
    );
    assert!(header("cache-control").is_some(), "{what}");
    for never in [
        "server",
        "set-cookie",
        "x-powered-by",
        "access-control-allow-origin",
    ] {
        assert_eq!(header(never), None, "{what}");
    }
}

#[tokio::test]
async fn every_answer_has_its_headers_whatever_its_status() {
    let house = House::open().await;
    let client = Client::new();
    let mut statuses = BTreeSet::new();
    let mut look = |response: Response| {
        expect_guarded(&response);
        statuses.insert(response.status().as_u16());
    };
    for path in [
        "/",
        "/favicon.ico",
        "/graphiql",
        "/graphiql/favicon.svg",
        "/home.js",
        "/graphiql/nothing",
        "/nothing",
        "/healthz",
        "/readyz",
        "/metrics",
        "/plans/nothing",
        "/graphql?query={__typename}",
        "/graphql?query={",
        "/graphql/stream?query={__typename}",
    ] {
        let url = format!("{}{path}", house.url);
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let request = client.request(method, &url);
            look(request.send().await.unwrap());
        }
        let foreign = client.get(&url).header("origin", "https://evil.example");
        look(foreign.send().await.unwrap());
    }
    let graphql = format!("{}/graphql", house.url);
    let post = || client.post(&graphql);
    for request in [
        post().json(&json!([])),
        post().json(&json!({"query": "{ __typename }"})),
        post().json(&json!({"query": "{ nothing }"})),
        post().json(&json!({"query": "x".repeat(2_000_000)})),
        post().bearer_auth("nothing").json(&json!({})),
        post().header("accept", "image/png"),
        client.get(&graphql).header("upgrade", "websocket"),
        client
            .get(format!("{}/graphql/stream", house.url))
            .header("accept", "text/event-stream"),
    ] {
        look(request.send().await.unwrap());
    }
    house
        .running
        .draining
        .begin(std::time::Duration::from_hours(1));
    look(
        client
            .get(format!("{}/readyz", house.url))
            .send()
            .await
            .unwrap(),
    );
    let seen = [200, 400, 401, 403, 404, 405, 406, 413, 415, 503];
    assert_eq!(statuses, BTreeSet::from(seen));
}

/// A browser would send it along, whoever has it ask.
#[tokio::test]
async fn cookies_say_nothing() {
    let house = House::open().await;
    let staff = house::token("tess", Role::Staff);
    let ask = async |cookie: &str| {
        let request = Client::new()
            .post(format!("{}/graphql", house.url))
            .header("cookie", cookie)
            .json(&json!({"query": "{ viewer { role subject } }"}));
        let answer = request.send().await.unwrap();
        assert!(!answer.headers().contains_key("set-cookie"));
        let varies = answer.headers().get("vary");
        assert!(varies.is_none_or(|names| names != "cookie"));
        answer.json::<Value>().await.unwrap()
    };
    for name in [
        "authorization",
        "Authorization",
        "token",
        "session",
        "access_token",
    ] {
        for value in [staff.clone(), format!("Bearer {staff}")] {
            let answer = ask(&format!("{name}={value}")).await;
            let viewer = &answer["data"]["viewer"];
            assert_eq!(
                viewer,
                &json!({"role": "VISITOR", "subject": null}),
                "{answer}"
            );
        }
    }
}
