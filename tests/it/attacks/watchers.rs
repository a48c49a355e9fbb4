//! Somebody who watches one map in many ways, each of which is an execution of its own for each
//! change. In a process of its own each: the count of executions is the process'.

use crate::support::House;
use crate::support::house::{self, Event};
use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL};
use crate::support::program::Server;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// As many as one socket may run operations.
const WAYS: usize = 100;

/// What one such message costs: it has eleven fields and fragments.
const POINTS: usize = 2;

/// A field that is answered by another name in each of them.
fn watching(event: &Event, way: usize) -> String {
    format!(
        "subscription {{ seatMap(eventId: {:?}) {{ __typename way{way}: __typename \
           ... on SeatMapSnapshot {{ seats {{ id version }} }} \
           ... on SeatMapDelta {{ changes {{ seatId version }} }} }} }}",
        event.id
    )
}

async fn peer(server: &Server, from: &str) -> Peer {
    let headers = &[(PROTOCOL, SUBPROTOCOL), ("x-forwarded-for", from)];
    let mut peer = Peer::connect_with(&server.url, headers).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect(json!({"type": "connection_ack"})).await;
    peer
}

/// A house, an event of eight seats, and a server that makes so many messages for a caller.
async fn stage(messages: &str) -> (House, Event, Server) {
    let house = House::open().await;
    let event = house.event(1, 8).await;
    let settings = [
        ("USHER_JWT_SECRET", house::SECRET),
        ("USHER_TRUSTED_PROXIES", "127.0.0.1"),
        ("USHER_RATE_MESSAGES", messages),
    ];
    let server = Server::beside_with(&house, &[], &settings).await;
    (house, event, server)
}

async fn hold(house: &House, event: &Event, seat: usize) {
    let seats = &event.seats[seat..=seat];
    let held = house.visitor().hold(&event.id, seats).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
}

fn map(message: &Value) -> &Value {
    assert_eq!(message["type"], "next", "{message}");
    assert!(message["payload"]["errors"].is_null(), "{message}");
    &message["payload"]["data"]["seatMap"]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_in_a_hundred_ways_has_so_many_messages_made_and_others_are_told_all() {
    const MOST: usize = 150;
    // For hours nothing comes back of it.
    let (house, event, server) = stage(&format!("{}/24h", MOST * POINTS)).await;
    let mut honest = peer(&server, "192.0.2.1").await;
    honest.subscribe("1", &watching(&event, WAYS)).await;
    assert_eq!(map(&honest.next().await)["__typename"], "SeatMapSnapshot");
    let mut attacker = peer(&server, "192.0.2.66").await;
    for way in 0..WAYS {
        attacker
            .subscribe(&way.to_string(), &watching(&event, way))
            .await;
        assert_eq!(map(&attacker.next().await)["__typename"], "SeatMapSnapshot");
    }
    for seat in 0..8 {
        hold(&house, &event, seat).await;
        let delta = honest.next().await;
        let changes = map(&delta)["changes"].as_array().unwrap();
        let seats: Vec<_> = changes.iter().map(|change| &change["seatId"]).collect();
        assert!(seats.contains(&&json!(event.seats[seat].id)), "{delta}");
    }
    let executions = server.sample("usher_watcher_executions_total").await;
    // Of the honest one at most one for each seat and one more, in case of which it is told first.
    let most = f64::from(u32::try_from(MOST + 1 + 2 * 8 + 1).unwrap());
    assert!(executions <= most, "{executions} executions");
    assert!(server.sample("usher_messages_slowed_total").await > 0.5);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slowed_misses_nothing() {
    let (house, event, server) = stage("40/1s").await;
    let mut slowed = peer(&server, "192.0.2.66").await;
    for way in 0..WAYS {
        slowed
            .subscribe(&way.to_string(), &watching(&event, way))
            .await;
    }
    for seat in 0..8 {
        hold(&house, &event, seat).await;
    }
    // What each of them has been told of each seat.
    let mut known: HashMap<String, HashMap<String, i64>> = HashMap::new();
    let mut all_known = HashSet::new();
    while all_known.len() < WAYS {
        let message = slowed.next().await;
        let told = map(&message);
        let id = message["id"].as_str().unwrap();
        let seats = known.entry(id.to_owned()).or_default();
        for list in ["seats", "changes"] {
            for seat in told[list].as_array().into_iter().flatten() {
                let version = seat["version"].as_i64().unwrap();
                let id = seat.get("seatId").unwrap_or(&seat["id"]);
                let known = seats.entry(id.as_str().unwrap().to_owned()).or_default();
                *known = version.max(*known);
            }
        }
        if event
            .seats
            .iter()
            .all(|seat| seats.get(&seat.id) == Some(&2))
        {
            all_known.insert(id.to_owned());
        }
    }
    assert!(server.sample("usher_messages_slowed_total").await > 0.5);
    server.stop().await;
}
