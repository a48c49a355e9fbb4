//! What staff do, however it ends.

use super::Watched;
use crate::support::actor::box_office_input;
use crate::support::house::token;
use crate::support::lock::Lock;
use crate::support::program::Server;
use crate::support::{Event, House, eventually};
use nix::sys::signal::Signal;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use usher::model::Role;

const BLOCK: &str =
    "mutation($input: BlockSeatsInput!) { blockSeats(input: $input) { __typename } }";

/// Blocks the first seat of an event, as Otto of the box office.
fn blocking(server: &Server, event: &Event) -> RequestBuilder {
    let input = box_office_input(&event.id, &event.seats[..1]);
    Client::new()
        .post(format!("{}/graphql", server.url))
        .bearer_auth(token("otto", Role::BoxOffice))
        .json(&json!({"query": BLOCK, "variables": {"input": input}}))
}

fn done(watched: &Watched) -> Vec<Value> {
    let mut lines = watched.lines();
    lines.retain(|line| line["fields"]["message"] == "done by staff");
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_whose_client_has_left_has_its_line() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let watched = Watched::beside(&house, &[]).await;
    let mut lock = Lock::on_first_seat(&house.database_url).await;
    let asking = tokio::spawn(blocking(&watched.server, &event).send());
    lock.is_wanted_by(1).await;
    asking.abort();
    eventually("the server has noticed", async || {
        let counts = reqwest::get(format!("{}/metrics", watched.server.url)).await;
        let counts = counts.unwrap().text().await.unwrap();
        counts.contains("status=\"499\"").then_some(())
    })
    .await;
    assert_eq!(done(&watched), [] as [Value; 0]);
    lock.let_go().await;
    let line = eventually("it has its line", async || done(&watched).pop()).await;
    let fields = &line["fields"];
    assert_eq!(fields["actor"], "box-office:otto");
    assert_eq!(fields["action"], "blockSeats");
    assert_eq!(fields["outcome"], "SeatsBlocked");
    assert_eq!(line["span"]["client"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_that_is_cut_off_with_the_server_has_its_line() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let mut watched = Watched::beside(&house, &[]).await;
    let mut lock = Lock::on_first_seat(&house.database_url).await;
    let asking = tokio::spawn(blocking(&watched.server, &event).send());
    lock.is_wanted_by(1).await;
    watched.server.signal(Signal::SIGTERM);
    let is_stopping = |line: &str| line.contains("stopping");
    watched.server.logged(is_stopping).await;
    assert_eq!(done(&watched), [] as [Value; 0]);
    // Once more: what runs is not waited for.
    watched.server.signal(Signal::SIGTERM);
    assert_eq!(watched.server.exit_code().await, Some(0));
    assert!(asking.await.unwrap().is_err(), "nobody was answered");
    let lines = done(&watched);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let fields = &lines[0]["fields"];
    assert_eq!(fields["actor"], "box-office:otto");
    assert_eq!(fields["action"], "blockSeats");
    assert_eq!(fields["outcome"], "unfinished");
    let about = fields["about"].as_str().unwrap();
    assert!(about.contains(&event.id), "{about}");
    assert!(lines[0]["span"]["id"].is_string(), "{}", lines[0]);
    lock.let_go().await;
}
