//! Readers who ask for as much as one document can: they wait for one another, and buyers do not
//! wait for them.

use crate::support::House;
use crate::support::eventually;
use crate::support::house::{Limits, settings};
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;
use usher::config::DatabaseSettings;

/// What one operation has, or waits for, at a time.
const PLACES: usize = 4;

/// Three events, eight times, with eighty pages of seats each.
fn greedy() -> String {
    let mut query = "{ ".to_owned();
    for number in 0..8 {
        let _ = write!(query, "e{number}: events(first: 3) {{ nodes {{ ...f }} }} ");
    }
    query += "} fragment f on Event { ";
    for number in 0..80 {
        let _ = write!(query, "s{number}: seats(first: 1) {{ nodes {{ id }} }} ");
    }
    query + "}"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_asks_for_thousands_waits_in_four_places_and_no_buyer_behind_it() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    for _ in 0..2 {
        house.event(1, 1).await;
    }
    let four = DatabaseSettings {
        connections: 4,
        ..settings()
    };
    let server = house.replica_with_all(Limits::default(), four).await;
    let database = &server.running.services.database;
    // All that requests may have of the four.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(database.connection_for_request().await.unwrap());
    }
    let visitor = server.visitor();
    let asking = {
        let visitor = visitor.clone();
        tokio::spawn(async move { visitor.ask(&greedy(), json!({})).await })
    };
    eventually("its fields wait", async || {
        (database.waiting() == PLACES).then_some(())
    })
    .await;
    // A buyer finds a batch all the same.
    let answer = visitor.hold(&event.id, &event.seats[..1]).await;
    assert_eq!(answer.data()["__typename"], "SeatsHeld");
    assert_eq!(database.waiting(), PLACES);
    assert!(!asking.is_finished());

    held.pop();
    let mut most = 0;
    let mut again = tokio::time::interval(Duration::from_millis(1));
    while !asking.is_finished() {
        most = most.max(database.waiting());
        again.tick().await;
    }
    assert!((1..=PLACES).contains(&most), "{most} waited");
    let answer = asking.await.unwrap();
    let data = answer.data();
    assert_eq!(
        data["e7"]["nodes"][2]["s79"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
