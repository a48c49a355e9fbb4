//! Clients that read slowly, or not at all.
//!
//! What a server keeps for one of them does not grow with what happens: a queue of 32
//! frames, what the system's buffers take, and a number that says how far it was told.
//! One that never begins is closed too: `websocket_protocol::limits` has that.

use super::subscribe;
use crate::booking::event_key;
use crate::support::house::Limits;
use crate::support::peer::{self, Peer};
use crate::support::watcher::Watcher;
use crate::support::{Event, House, eventually};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::iter;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Error;
use usher::feed::{SeatMapMessage, SnapshotReason};
use usher::http::SocketLimits;
use usher::model::ids::EventId;

/// Far more than anybody needs, so that the buffers on the way are soon full.
fn verbose() -> String {
    let again: Vec<String> = (0..150)
        .map(|number| format!("again{number}: changes {{ seatId status version }} "))
        .collect();
    format!(
        "subscription($event: ID!) {{ seatMap(eventId: $event) {{ __typename \
           ... on SeatMapSnapshot {{ cursor seats {{ id version status }} }} \
           ... on SeatMapDelta {{ cursor changes {{ seatId status version }} {} }} }} }}",
        again.concat()
    )
}

/// Blocks or unblocks so many seats from this one on, each in a transaction of its own.
async fn flip(house: &House, event: &Event, seats: std::ops::Range<usize>) {
    let key = event_key(event);
    let mut sql = house.sql().await;
    let flips: Vec<String> = seats
        .map(|seat| {
            format!(
                "BEGIN; UPDATE seats SET version = version + 1, cause = CASE status \
                   WHEN 'BLOCKED' THEN 'UNBLOCKED' ELSE 'BLOCKED' END, status = CASE status \
                   WHEN 'BLOCKED' THEN 'AVAILABLE' ELSE 'BLOCKED' END \
                 WHERE event_id = {key} AND seat_no = {seat}; COMMIT;"
            )
        })
        .collect();
    sql.batch_execute(&flips.concat()).await.unwrap();
    house.running.services.feed.announce();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_ends_with_the_newest_of_every_seat_in_few_messages() {
    const STEPS: usize = 100;
    let house = House::open_without_costs(Limits {
        sockets: SocketLimits {
            outgoing_queue: 4,
            ..SocketLimits::default()
        },
        ..Limits::default()
    })
    .await;
    let event = house.event(10, 20).await;
    let mut slow = Peer::ready(&house.url).await;
    subscribe(&mut slow, "1", &verbose(), json!({"event": event.id})).await;
    let mut versions = BTreeMap::new();
    apply(&mut versions, &slow.next().await);
    let mut fast = Watcher::new(&house, &event.id, None).await;
    fast.next().await;

    // 2,000 changes, and one message for each twenty of them to whoever reads.
    let mut told = 0;
    for step in 0..STEPS {
        let seats = step % 10 * 20..(step % 10 + 1) * 20;
        flip(&house, &event, seats.clone()).await;
        let newest = 2 + i64::try_from(step / 10).unwrap();
        while !event.seats[seats.clone()]
            .iter()
            .all(|seat| fast.version(&seat.id) == newest)
        {
            fast.next().await;
            told += 1;
        }
    }
    assert!(told >= STEPS);

    let mut messages = 0;
    while versions.values().any(|version| *version < 11) {
        apply(&mut versions, &slow.next().await);
        messages += 1;
    }
    println!("{messages} messages to the slow client, {told} to the fast one");
    assert!(messages < told, "{messages} messages, {told} to who reads");
    assert!(messages < 2_000 / 10);
    let now = house.visitor().seat_map(&event.id).await;
    for seat in now["seats"].as_array().unwrap() {
        assert_eq!(versions[seat["id"].as_str().unwrap()], seat["version"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_more_than_is_kept_gets_the_map_and_the_reason() {
    let house = House::open_without_costs(Limits::default()).await;
    let event = house.event(1, 2).await;
    let feed = &house.running.services.feed;
    let key = event_key(&event);
    let mut watcher = feed.watch_changes(EventId(key)).await.unwrap();
    // 4,096 changes are kept of a small map.
    let missed = format!(
        "DO $$ BEGIN FOR turn IN 1..5000 LOOP \
           UPDATE seats SET version = version + 1, cause = 'CORRECTION', \
             status = CASE status WHEN 'BLOCKED' THEN 'AVAILABLE' ELSE 'BLOCKED' END \
           WHERE event_id = {key} AND seat_no = 0; \
         END LOOP; END $$"
    );
    house.sql().await.batch_execute(&missed).await.unwrap();
    feed.announce();
    let visitor = house.visitor();
    eventually("the map has it", async || {
        let map = visitor.seat_map(&event.id).await;
        (map["seats"][0]["version"] == 5001).then_some(())
    })
    .await;
    let due = watcher.due().await.unwrap();
    let (message, _) = due.message();
    assert!(
        matches!(
            message,
            SeatMapMessage::Snapshot {
                reason: SnapshotReason::FellBehind,
                ..
            }
        ),
        "{message:?}"
    );
}

/// What a client knows after this message: of each seat the newest version.
fn apply(versions: &mut BTreeMap<String, i64>, message: &Value) {
    let map = &message["payload"]["data"]["seatMap"];
    let (list, id) = match map["__typename"].as_str() {
        Some("SeatMapSnapshot") => (&map["seats"], "id"),
        _ => (&map["changes"], "seatId"),
    };
    for seat in list.as_array().unwrap_or_else(|| panic!("{message}")) {
        let version = seat["version"].as_i64().unwrap();
        let known = versions
            .entry(seat[id].as_str().unwrap().to_owned())
            .or_default();
        assert!(version > *known, "an older version: {seat}");
        *known = version;
    }
}

/// The counters are those of all tests in this process, and only grow.
async fn closed(house: &House, code: &str) -> u64 {
    let answer = reqwest::get(format!("{}/metrics", house.url)).await;
    let text = answer.unwrap().text().await.unwrap();
    let sample = format!("usher_websocket_closed_total{{code=\"{code}\"}} ");
    let count = text.lines().find_map(|line| line.strip_prefix(&sample));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_cut_off_and_counted() {
    let house = House::open_without_costs(Limits {
        sockets: SocketLimits {
            send_timeout: Duration::from_millis(300),
            outgoing_queue: 4,
            ..SocketLimits::default()
        },
        ..Limits::default()
    })
    .await;
    let event = house.event(20, 50).await;
    let before = closed(&house, "not_reading").await;
    let mut peer = Peer::ready(&house.url).await;
    // A hundred maps of nearly 100 kB: more than every buffer on the way.
    let variables = json!({"event": event.id});
    let maps = (0..100).map(|id| peer::subscribe(&id.to_string(), &verbose(), &variables));
    let pongs = iter::repeat(json!({"type": "pong"}));
    let error = peer.send_until_cut_off(maps.chain(pongs)).await;
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    eventually("it is counted", async || {
        (closed(&house, "not_reading").await > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_answers_no_ping_is_counted() {
    let house = House::open_without_costs(Limits {
        sockets: SocketLimits {
            ping_interval: Duration::from_millis(20),
            // It must not run out before the peer has begun.
            pong_timeout: Duration::from_secs(2),
            ..SocketLimits::default()
        },
        ..Limits::default()
    })
    .await;
    let before = closed(&house, "silent").await;
    let mut peer = Peer::ready(&house.url).await;
    peer.expect_cut_off().await;
    eventually("it is counted", async || {
        (closed(&house, "silent").await > before).then_some(())
    })
    .await;
}
