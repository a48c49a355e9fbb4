//! By way of HTTP and WebSocket alone: slow, large, malformed, and from pages of others.

mod bodies;
mod connections;
mod cookies;
mod foreign_pages;
mod forgeries;
mod heads;
mod open_files;
mod origins;
mod slow_readers;
mod slow_requests;
mod slow_sockets;
pub mod wire;
mod words;

use crate::support::house::Limits;
use crate::support::{Event, House};
use std::time::Duration;
use usher::config::WebSettings;

/// Somebody who has not heard of the attack comes, and gets the seat of this number.
async fn a_buyer_is_served(house: &House, event: &Event, seat: usize) {
    let held = house
        .visitor()
        .hold(&event.id, &event.seats[seat..=seat])
        .await;
    assert_eq!(held.data()["__typename"], "SeatsHeld", "{}", held.0);
}

/// A house that waits for nobody for long, and lets few in at the same time.
async fn impatient(connections: u32, request_timeout: Duration) -> House {
    House::open_with_all(Limits {
        web: WebSettings {
            max_connections: connections,
            connections_per_address: u32::MAX,
            request_timeout,
            ..WebSettings::default()
        },
        ..Limits::default()
    })
    .await
}

/// A house whose API pages of these origins may use.
async fn open_to(origins: &str) -> House {
    House::open_with_all(Limits {
        web: WebSettings {
            allowed_origins: origins.parse().unwrap(),
            ..WebSettings::default()
        },
        ..Limits::default()
    })
    .await
}
