//! Too many subscriptions on one socket, and a client that comes back again and again.

use super::{code_of, subscribe};
use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::{House, eventually};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

const MAP: &str = "subscription($event: ID!) { seatMap(eventId: $event) { __typename \
    ... on SeatMapDelta { changes { seatId version } } } }";

/// How many operations one socket may run.
const LIMIT: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_subscriptions_on_one_socket_a_hundred_live() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut peer = Peer::ready(&house.url).await;
    let (mut living, mut refused) = (BTreeSet::new(), 0);
    for hundred in 0..10 {
        for number in 0..100 {
            let id = format!("{}", hundred * 100 + number);
            subscribe(&mut peer, &id, MAP, json!({"event": event.id})).await;
        }
        let mut messages = peer.messages_until_pong().await;
        while hundred == 0 && messages.len() < LIMIT {
            messages.push(peer.next().await);
        }
        for message in messages {
            let id = message["id"].as_str().unwrap().to_owned();
            if hundred == 0 {
                let map = &message["payload"]["data"]["seatMap"];
                assert_eq!(map["__typename"], "SeatMapSnapshot", "{message}");
                assert!(living.insert(id));
            } else {
                assert_eq!(message["type"], "error");
                assert_eq!(code_of(&message), "TOO_MANY_SUBSCRIPTIONS");
                refused += 1;
            }
        }
    }
    assert_eq!((living.len(), refused), (LIMIT, 900));
    house
        .visitor()
        .hold(&event.id, &event.seats[..1])
        .await
        .data();
    while !living.is_empty() {
        let message = peer.next().await;
        let map = &message["payload"]["data"]["seatMap"];
        assert_eq!(map["changes"][0]["version"], 2, "{message}");
        assert!(living.remove(message["id"].as_str().unwrap()), "{message}");
    }
    peer.expect_alive().await;
}

/// Two hundred times in two seconds, and each time it goes without a word, some before
/// they are answered and some after.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reconnects_a_hundred_times_a_second_leaves_nothing_behind() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let server = Server::beside(&house, &[]).await;
    let mut steady = Peer::ready(&server.url).await;
    subscribe(&mut steady, "1", MAP, json!({"event": event.id})).await;
    steady.next().await;

    let mut beat = interval(Duration::from_millis(10));
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut storm = tokio::task::JoinSet::new();
    for number in 0..200 {
        beat.tick().await;
        let (url, id) = (server.url.clone(), event.id.clone());
        storm.spawn(async move {
            let mut peer = Peer::connect(&url).await;
            if number % 4 == 0 {
                return;
            }
            peer.send(json!({"type": "connection_init"})).await;
            subscribe(&mut peer, "1", MAP, json!({"event": id})).await;
            let answers = if number % 4 == 3 { 2 } else { 0 };
            for _ in 0..answers {
                peer.next().await;
            }
        });
        if number == 100 {
            let held = house.visitor().hold(&event.id, &event.seats[..1]).await;
            assert_eq!(held.data()["__typename"], "SeatsHeld");
        }
    }
    while let Some(ended) = storm.join_next().await {
        ended.unwrap();
    }
    let seen = steady.next().await;
    let map = &seen["payload"]["data"]["seatMap"];
    assert_eq!(map["changes"][0]["version"], 2, "{seen}");
    let gauges = [
        "usher_websocket_connections",
        "usher_websocket_operations",
        "usher_live_map_watchers",
    ];
    eventually("only the steady one is left", async || {
        // The follower counts watchers whenever it has looked.
        house.running.services.feed.announce();
        for gauge in gauges {
            if (server.sample(gauge).await - 1.0).abs() > 0.1 {
                return None;
            }
        }
        Some(())
    })
    .await;
    house
        .visitor()
        .hold(&event.id, &event.seats[1..2])
        .await
        .data();
    let seen = steady.next().await;
    let map = &seen["payload"]["data"]["seatMap"];
    assert_eq!(map["changes"][0]["version"], 2, "{seen}");
    server.stop().await;
}
