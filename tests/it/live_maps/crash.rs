//! A crash of PostgreSQL may give numbers of transactions twice: those that were rolled
//! back shortly before are written nowhere. A cursor that has passed such a number would
//! hide whoever gets it next.

use crate::live_maps::chaos;
use crate::live_maps::cluster::{PrivateCluster, Restart};
use crate::live_maps::journal::{Known, Message};
use crate::live_maps::overlap::flip;
use crate::support::peer::Peer;
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// Numbers that are lost, and more changes than that after the crash.
const LOST: i32 = 20;
const CHANGES: i32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_when_a_crash_gives_numbers_of_transactions_twice() {
    // Whatever a commit does not write by itself is not written for now.
    let mut cluster = PrivateCluster::start_with(1, &[("wal_writer_delay", "10s")]).await;
    let event = chaos::open_sale(&cluster).await;
    let mut sql = cluster.sql().await;
    for seat in 0..LOST {
        sql.batch_execute("BEGIN").await.unwrap();
        flip(&mut sql, event.0, seat).await.unwrap();
        sql.batch_execute("ROLLBACK").await.unwrap();
    }
    let mut faithful = subscribe(&cluster, event, None).await;
    let mut known = Known::new();
    let cursor = hear(&mut faithful, &mut known).await;
    assert_eq!(known[&0].0, 1);

    cluster.restart(Restart::Immediate).await;
    let mut sql = cluster.sql().await;
    for seat in 0..CHANGES {
        flip(&mut sql, event.0, seat).await.unwrap();
    }
    let mut resumed = subscribe(&cluster, event, Some(&cursor)).await;
    for watcher in [&mut resumed, &mut faithful] {
        let mut known = known.clone();
        while (0..CHANGES).any(|seat| known[&seat].0 < 2) {
            hear(watcher, &mut known).await;
        }
    }
    cluster.stop().await;
}

async fn subscribe(cluster: &PrivateCluster, event: EventId, after: Option<&str>) -> Peer {
    let mut peer = Peer::ready(&cluster.newest().url).await;
    let event = GlobalId::Event(event).to_string();
    let document = format!(
        "subscription {{ seatMap(eventId: {event:?}, after: {}) {{ \
           ... on SeatMapSnapshot {{ reason cursor seats {{ id version status }} }} \
           ... on SeatMapDelta {{ cursor changes {{ seatId version status }} }} }} }}",
        json!(after)
    );
    peer.subscribe("1", &document).await;
    peer
}

/// Takes the next message; answers its cursor.
async fn hear(peer: &mut Peer, known: &mut Known) -> String {
    let message: Value = peer.next().await;
    let (message, cursor) = Message::read(&message["payload"]["data"]["seatMap"]);
    message.apply(known);
    cursor
}
