//! Connections that are opened to keep others out: from one address, from many, and all at once.

use super::a_buyer_is_served;
use super::wire::{Said, Wire};
use crate::attacks::sockets::raise_the_limit_of_files;
use crate::support::house::Limits;
use crate::support::program::Server;
use crate::support::{House, PATIENCE, eventually};
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::timeout;
use usher::config::{RateLimitSettings, WebSettings};

const ATTACKER: [u8; 4] = [127, 6, 6, 6];
const REQUEST: &str = "GET /healthz HTTP/1.1\r\nhost: usher\r\n\r\n";
const LAST_REQUEST: &str = "GET /healthz HTTP/1.1\r\nhost: usher\r\nconnection: close\r\n\r\n";

/// A house that waits for ever, so that nothing but what is tested makes room.
async fn patient(connections: u32, per_address: u32, proxies: &str) -> House {
    waiting(connections, per_address, proxies, Duration::from_hours(1)).await
}

async fn waiting(connections: u32, per_address: u32, proxies: &str, time: Duration) -> House {
    House::open_with_all(Limits {
        web: WebSettings {
            max_connections: connections,
            connections_per_address: per_address,
            request_timeout: time,
            idle_timeout: time,
            ..WebSettings::default()
        },
        rate_limits: RateLimitSettings {
            trusted_proxies: proxies.parse().unwrap(),
            ..RateLimitSettings::off()
        },
        ..Limits::default()
    })
    .await
}

/// So many that have begun a request and do not go on with it.
async fn beginners(house: &House, address: [u8; 4], count: usize) -> Vec<Wire> {
    let begin = async |_| {
        let mut wire = Wire::from(address, &house.url).await;
        wire.say("GET / HTTP/1.1\r\n").await;
        wire
    };
    join_all((0..count).map(begin)).await
}

/// So many that were answered once and say nothing more.
async fn idlers(house: &House, address: [u8; 4], count: usize) -> Vec<Wire> {
    let mut idlers = Vec::new();
    for _ in 0..count {
        let mut wire = Wire::from(address, &house.url).await;
        wire.say(REQUEST).await;
        wire.hear("\"ok\"}").await;
        idlers.push(wire);
    }
    idlers
}

fn is_refused(said: &Said) -> bool {
    said.status() == Some(429) && said.0.contains("too many connections are open")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_gets_its_share_and_everybody_else_is_served() {
    let house = waiting(1_000, 50, "", Duration::from_secs(2)).await;
    let event = house.event(1, 2).await;
    let attackers = beginners(&house, ATTACKER, 500).await;
    a_buyer_is_served(&house, &event, 0).await;
    let said = join_all(attackers.into_iter().map(Wire::heard)).await;
    let refused = said.iter().filter(|said| is_refused(said)).count();
    // Those that were not read yet when others came may have been taken for idle; and a reset may
    // overtake what they are told.
    assert!(refused > 250, "{refused} were refused");
    let kept_waiting = said.iter().filter(|said| said.0.is_empty()).count();
    assert_eq!(refused + kept_waiting, 500, "{said:?}");
    a_buyer_is_served(&house, &event, 1).await;
}

/// What the share is for, seen without it.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_share_one_address_keeps_everybody_out() {
    let house = patient(50, u32::MAX, "").await;
    let event = house.event(1, 1).await;
    let attackers = beginners(&house, ATTACKER, 50).await;
    let mut buyer = Box::pin(a_buyer_is_served(&house, &event, 0));
    let waiting = timeout(Duration::from_secs(1), &mut buyer).await;
    assert!(waiting.is_err(), "it came in");
    drop(attackers);
    buyer.await;
}

/// A school behind one address: whoever comes takes the place of one that is not needed.
#[tokio::test]
async fn idle_connections_of_an_address_go_for_its_newcomers() {
    let house = patient(100, 3, "").await;
    let idlers = idlers(&house, ATTACKER, 3).await;
    for _ in 0..3 {
        // Nobody has to go who was busy a moment ago.
        eventually("there is a place", async || {
            let mut newcomer = Wire::from(ATTACKER, &house.url).await;
            newcomer.say(LAST_REQUEST).await;
            (newcomer.heard().await.status() == Some(200)).then_some(())
        })
        .await;
    }
    // The first one at least has gone, without a word after its answer.
    let first = idlers.into_iter().next().unwrap();
    assert!(first.heard().await.0.is_empty());
}

/// From more addresses than there are places, as a botnet has them.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_go_for_others_when_all_places_are_taken() {
    let house = patient(20, 10, "").await;
    let event = house.event(1, 2).await;
    let mut attackers = Vec::new();
    for number in 1..=40 {
        let mut wire = Wire::from([127, 6, 6, number], &house.url).await;
        // Half of them never say anything.
        if number % 2 == 0 {
            wire.say(REQUEST).await;
        }
        attackers.push(wire);
    }
    a_buyer_is_served(&house, &event, 0).await;
    a_buyer_is_served(&house, &event, 1).await;
    drop(attackers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_has_as_many_as_there_are_and_keeps_its_idle_ones() {
    let house = patient(30, 2, "127.6.6.6").await;
    let mut idlers = idlers(&house, ATTACKER, 29).await;
    // The last place, and one that is waited for.
    let mut last = Wire::to(&house.url).await;
    last.say(REQUEST).await;
    last.hear("\"ok\"}").await;
    let mut newcomer = Wire::to(&house.url).await;
    newcomer.say(LAST_REQUEST).await;
    assert_eq!(newcomer.heard().await.status(), Some(200));
    assert!(last.heard().await.0.is_empty(), "it was not the one to go");
    for idler in &mut idlers {
        idler.say(REQUEST).await;
        idler.hear("\"ok\"}").await;
    }
}

/// A rush is not to be lost, and nobody's connection is to be, while the server has no time for
/// it: the system has it wait. Without a long queue it would have a thousand wait, at most.
#[tokio::test(flavor = "multi_thread")]
async fn a_rush_finds_room_in_the_queue_of_the_system() {
    const RUSH: usize = 1_500;
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let most: Option<usize> = most.ok().and_then(|text| text.trim().parse().ok());
    assert!(
        most.is_none_or(|most| most > RUSH),
        "the system has {most:?}"
    );
    raise_the_limit_of_files();
    let house = House::open().await;
    let server = Server::beside(&house, &[]).await;
    server.signal(Signal::SIGSTOP);
    let rush = join_all((0..RUSH).map(|_| Wire::to(&server.url)));
    let rush = timeout(PATIENCE, rush).await;
    server.signal(Signal::SIGCONT);
    let mut rush = rush.expect("all of them have a place in the queue");
    let last = rush.last_mut().unwrap();
    last.say(REQUEST).await;
    last.hear("\"ok\"}").await;
    drop(rush);
    server.stop().await;
}
