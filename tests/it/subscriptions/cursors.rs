//! Cursors that nobody gave the client, or not for this map: malformed ones are an
//! error; others get the map and the reason, or what has changed since, and nobody who
//! watches ends with anything but the newest of each seat.

use super::{code_of, subscribe};
use crate::support::actor::Actor;
use crate::support::house::Seat;
use crate::support::peer::Peer;
use crate::support::{Answer, Event, House};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use usher::model::cursor::Cursor;

const MAP: &str = "subscription($event: ID!, $after: Cursor) { \
    seatMap(eventId: $event, after: $after) { __typename \
      ... on SeatMapSnapshot { reason seats { id version } } \
      ... on SeatMapDelta { changes { seatId version } } } }";

/// An event in which something has happened, and a cursor from before that.
struct Stage {
    house: House,
    event: Event,
    cursor: String,
}

impl Stage {
    async fn new() -> Self {
        let house = House::open().await;
        let event = house.event(1, 4).await;
        let visitor = house.visitor();
        let held = visitor.hold(&event.id, &event.seats[..1]).await;
        let query = "query($id: ID!, $cursor: Cursor) { \
            event(id: $id) { seatMap(atLeast: $cursor) { cursor } } }";
        let variables = json!({"id": event.id, "cursor": held.data()["cursor"]});
        let answer = visitor.ask(query, variables).await;
        let cursor = &answer.data()["event"]["seatMap"]["cursor"];
        let cursor = cursor.as_str().unwrap().to_owned();
        visitor.hold(&event.id, &event.seats[1..2]).await.data();
        Self {
            house,
            event,
            cursor,
        }
    }

    /// The bits of the cursor with each one flipped.
    fn flipped(&self) -> Vec<String> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.cursor).unwrap();
        let flipped = (0..bytes.len() * 8).map(|bit| {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            URL_SAFE_NO_PAD.encode(bytes)
        });
        flipped.collect()
    }
}

/// Uses up numbers of transactions, so that those of the near future are there soon.
async fn time_goes_on(house: &House) -> Infallible {
    let mut sql = house.sql().await;
    let mut again = tokio::time::interval(Duration::from_millis(10));
    loop {
        again.tick().await;
        sql.batch_execute("SELECT pg_current_xact_id()")
            .await
            .unwrap();
        house.running.services.feed.announce();
    }
}

/// What a subscriber is first told, or that it is refused, or nothing when it knows all.
async fn first_messages(peer: &mut Peer, event: &Event, cursors: &[String]) {
    for (number, cursor) in cursors.iter().enumerate() {
        let variables = json!({"event": event.id, "after": cursor});
        subscribe(peer, &number.to_string(), MAP, variables).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_cursor_is_refused_and_nothing_is_watched() {
    let stage = Stage::new().await;
    let mut malformed: Vec<String> = (0..stage.cursor.len())
        .map(|length| stage.cursor[..length].to_owned())
        .collect();
    let mut dice = StdRng::seed_from_u64(6);
    for length in 0..32 {
        let bytes: Vec<u8> = (0..length).map(|_| dice.random()).collect();
        malformed.push(URL_SAFE_NO_PAD.encode(bytes));
    }
    malformed.push(format!("{}AAAA", stage.cursor));
    malformed.push("\u{0}".repeat(44));
    let formats = stage.flipped().into_iter().take(8);
    malformed.extend(formats);
    let mut peer = Peer::ready(&stage.house.url).await;
    for cursor in malformed {
        let variables = json!({"event": stage.event.id, "after": cursor});
        subscribe(&mut peer, "1", MAP, variables).await;
        let message = peer.next().await;
        assert_eq!(code_of(&message), "BAD_USER_INPUT", "{cursor:?}");
        if message["type"] == "next" {
            peer.expect(json!({"id": "1", "type": "complete"})).await;
        }
    }
    peer.expect_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_with_any_bit_flipped_misleads_nobody() {
    let stage = Stage::new().await;
    let (house, event) = (&stage.house, &stage.event);
    // Behind the byte of the format.
    let flipped = &stage.flipped()[8..];
    let mut peers = Vec::new();
    for some in flipped.chunks(100) {
        let mut peer = Peer::ready(&house.url).await;
        first_messages(&mut peer, event, some).await;
        peers.push((peer, some));
    }
    let watching = async {
        for (peer, some) in &mut peers {
            let mut known: BTreeMap<String, Value> = BTreeMap::new();
            while known.len() < some.len() {
                let message = peer.next().await;
                let id = message["id"].as_str().unwrap().to_owned();
                assert_eq!(message["type"], "next", "{message}");
                let map = &message["payload"]["data"]["seatMap"];
                let cursor: Cursor = some[id.parse::<usize>().unwrap()].parse().unwrap();
                let is_told = |list: &Value, field: &str| {
                    let mut seats = list.as_array().unwrap().iter();
                    seats.any(|seat| {
                        let version = seat["version"].as_i64().unwrap();
                        seat[field] == event.seats[2].id && version >= 2
                    })
                };
                let real: Cursor = stage.cursor.parse().unwrap();
                let is_foreign = cursor.epoch != real.epoch || cursor.event != real.event;
                if map["__typename"] == "SeatMapSnapshot" {
                    let reason = &map["reason"];
                    assert!(
                        is_foreign || cursor.transaction != real.transaction,
                        "{message}"
                    );
                    assert!(
                        ["CURSOR_UNKNOWN", "CURSOR_TOO_OLD"].contains(&reason.as_str().unwrap())
                    );
                    if is_told(&map["seats"], "id") {
                        known.insert(id, reason.clone());
                    }
                } else if is_told(&map["changes"], "seatId") {
                    known.insert(id, map["__typename"].clone());
                }
            }
        }
    };
    tokio::select! {
        () = watching => {}
        never = time_goes_on(house) => match never {},
        never = news_goes_on(house, event) => match never {},
    }
}

/// Changes the third seat again and again: a cursor that says to know one change that is
/// made after it, as a forged one may, does not know the next.
async fn news_goes_on(house: &House, event: &Event) -> Infallible {
    let visitor = house.visitor();
    let mut again = tokio::time::interval(Duration::from_millis(200));
    let mut seat = Seat {
        id: event.seats[2].id.clone(),
        version: 1,
    };
    loop {
        again.tick().await;
        let held = visitor.hold(&event.id, std::slice::from_ref(&seat)).await;
        let token = held.data()["token"].as_str().unwrap();
        visitor.release(token, None).await.data();
        seat.version += 2;
    }
}

async fn map_at_least(caller: &Actor, event: &str, cursor: &str) -> Answer {
    let query = "query($id: ID!, $cursor: Cursor) { \
        event(id: $id) { seatMap(atLeast: $cursor) { seats { version } } } }";
    let variables = json!({"id": event, "cursor": cursor});
    caller.ask(query, variables).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_at_a_cursor_with_any_bit_flipped_is_the_map_or_a_clear_no() {
    let stage = Stage::new().await;
    let (house, event) = (&stage.house, &stage.event);
    let visitor = house.visitor();
    let flipped = stage.flipped();
    let asking = flipped
        .iter()
        .map(|cursor| map_at_least(&visitor, &event.id, cursor));
    let answers = tokio::select! {
        answers = join_all(asking) => answers,
        never = time_goes_on(house) => match never {},
    };
    let real: Cursor = stage.cursor.parse().unwrap();
    for (answer, cursor) in answers.iter().zip(&flipped) {
        let Ok(cursor) = cursor.parse::<Cursor>() else {
            assert_eq!(answer.error_code(), "BAD_USER_INPUT");
            continue;
        };
        if cursor.epoch != real.epoch || cursor.event != real.event {
            assert_eq!(answer.error_code(), "BAD_USER_INPUT", "{cursor:?}");
        } else if answer.0["errors"].is_null() {
            let seats = &answer.data()["event"]["seatMap"]["seats"];
            assert_eq!(seats[0]["version"], 2, "{cursor:?}");
        } else {
            assert_eq!(answer.error_code(), "CURSOR_NOT_REACHED", "{cursor:?}");
            assert!(cursor.transaction > real.transaction);
        }
    }
}

/// Of another database: its numbers may well be reached here, its changes never were.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_database_gets_the_map_and_the_reason() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    assert_eq!(stage.event.id, other.event.id);
    let mut peer = Peer::ready(&stage.house.url).await;
    first_messages(&mut peer, &stage.event, std::slice::from_ref(&other.cursor)).await;
    let message = peer.next().await;
    let map = &message["payload"]["data"]["seatMap"];
    assert_eq!(map["reason"], "CURSOR_UNKNOWN", "{message}");
    let visitor = stage.house.visitor();
    let answer = map_at_least(&visitor, &stage.event.id, &other.cursor).await;
    assert_eq!(answer.error_code(), "BAD_USER_INPUT");
}
