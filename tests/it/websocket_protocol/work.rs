//! What becomes of work that runs when a peer leaves, and when the server stops.

use super::{QUERY, subscription};
use crate::support::lock::Lock;
use crate::support::peer::{Peer, Received};
use crate::support::slow_hold::SlowHold;
use crate::support::{House, PATIENCE};
use serde_json::{Value, json};
use tokio::time::Instant;

#[tokio::test]
async fn a_mutation_outlives_its_connection() {
    let house = House::open().await;
    let mut hold = SlowHold::at(&house).await;
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("1", &hold.mutation()).await;
    hold.has_begun().await;
    drop(peer);
    // Enough for the server to notice that the peer is gone.
    for _ in 0..20 {
        Peer::ready(&house.url).await;
    }
    hold.takes_effect(&house).await;
}

#[tokio::test]
async fn a_mutation_that_its_peer_cancels_runs_to_its_end_and_says_nothing() {
    let house = House::open().await;
    let mut hold = SlowHold::at(&house).await;
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("1", &hold.mutation()).await;
    hold.has_begun().await;
    peer.send(json!({"type": "complete", "id": "1"})).await;
    assert_eq!(peer.messages_until_pong().await.len(), 0);
    hold.takes_effect(&house).await;
    peer.expect_alive().await;
}

#[tokio::test]
async fn a_stopping_server_lets_answers_out_and_says_goodbye() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut idle = Peer::connect(&house.url).await;
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("events", &subscription(&event)).await;
    assert_eq!(peer.next().await["type"], "next");
    let venues = Lock::on_venues(&house.database_url).await;
    let mut seat = Lock::on_first_seat(&house.database_url).await;
    peer.subscribe("query", "{ venues { nodes { name } } }")
        .await;
    peer.subscribe("mutation", &event.holding_seat(0)).await;
    seat.is_wanted_by(2).await;
    assert_eq!(peer.messages_until_pong().await.len(), 0);

    let began = Instant::now();
    let stopping = tokio::spawn(house.running.stop(PATIENCE));
    // Who runs nothing is sent away at once, and the others start nothing more.
    idle.expect_close(1001, "the server is shutting down").await;
    peer.subscribe("late", QUERY).await;
    let late = peer.next().await;
    assert_eq!(late["id"], "late", "{late}");
    assert_eq!(late["type"], "error", "{late}");
    assert_eq!(
        late["payload"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE",
        "{late}"
    );
    assert!(!stopping.is_finished());

    venues.let_go().await;
    seat.let_go().await;
    let mut seen = Vec::new();
    let close = loop {
        match peer.receive().await {
            Received::Message(message) => seen.push(message),
            Received::Close(code, reason) => break (code, reason),
        }
    };
    assert_eq!(close, (1001, "the server is shutting down".to_owned()));
    let of = |id: &str| -> Vec<&Value> {
        let of_operation = seen.iter().filter(|message| message["id"] == id);
        of_operation.collect()
    };
    let [answer, end] = of("query")[..] else {
        panic!("{seen:#?}");
    };
    let data = &answer["payload"]["data"];
    assert_eq!(data["venues"]["nodes"][0]["name"], "Test House", "{answer}");
    assert_eq!(end["type"], "complete");
    let [answer, end] = of("mutation")[..] else {
        panic!("{seen:#?}");
    };
    let data = &answer["payload"]["data"];
    assert_eq!(data["holdSeats"]["__typename"], "SeatsHeld", "{answer}");
    assert_eq!(end["type"], "complete");
    // No `complete`: the client is to come back for the rest.
    assert_eq!(of("events").len(), 0, "{seen:#?}");

    stopping.await.unwrap();
    assert!(began.elapsed() < PATIENCE, "it had to be cut off");
}
