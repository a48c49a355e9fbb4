//! Slowloris, and what is kept open without a word: few connections, all of them taken, and
//! buyers are served even so.

use super::wire::{Wire, head};
use super::{a_buyer_is_served, impatient};
use crate::support::House;
use crate::support::event_stream::{EventStream, Received};
use crate::support::house::Limits;
use crate::support::peer::Peer;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::timeout;
use usher::config::WebSettings;
use usher::http::{SocketLimits, StreamLimits};

const SHORT: Duration = Duration::from_secs(1);
const DRIP: Duration = Duration::from_millis(20);
const PLACES: u32 = 20;
const ATTACKERS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_drip_take_turns_with_buyers() {
    let house = impatient(PLACES, SHORT).await;
    let event = house.event(1, 3).await;
    let attackers = join_all((0..ATTACKERS).map(async |number| {
        let mut wire = Wire::to(&house.url).await;
        wire.say("GET / HTTP/1.1\r\nhost: usher\r\n").await;
        if number % 2 == 0 {
            wire.say("x-slow: ").await;
        }
        wire.drip(b'x', DRIP).await
    }));
    let buyers = async {
        for seat in 0..3 {
            a_buyer_is_served(&house, &event, seat).await;
        }
    };
    let (said, ()) = tokio::join!(attackers, buyers);
    assert!(said.iter().all(|said| said.0.is_empty()), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_drip_take_turns_with_buyers() {
    let house = impatient(PLACES, SHORT).await;
    let event = house.event(1, 3).await;
    let announced = head(&["content-type: application/json", "content-length: 100000"]);
    let chunked = head(&[
        "content-type: application/json",
        "transfer-encoding: chunked",
    ]) + "ffff\r\n";
    let attackers = join_all((0..ATTACKERS).map(async |number| {
        let mut wire = Wire::to(&house.url).await;
        wire.say(if number % 2 == 0 {
            &announced
        } else {
            &chunked
        })
        .await;
        wire.drip(b' ', DRIP).await
    }));
    let buyers = async {
        for seat in 0..3 {
            a_buyer_is_served(&house, &event, seat).await;
        }
    };
    let (said, ()) = tokio::join!(attackers, buyers);
    // One that goes on talking may have its answer overtaken by a reset.
    for said in &said {
        assert!(matches!(said.status(), Some(408) | None), "{said:?}");
    }
    let told = said.iter().filter(|said| said.status().is_some()).count();
    assert!(told > ATTACKERS / 2, "{told} were told");
}

#[tokio::test]
async fn who_pauses_within_a_body_is_told_why_it_ends() {
    let house = impatient(PLACES, SHORT).await;
    let begun = head(&["content-type: application/json", "content-length: 100"]) + "{\"query\":";
    let said = Wire::exchange(&house.url, begun).await;
    assert_eq!(said.status(), Some(408), "{said:?}");
    assert!(said.0.contains("\r\nconnection: close\r\n"), "{said:?}");
    assert!(said.0.contains("\"REQUEST_TIMEOUT\""), "{said:?}");
}

/// What the limits are for, seen without them: whoever has all the places keeps them.
#[tokio::test]
async fn without_a_limit_of_time_a_few_keep_everybody_out() {
    let house = impatient(2, Duration::from_hours(1)).await;
    let event = house.event(1, 1).await;
    // Whoever connects first comes in first.
    let mut attackers = [Wire::to(&house.url).await, Wire::to(&house.url).await];
    for attacker in &mut attackers {
        attacker.say("GET / HTTP/1.1\r\n").await;
    }
    let mut buyer = Box::pin(a_buyer_is_served(&house, &event, 0));
    let waiting = timeout(2 * SHORT, &mut buyer).await;
    assert!(waiting.is_err(), "it came in");
    // In the queue, and not turned away: it is served as soon as somebody has left.
    drop(attackers);
    buyer.await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_what_is_no_request_is_not() {
    let house = House::open_with_all(Limits {
        web: WebSettings {
            idle_timeout: SHORT,
            request_timeout: SHORT,
            ..WebSettings::default()
        },
        sockets: SocketLimits {
            ping_interval: SHORT / 4,
            ..SocketLimits::default()
        },
        streams: StreamLimits {
            keep_alive: SHORT / 4,
            ..StreamLimits::default()
        },
        ..Limits::default()
    })
    .await;
    let event = house.event(1, 1).await;
    let mut peer = Peer::ready(&house.url).await;
    let mut stream = EventStream::on_map(&house, &event).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: usher\r\n\r\n";
    let mut kept = Wire::to(&house.url).await;
    // Two of them, so that it was kept.
    kept.say(request).await;
    kept.say(request).await;
    let said = kept.heard().await;
    assert_eq!(said.answers(), 2, "{said:?}");
    assert!(!said.0.contains("connection: close"), "{said:?}");
    // Each of these is more than twice the time.
    for _ in 0..10 {
        assert_eq!(stream.receive().await, Received::Comment);
    }
    peer.answer_pings(10).await;
    peer.expect_alive().await;
}
