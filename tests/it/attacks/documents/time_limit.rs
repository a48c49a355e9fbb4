//! The time that a client waits at most.

use super::{Transport, post};
use crate::support::house::{Limits, settings};
use crate::support::lock::Lock;
use crate::support::{House, eventually};
use serde_json::json;
use std::time::Duration;
use usher::config::DocumentSettings;

/// The same house behind a server that is not patient.
async fn hasty(house: &House) -> House {
    let documents = DocumentSettings {
        operation_timeout: Duration::from_millis(200),
        ..DocumentSettings::default()
    };
    let limits = Limits {
        documents,
        ..Limits::default()
    };
    house.replica_with_all(limits, settings()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_is_given_up() {
    let house = House::open().await;
    let hasty = hasty(&house).await;
    let venues = Lock::on_venues(&house.database_url).await;
    let parameters = json!({"query": "{ venues { nodes { name } } }"});
    for transport in Transport::ALL {
        let answer = transport.ask(&hasty.url, &parameters).await;
        assert_eq!(answer.error_code(), "OPERATION_TIMEOUT", "{transport:?}");
        assert!(answer.error_message().contains("ask for less"));
    }
    assert_eq!(post(&hasty.url, &parameters, None).await.status(), 504);
    venues.let_go().await;
    eventually("it is answered again", async || {
        let response = post(&hasty.url, &parameters, None).await;
        (response.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_that_takes_too_long_is_done_all_the_same() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let hasty = hasty(&house).await;
    for (number, transport) in [Transport::Post, Transport::Socket, Transport::Stream]
        .into_iter()
        .enumerate()
    {
        let key = format!("a key for mutation number {number}");
        let seat = &event.seats[number];
        let input = json!({"eventId": event.id, "idempotencyKey": key,
            "seats": [{"seatId": seat.id, "version": seat.version}]});
        let lock = format!(
            "BEGIN; SELECT 1 FROM seats WHERE event_id = 1 AND seat_no = {number} FOR UPDATE"
        );
        let mut lock = Lock::by(&house.database_url, &lock).await;
        let parameters = json!({
            "query": "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename } }",
            "variables": {"input": input},
        });
        let answer = transport.ask(&hasty.url, &parameters).await;
        assert_eq!(answer.error_code(), "OPERATION_TIMEOUT", "{transport:?}");
        assert!(answer.error_message().contains("idempotencyKey"));
        lock.is_wanted_by(1).await;
        lock.let_go().await;
        // The first one or this one: it was done once.
        let again = house.visitor().hold_input(&input).await;
        assert_eq!(again.data()["__typename"], "SeatsHeld", "{transport:?}");
        eventually("the seat is held", async || {
            let map = house.visitor().seat_map(&event.id).await;
            (map["seats"][number]["status"] == "HELD").then_some(())
        })
        .await;
        let third = house.visitor().hold_input(&input).await;
        assert_eq!(third.data()["token"], again.data()["token"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_has_no_time_limit() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let documents = DocumentSettings {
        operation_timeout: Duration::from_millis(1),
        ..DocumentSettings::default()
    };
    let limits = Limits {
        documents,
        ..Limits::default()
    };
    let hasty = house.replica_with_all(limits, settings()).await;
    let watching = crate::support::event_stream::watching(&event);
    let parameters = json!({"query": watching});
    for transport in [Transport::Socket, Transport::Stream] {
        let answer = transport.ask(&hasty.url, &parameters).await;
        assert_eq!(answer.data()["seatMap"]["__typename"], "SeatMapSnapshot");
    }
}
