//! What is another's, and what nobody may know of yet: whichever way somebody asks for it.

use super::Watched;
use crate::support::House;
use crate::support::event_stream::asking_with;
use crate::support::house::token;
use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL, TOKEN, subscribe};
use serde_json::{Value, json};
use usher::model::Role;

/// The lines of what this does, all of which refuse Bob the same.
async fn refused(watched: &Watched, before: usize, what: &str) {
    let lines = watched.lines().split_off(before);
    assert!(!lines.is_empty(), "{what}: no line");
    for line in lines {
        let fields = &line["fields"];
        assert_eq!(fields["message"], "refused", "{line}");
        assert_eq!(fields["actor"], "buyer:bob", "{line}");
        let found = fields["what"].as_str().unwrap();
        assert!(found.starts_with(what), "{what}: {line}");
        assert_eq!(line["span"]["client"], "127.0.0.1");
        assert!(line["span"]["id"].is_string(), "{line}");
    }
}

/// Asks as Bob, by each transport that there is for it, and expects lines about this.
async fn ask_as_bob(watched: &Watched, document: &str, variables: &Value, what: &str) {
    let bob = token("bob", Role::Buyer);
    let server = &watched.server.url;
    if !document.starts_with("subscription") {
        let before = watched.lines().len();
        let bob = watched.of("bob", Role::Buyer);
        bob.ask(document, variables.clone()).await;
        refused(watched, before, what).await;
    }
    let before = watched.lines().len();
    let request = asking_with(server, "", Some(&bob));
    let body = json!({"query": document, "variables": variables});
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{document}");
    // The stream ends with what it answers.
    answer.text().await.unwrap();
    refused(watched, before, what).await;

    let credential = format!("Bearer {bob}");
    let headers = [(PROTOCOL, SUBPROTOCOL), (TOKEN, credential.as_str())];
    let mut peer = Peer::connect_with(server, &headers).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect(json!({"type": "connection_ack"})).await;
    let before = watched.lines().len();
    peer.send(subscribe("it", document, variables)).await;
    while peer.next_of("it").await["type"] == "next" {}
    refused(watched, before, what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_refused_in_a_line_whichever_way_it_is_asked_for() {
    let house = House::open().await;
    let draft = house.draft(1, 2, json!({})).await;
    let watched = Watched::beside(&house, &[]).await;
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let event = json!({"id": draft.id});
    for (document, variables) in [
        ("query($id: ID!) { event(id: $id) { name } }", &event),
        (node, &event),
        (node, &json!({"id": draft.seats[0].id})),
        (
            "subscription($id: ID!) { seatMap(eventId: $id) { __typename } }",
            &event,
        ),
        (
            "subscription($id: ID!) { availability(eventId: $id) { __typename } }",
            &event,
        ),
        (
            "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename } }",
            &json!({"input": {"eventId": draft.id, "seats": [draft.seats[0].input()]}}),
        ),
    ] {
        ask_as_bob(&watched, document, variables, "draft 1").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_s_is_refused_in_a_line_whichever_way_it_is_asked_for() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let anna = house.buyer("anna");
    let held = anna.hold(&event.id, &event.seats[..1]).await;
    let hold = json!({"token": held.data()["token"]});
    let sold = anna.hold(&event.id, &event.seats[2..3]).await;
    let booked = anna.confirm(sold.data()["token"].as_str().unwrap()).await;
    let booking = &booked.data()["booking"];
    let watched = Watched::beside(&house, &[]).await;
    let node = "query($id: ID!) { node(id: $id) { id } }";
    for (document, variables, what) in [
        (
            "query($token: String!) { hold(token: $token) { id } }",
            &hold,
            "hold ",
        ),
        (
            "subscription($token: String!) { hold(token: $token) { id } }",
            &hold,
            "hold ",
        ),
        (
            "mutation($token: String!) { \
               releaseHold(input: {token: $token}) { __typename } }",
            &hold,
            "hold ",
        ),
        (
            "mutation($token: String!) { extendHold(input: {token: $token}) { __typename } }",
            &hold,
            "hold ",
        ),
        (node, &json!({"id": held.data()["hold"]["id"]}), "hold "),
        (node, &json!({"id": booking["id"]}), "booking "),
        (
            "query($reference: String!) { booking(reference: $reference) { id } }",
            &json!({"reference": booking["reference"]}),
            "booking ",
        ),
        (
            "mutation($reference: String!) { \
               cancelBooking(input: {reference: $reference, version: 1}) { __typename } }",
            &json!({"reference": booking["reference"]}),
            "booking ",
        ),
    ] {
        ask_as_bob(&watched, document, variables, what).await;
    }
}
