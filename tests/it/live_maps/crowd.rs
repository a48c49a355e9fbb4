//! A thousand who watch one event, and what nobody wishes on a server then: PostgreSQL is
//! restarted, and every seat of a large hall changes at once.
//!
//! They are 250 sockets of four subscriptions each: of those a process may have
//! many more than of open files where its limit is an ordinary one. They decode each
//! message once, whoever is told it first.

use crate::live_maps::cluster::{PrivateCluster, Restart};
use crate::live_maps::overlap::flip;
use crate::support::compact::{decode_changes, decode_map};
use crate::support::eventually;
use crate::support::program::Server;
use diesel_async::SimpleAsyncConnection;
use futures_util::{SinkExt, StreamExt, stream};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use usher::model::Role;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

const SOCKETS: usize = 250;
const EACH: usize = 4;

const MAP: &str = "subscription($event: ID!) { seatMap(eventId: $event) { \
    ... on SeatMapSnapshot { all: compact } ... on SeatMapDelta { changed: compact } } }";

/// What the crowd has seen.
#[derive(Default)]
struct Crowd {
    /// How many have a map, and how many have seen every seat at its last version.
    begun: AtomicUsize,
    newest: AtomicUsize,
    messages: AtomicUsize,
    largest: AtomicUsize,
    /// The versions in each message that anybody was told, by its payload.
    decoded: Mutex<HashMap<String, Arc<Versions>>>,
    crowd: Mutex<JoinSet<()>>,
    /// The version that every seat comes to.
    last: i32,
}

/// Seats and their versions.
type Versions = Vec<(usize, i32)>;

impl Crowd {
    /// A thousand who watch this event until every seat comes to its last version, and have
    /// its map.
    async fn of(server: &Server, event: EventId, seats: usize, last: i32) -> Arc<Self> {
        let crowd = Arc::new(Self {
            last,
            ..Self::default()
        });
        let url = format!("{}/graphql", server.url.replace("http:", "ws:"));
        stream::iter(0..SOCKETS)
            .for_each_concurrent(20, async |_| {
                let mut request = url.as_str().into_client_request().unwrap();
                let protocol = "graphql-transport-ws".parse().unwrap();
                request
                    .headers_mut()
                    .insert("Sec-WebSocket-Protocol", protocol);
                let (mut socket, _) = connect_async(request).await.unwrap();
                let init = Message::text(json!({"type": "connection_init"}).to_string());
                socket.send(init).await.unwrap();
                let event = GlobalId::Event(event).to_string();
                let payload = json!({"query": MAP, "variables": {"event": event}});
                for id in 0..EACH {
                    let id = id.to_string();
                    let subscribe = json!({"id": id, "type": "subscribe", "payload": payload});
                    socket
                        .send(Message::text(subscribe.to_string()))
                        .await
                        .unwrap();
                }
                let watching = {
                    let crowd = Arc::clone(&crowd);
                    async move {
                        let mut watchers = vec![Watcher::new(seats); EACH];
                        while let Some(Ok(message)) = socket.next().await {
                            if let Message::Text(text) = message {
                                crowd.hear(&mut watchers, &text);
                            }
                        }
                    }
                };
                crowd.crowd.lock().unwrap().spawn(watching);
            })
            .await;
        eventually("all have a map", async || {
            (crowd.begun.load(Ordering::Relaxed) == SOCKETS * EACH).then_some(())
        })
        .await;
        crowd
    }

    fn hear(&self, watchers: &mut [Watcher], text: &str) {
        // {"id":"0","type":"next","payload":…}
        let Some((head, payload)) = text.split_once(r#","type":"next","payload":"#) else {
            assert!(text.contains("connection_ack"), "{text}");
            return;
        };
        let payload = &payload[..payload.len() - 1];
        let id: usize = head[r#"{"id":""#.len()..head.len() - 1].parse().unwrap();
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(text.len(), Ordering::Relaxed);
        let versions = {
            let mut decoded = self.decoded.lock().unwrap();
            let known = decoded.get(payload).map(Arc::clone);
            known.unwrap_or_else(|| {
                let versions = Arc::new(decode(payload));
                decoded.insert(payload.to_owned(), Arc::clone(&versions));
                versions
            })
        };
        let watcher = &mut watchers[id];
        if !std::mem::replace(&mut watcher.has_begun, true) {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        for (seat, version) in versions.iter() {
            if *version == self.last && !std::mem::replace(&mut watcher.changed[*seat], true) {
                watcher.left -= 1;
                if watcher.left == 0 {
                    self.newest.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    async fn all_have_the_newest(&self) {
        eventually("all have seen all", async || {
            (self.newest.load(Ordering::Relaxed) == SOCKETS * EACH).then_some(())
        })
        .await;
    }
}

/// One of the crowd: which seats it knows to have changed.
#[derive(Clone)]
struct Watcher {
    has_begun: bool,
    changed: Vec<bool>,
    left: usize,
}

impl Watcher {
    fn new(seats: usize) -> Self {
        Self {
            has_begun: false,
            changed: vec![false; seats],
            left: seats,
        }
    }
}

fn decode(payload: &str) -> Versions {
    let payload: Value = serde_json::from_str(payload).unwrap();
    let map = &payload["data"]["seatMap"];
    if let Some(all) = map["all"].as_str() {
        let versions = decode_map(all).into_iter().map(|(_, version)| version);
        return versions.enumerate().collect();
    }
    let changed = map["changed"].as_str();
    let changed = decode_changes(changed.unwrap_or_else(|| panic!("{payload}")));
    let seat = |(seat, _, version): (i32, _, i32)| (usize::try_from(seat).unwrap(), version);
    changed.into_iter().map(seat).collect()
}

/// With one usher. A thousand ask it for a cold map at the same time, and sixty thousand seats are
/// changed in one statement: on a machine with much else to do some would be told, after five
/// or ten seconds, that it is overloaded.
async fn patient_cluster() -> PrivateCluster {
    let mut cluster = PrivateCluster::start(0).await;
    let acquire = ["--database-acquire-timeout", "1m"];
    let statement = ["--statement-timeout", "1m"];
    cluster.add(&[acquire, statement].concat()).await;
    cluster
}

/// An event on sale: standing room for so many.
async fn open_sale(cluster: &PrivateCluster, capacity: usize) -> EventId {
    let token = PrivateCluster::token("tess", Role::Staff);
    let staff = cluster.newest().bearer(&token);
    let plan = json!({
        "name": "Field", "categories": [{"name": "Standing"}],
        "zones": [{
            "name": "Field", "position": {"x": 0, "y": 0}, "rows": [],
            "general_admission": {"capacity": capacity, "category": "Standing"},
        }],
    });
    let plan = staff.import_plan(&plan).await;
    let venue = staff.create_venue("Test House", "Europe/Berlin").await;
    let input = json!({
        "venueId": venue, "planId": plan, "name": "Crowd", "currency": "EUR",
        "startsAt": "2030-01-01T19:30:00Z",
        "prices": [{"category": "Standing", "amountMinor": 1000}],
    });
    let created = staff.create_event(&input).await;
    let event = created["event"]["id"].as_str().unwrap();
    let version = created["event"]["version"].as_i64().unwrap();
    staff.open_sale(event, version).await;
    match event.parse() {
        Ok(GlobalId::Event(event)) => event,
        other => panic!("{event} is not an event: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_watch_outlive_a_restart_of_postgresql() {
    let mut cluster = patient_cluster().await;
    let event = open_sale(&cluster, 1).await;
    let crowd = Crowd::of(cluster.newest(), event, 1, 2).await;
    cluster.restart(Restart::Fast).await;
    flip(&mut cluster.sql().await, event.0, 0).await.unwrap();
    crowd.all_have_the_newest().await;
    // Nobody had to come back, and nobody was told more than there was.
    assert_eq!(crowd.messages.load(Ordering::Relaxed), 2 * SOCKETS * EACH);
    let sockets = cluster.newest().sample("usher_websocket_connections").await;
    assert!((sockets - 250.0).abs() < 0.1, "{sockets}");
    drop(crowd);
    cluster.stop().await;
}

/// The event is cancelled, and every seat was held.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_watch_see_sixty_thousand_seats_change_at_once() {
    const SEATS: usize = 60_000;
    /// In MB, beside what the server has when all have their map. The follower reads 5,000
    /// changes at once, so that a message is far smaller than a map; most of it is what
    /// whoever cancels the event has of its seats.
    const BOUND: usize = 200;
    let cluster = patient_cluster().await;
    let event = open_sale(&cluster, SEATS).await;
    hold_all(&cluster, event, SEATS).await;
    let crowd = Crowd::of(cluster.newest(), event, SEATS, 3).await;
    let before = cluster.newest().memory();
    let began = Instant::now();
    let token = PrivateCluster::token("tess", Role::Staff);
    let staff = cluster.newest().bearer(&token);
    let cancelled = staff
        .cancel_event(&GlobalId::Event(event).to_string(), 2)
        .await;
    assert_eq!(cancelled.data()["releasedSeats"], SEATS, "{}", cancelled.0);
    crowd.all_have_the_newest().await;
    let after = cluster.newest().memory();
    println!(
        "all knew all after {:?}; {} messages to {}, the largest of {} bytes; memory before \
         {before:?}, after {after:?} (MB now, at most)",
        began.elapsed(),
        crowd.messages.load(Ordering::Relaxed),
        SOCKETS * EACH,
        crowd.largest.load(Ordering::Relaxed),
    );
    // A map of two bytes a seat, or a delta of three: in base64, with what is around it.
    assert!(crowd.largest.load(Ordering::Relaxed) < SEATS * 3 * 4 / 3 + 500);
    if let (Some([before, _]), Some([_, most])) = (before, after) {
        assert!(most < before + BOUND, "{most} MB, {before} before");
    }
    drop(crowd);
    cluster.stop().await;
}

/// Puts every seat of an event into a hold, a thousand in each.
async fn hold_all(cluster: &PrivateCluster, event: EventId, seats: usize) {
    let hold = format!(
        "INSERT INTO holds \
           (event_id, id, token_hash, seat_nos, amounts, currency, expires_at) \
         SELECT {event}, gen_random_uuid(), sha256(part::text::bytea), \
           array_agg(seat ORDER BY seat), array_agg(1000::bigint), 'EUR', now() + interval '1 h' \
         FROM (SELECT seat, seat / 1000 AS part FROM generate_series(0, {seats} - 1) AS seat) \
           AS parts GROUP BY part; \
         UPDATE seats SET version = version + 1, status = 'HELD', cause = 'HELD', \
           owner_id = held.id, held_until = held.expires_at \
         FROM (SELECT id, expires_at, unnest(seat_nos) AS seat_no FROM holds) AS held \
         WHERE event_id = {event} AND seats.seat_no = held.seat_no; \
         ANALYZE seats, seat_changes",
        event = event.0
    );
    cluster.sql().await.batch_execute(&hold).await.unwrap();
}
