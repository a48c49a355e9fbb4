//! The clients from npm that frontends use: graphql-sse, and Apollo Client and urql with
//! their subscriptions over either transport.

use crate::support::{House, house, node};
use usher::model::Role;

#[tokio::test(flavor = "multi_thread")]
async fn the_graphql_sse_client_sees_changes_and_comes_back_for_them() {
    let house = House::open().await;
    let event = house.event(1, 6).await;
    let token = house::token("anna", Role::Buyer);
    let variables = [("TOKEN", &*token)];
    let printed = node::run("graphql_sse.mjs", &[&house.url, &event.id], &variables).await;
    println!("{printed}");
    assert!(printed.contains("6 passed, 0 failed"), "{printed}");
    assert!(printed.contains(r#"{"viewer":{"subject":"anna"}}"#));
    assert!(printed.contains("401 UNAUTHENTICATED"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apollo_client_sees_a_change_made_meanwhile() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let printed = node::run("apollo_client.mjs", &[&house.url, &event.id], &[]).await;
    assert!(printed.contains("1 passed, 0 failed"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn urql_sees_a_change_made_meanwhile() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let printed = node::run("urql.mjs", &[&house.url, &event.id], &[]).await;
    assert!(printed.contains("2 passed, 0 failed"), "{printed}");
}
