//! Visitors without a token, as far as the settings let them.

use crate::support::House;
use crate::support::event_stream::asking;
use crate::support::peer::Peer;
use crate::support::tokens::believing;
use serde_json::{Value, json};
use usher::config::Visitors;

const QUERY: &str = "{ viewer { role } }";

#[tokio::test]
async fn visitors_who_may_do_something_are_visitors() {
    for visitors in [Visitors::Buy, Visitors::Look] {
        let house = House::open_believing(believing(visitors)).await;
        let answer = house.visitor().ask(QUERY, json!({})).await;
        assert_eq!(answer.data()["viewer"]["role"], "VISITOR");
        Peer::ready(&house.url).await.expect_alive().await;
    }
}

#[tokio::test]
async fn visitors_who_may_do_nothing_are_asked_to_sign_in() {
    let house = House::open_believing(believing(Visitors::None)).await;
    let anna = house.buyer("anna");
    let event = house.event(1, 2).await;

    let get = async |path: &str| reqwest::get(format!("{}{path}", house.url)).await.unwrap();
    let post = reqwest::Client::new()
        .post(format!("{}/graphql", house.url))
        .json(&json!({"query": QUERY}));
    for response in [
        post.send().await.unwrap(),
        get("/graphql?query={__typename}").await,
        asking(&house.url, QUERY).send().await.unwrap(),
    ] {
        assert_eq!(response.status(), 401);
        // Nothing was wrong with what they showed: they showed nothing.
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let answer: Value = response.json().await.unwrap();
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("sign in"), "{message}");
    }
    let mut peer = Peer::connect(&house.url).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect_close(4403, "Forbidden: sign in").await;

    // What has nothing of the house in it, and what keeps it running, stays open.
    for path in [
        "/",
        "/graphiql",
        "/home.js",
        "/compact-seats.js",
        "/healthz",
        "/readyz",
    ] {
        assert_eq!(get(path).await.status(), 200, "{path}");
    }

    // Who signs in is served.
    let query = "query($id: ID!) { event(id: $id) { plan { path } } }";
    let answer = anna.ask(query, json!({"id": event.id})).await;
    let path = answer.data()["event"]["plan"]["path"].as_str().unwrap();
    assert_eq!(get(path).await.status(), 401);
    let plan = reqwest::Client::new()
        .get(format!("{}{path}", house.url))
        .bearer_auth(anna.token.as_ref().unwrap());
    let plan = plan.send().await.unwrap();
    assert_eq!(plan.status(), 200);
    let caching = plan.headers()["cache-control"].to_str().unwrap();
    assert!(caching.starts_with("private"), "{caching}");
}
