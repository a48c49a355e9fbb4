//! Whose budget it is: a caller's by name, a visitor's by address, and through proxies only by
//! those that are trusted.

use super::{POINT, ask, limited, reads, status};
use crate::support::House;
use crate::support::house::token;
use crate::support::program::Server;
use reqwest::Client;
use usher::config::{RateLimitSettings, TrustedProxies};
use usher::model::Role;

#[tokio::test]
async fn buyers_have_budgets_of_their_own_and_visitors_of_one_address_share_one() {
    let (house, _clock) = limited(reads("2/1m")).await;
    let (here, elsewhere) = ("192.0.2.1", "192.0.2.2");
    let (anna, bob) = (token("anna", Role::Buyer), token("bob", Role::Buyer));
    let ask = async |from: &str, token: &str| {
        let answer = ask(&house, from, Some(token), POINT).await;
        answer.status().as_u16()
    };
    // Anna's goes with her.
    assert_eq!(ask(here, &anna).await, 200);
    assert_eq!(ask(elsewhere, &anna).await, 200);
    assert_eq!(ask(here, &anna).await, 429);
    assert_eq!(ask("192.0.2.3", &anna).await, 429);
    assert_eq!(ask(here, &bob).await, 200);
    assert_eq!(ask(here, &bob).await, 200);
    // Nobody has used up what visitors have here.
    assert_eq!(status(&house, here).await, 200);
    assert_eq!(status(&house, here).await, 200);
    assert_eq!(status(&house, here).await, 429);
    assert_eq!(status(&house, elsewhere).await, 200);
}

#[tokio::test]
async fn a_customer_s_network_of_ipv6_is_one_address() {
    let (house, _clock) = limited(reads("2/1m")).await;
    assert_eq!(status(&house, "2001:db8:1:1::1").await, 200);
    assert_eq!(
        status(&house, "2001:db8:1:1:ffff:ffff:ffff:ffff").await,
        200
    );
    assert_eq!(status(&house, "2001:db8:1:1::2").await, 429);
    assert_eq!(status(&house, "2001:db8:1:2::1").await, 200);
    // The same IPv4 address in two ways.
    assert_eq!(status(&house, "192.0.2.1").await, 200);
    assert_eq!(status(&house, "::ffff:192.0.2.1").await, 200);
    assert_eq!(status(&house, "192.0.2.1").await, 429);
}

#[tokio::test]
async fn who_is_no_trusted_proxy_cannot_say_where_it_comes_from() {
    let (house, _clock) = limited(RateLimitSettings {
        trusted_proxies: "192.0.2.0/24,::1".parse().unwrap(),
        ..reads("2/1m")
    })
    .await;
    assert_eq!(status(&house, "198.51.100.1").await, 200);
    assert_eq!(status(&house, "198.51.100.2").await, 200);
    assert_eq!(status(&house, "198.51.100.3").await, 429);
    let by_default = RateLimitSettings {
        trusted_proxies: TrustedProxies::default(),
        ..reads("1/1m")
    };
    let (house, _clock) = limited(by_default).await;
    assert_eq!(status(&house, "198.51.100.1").await, 200);
    assert_eq!(status(&house, "198.51.100.2").await, 429);
}

/// A proxy that nobody has named makes all its clients one: that is said, and not each time.
#[tokio::test]
async fn a_header_that_is_not_believed_is_named_in_the_log() {
    let house = House::open().await;
    let mut server = Server::beside(&house, &[]).await;
    for _ in 0..10 {
        let request = Client::new().get(format!("{}/healthz", server.url));
        let request = request.header("x-forwarded-for", "192.0.2.1");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let is_about_it = |line: &str| line.contains("USHER_TRUSTED_PROXIES");
    let line = server.logged(is_about_it).await;
    assert!(line.contains("127.0.0.1"), "{line}");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, log) = server.ended().await;
    assert_eq!(log.iter().filter(|line| is_about_it(line)).count(), 1);
}

#[tokio::test]
async fn what_a_client_says_itself_stands_left_of_what_its_proxy_says() {
    let (house, _clock) = limited(reads("2/1m")).await;
    assert_eq!(status(&house, "198.51.100.1, 192.0.2.1").await, 200);
    assert_eq!(status(&house, "198.51.100.2, 192.0.2.1").await, 200);
    assert_eq!(status(&house, "198.51.100.3, 192.0.2.1").await, 429);
    assert_eq!(status(&house, "garbage, 192.0.2.1").await, 429);
    // Through two trusted ones.
    assert_eq!(status(&house, "192.0.2.1, 127.0.0.1").await, 429);
    assert_eq!(status(&house, "198.51.100.3").await, 200);
}
