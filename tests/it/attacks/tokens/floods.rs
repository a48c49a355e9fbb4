//! Floods of tokens, documents and bodies from those who were told to wait: they cost what they
//! may, and then next to nothing.

use crate::attacks::web::wire::{Wire, head};
use crate::limits::{POINT, ask, error, limited, reads, status, unlimited};
use crate::support::House;
use crate::support::house::{Limits, settings, token};
use crate::support::program::Server;
use futures_util::future::join_all;
use nix::sys::signal::Signal;
use reqwest::Client;
use serde_json::json;
use std::time::Duration;
use usher::config::{DatabaseSettings, RateLimitSettings};
use usher::model::Role;

const HERE: &str = "192.0.2.1";

/// Each line of the security log would be another's words. Those who are first are in it.
#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_do_not_flood_the_security_log() {
    let house = House::open().await;
    let server = Server::beside(&house, &["--rate-reads", "150/24h"]).await;
    let client = Client::new();
    let guess = async |number: usize| {
        let request = client.post(format!("{}/graphql", server.url));
        let request = request.bearer_auth(format!("guess{number}"));
        let answer = request.json(&json!({"query": POINT})).send().await;
        answer.unwrap().status().as_u16()
    };
    let statuses = join_all((0..400).map(guess)).await;
    let of = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((of(401), of(429)), (150, 250));
    // A foreign page can send as many.
    let foreign = join_all((0..400).map(async |_| {
        let request = client.post(format!("{}/graphql", server.url));
        let request = request.header("origin", "https://evil.example");
        request.json(&json!({"query": POINT})).send().await.unwrap()
    }))
    .await;
    assert!(foreign.iter().all(|answer| answer.status() == 403));
    server.signal(Signal::SIGTERM);
    let (_, log) = server.ended().await;
    let lines = log.iter().filter(|line| line.contains("turned away"));
    let lines = lines.count();
    // Sixty at once, and another one for each second that it takes.
    assert!((60..150).contains(&lines), "{lines}: {log:#?}");
    let sums = log.iter().filter(|line| line.contains("one by one"));
    assert!((1..10).contains(&sums.count()), "{log:#?}");
}

/// The head of a request whose body never comes: whoever waits for it answers 408.
fn begun(token: Option<&str>) -> String {
    let from = format!("x-forwarded-for: {HERE}");
    let token = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}")
    });
    let mut headers = vec![
        "content-type: application/json",
        "content-length: 1000000",
        "connection: close",
        &from,
    ];
    if !token.is_empty() {
        headers.push(&token);
    }
    head(&headers)
}

#[tokio::test]
async fn who_goes_on_is_refused_before_anything_is_read() {
    let (house, clock) = limited(reads("20/20s")).await;
    let (anna, bob) = (token("anna", Role::Buyer), token("bob", Role::Buyer));
    for token in [None, Some(bob.as_str())] {
        // Documents that are none, until there is nothing left, and beyond.
        let ask_for_nothing = async || ask(&house, HERE, token, "{ nothing (").await.status();
        let mut refused = 0;
        while refused < 61 {
            if ask_for_nothing().await == 429 {
                refused += 1;
            }
        }
        let said = Wire::exchange(&house.url, begun(token)).await;
        assert_eq!(said.status(), Some(429), "{said:?}");
        assert!(said.0.contains("\"RATE_LIMITED\""), "{said:?}");
        assert!(said.0.contains("\r\nretry-after: 1\r\n"), "{said:?}");
        assert!(said.0.contains("\r\nratelimit: \"reads\";r=0;"), "{said:?}");
        // A plan is refused as well, whoever would pay for it.
        let plan = Client::new().get(format!("{}/plans/x", house.url));
        let plan = plan.header("x-forwarded-for", HERE);
        let plan = match token {
            Some(token) => plan.bearer_auth(token),
            None => plan,
        };
        assert_eq!(plan.send().await.unwrap().status(), 429);
        // Others are others, wherever they are.
        assert_eq!(ask(&house, HERE, Some(&anna), POINT).await.status(), 200);
        assert_eq!(status(&house, "192.0.2.2").await, 200);
        // For no longer than was told.
        clock.advance(Duration::from_secs(1));
        assert_eq!(ask(&house, HERE, token, POINT).await.status(), 200);
        clock.advance(Duration::from_mins(1));
    }
}

/// What the door is for, seen without it: somebody who was refused once is listened to.
#[tokio::test]
async fn who_was_refused_once_may_still_ask_for_something_else() {
    let (house, _clock) = limited(RateLimitSettings {
        writes: "1000/1m".parse().unwrap(),
        ..reads("1/1m")
    })
    .await;
    let mutation = "mutation { releaseHold(input: {token: \"of nobody\"}) { __typename } }";
    assert_eq!(status(&house, HERE).await, 200);
    for _ in 0..30 {
        assert_eq!(status(&house, HERE).await, 429);
        assert_eq!(ask(&house, HERE, None, mutation).await.status(), 200);
    }
}

#[tokio::test]
async fn documents_of_a_buyer_are_paid_for_by_that_buyer() {
    let (house, _clock) = limited(reads("2/1m")).await;
    let bob = token("bob", Role::Buyer);
    for _ in 0..2 {
        let refused = ask(&house, HERE, Some(&bob), "{ nothing (").await;
        let code = &error(refused).await["extensions"]["code"];
        assert_eq!(code, "GRAPHQL_PARSE_FAILED");
    }
    assert_eq!(ask(&house, HERE, Some(&bob), POINT).await.status(), 429);
    assert_eq!(status(&house, HERE).await, 200);
}

/// To be sent away costs a point, too: overload is not the time for free tries.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_away_for_overload_all_the_time_is_told_to_wait() {
    let house = House::open().await;
    let limits = Limits {
        rate_limits: reads("3/24h"),
        ..Limits::default()
    };
    let settings = DatabaseSettings {
        connections: 2,
        queue: 1,
        ..settings()
    };
    let server = house.replica_with_all(limits, settings).await;
    let database = server.running.services.database.clone();
    let held = [
        database.connection().await.unwrap(),
        database.connection().await.unwrap(),
    ];
    let asking = database.clone();
    let waiting = tokio::spawn(async move { asking.connection_for_request().await.map(drop) });
    crate::support::eventually("the line is full", async || {
        (!database.has_room()).then_some(())
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(status(&server, HERE).await);
    }
    assert_eq!(statuses, [503, 503, 503, 429]);
    drop(held);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drawing_is_paid_for_by_who_looks_at_it() {
    let (house, _clock) = limited(reads("250/1m")).await;
    let bob = token("bob", Role::Buyer);
    let get = async |token: Option<&str>| {
        let request = Client::new().get(format!("{}/plans/of-nothing", house.url));
        let request = request.header("x-forwarded-for", HERE);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    for expected in [404, 404, 429] {
        assert_eq!(get(Some(&bob)).await, expected);
    }
    assert_eq!(get(None).await, 404);
    assert_eq!(get(Some("forged")).await, 401);
}

#[tokio::test]
async fn where_nothing_is_limited_nobody_is_refused() {
    let (house, _clock) = limited(unlimited()).await;
    for _ in 0..200 {
        assert_eq!(ask(&house, HERE, Some("forged"), POINT).await.status(), 401);
    }
}
