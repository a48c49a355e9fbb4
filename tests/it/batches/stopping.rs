//! A server that stops while commands wait for their batch.

use super::{all_connections, are_waiting, holding_one, kinds, number_of, one_lane};
use crate::support::checks::assert_sound;
use crate::support::gate::Gate;
use crate::support::house::settings;
use crate::support::{House, PATIENCE, eventually};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use usher::config::DatabaseSettings;

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_wait_when_a_server_is_told_to_stop_are_answered() {
    let house = House::open().await;
    let event = house.event(1, 20).await;
    let server = house.replica_with_batches(settings(), one_lane(4)).await;
    let visitor = server.visitor();
    let address = server.running.address;
    let batcher = server.running.services.batcher.clone();
    let mut gate = Gate::before_changes(&house.database_url).await;
    let seats: Vec<_> = event.seats.chunks(1).collect();
    let first = visitor.hold(&event.id, seats[0]);
    let others = async {
        gate.is_reached().await;
        let others = seats[1..].iter().map(|seat| visitor.hold(&event.id, seat));
        let stopping = async {
            eventually("the others wait", async || {
                (batcher.waiting() == 19).then_some(())
            })
            .await;
            let opening = async {
                eventually("nobody is let in any more", async || {
                    TcpStream::connect(address).await.err()
                })
                .await;
                gate.open().await;
            };
            tokio::join!(server.running.stop(PATIENCE), opening);
        };
        tokio::join!(join_all(others), stopping).0
    };
    let (first, others) = tokio::join!(first, others);
    assert_eq!(kinds(&[first]), ["SeatsHeld"]);
    assert_eq!(kinds(&others), ["SeatsHeld"; 19]);
    assert_eq!(number_of(&house, "holds").await, 20);
    assert_sound(&house).await;
}

/// Nothing can be done for them, and nobody is left to do it.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_a_server_leaves_behind_are_told_so_and_not_done() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let impatient = DatabaseSettings {
        acquire_timeout: Duration::from_secs(2),
        ..settings()
    };
    let server = house.replica_with_batches(impatient, one_lane(256)).await;
    let connections = all_connections(&server).await;
    let batcher = server.running.services.batcher.clone();
    let waiting = (0..5).map(|seat_no| {
        let (work, request) = holding_one(&event, seat_no);
        let batcher = batcher.clone();
        async move { batcher.submit(work, request).await.is_err() }
    });
    let stopping = async {
        are_waiting(&server, 5).await;
        server.running.stop(Duration::ZERO).await;
        drop(connections);
    };
    let told = timeout(PATIENCE, join_all(waiting));
    let (are_told, ()) = tokio::join!(told, stopping);
    let are_told = are_told.expect("nobody waits for good");
    assert_eq!(are_told, [true; 5]);
    assert_eq!(number_of(&house, "seats WHERE version = 1").await, 5);
    assert_eq!(number_of(&house, "holds").await, 0);
    assert_sound(&house).await;
}
