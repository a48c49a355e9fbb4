//! What is taken from which budget, and what the answers say of it.

use super::{POINT, ask, error, header, limited, rate_limit, reads, unlimited};
use crate::support::house::token;
use reqwest::{Client, StatusCode};
use serde_json::json;
use std::time::Duration;
use usher::config::RateLimitSettings;
use usher::model::Role;

const HERE: &str = "192.0.2.1";

#[tokio::test]
async fn answers_say_what_is_left_and_who_asks_too_much_when_to_ask_again() {
    let (house, clock) = limited(reads("3/30s")).await;
    for (left, reset) in [(2, 10), (1, 20), (0, 30)] {
        let answer = ask(&house, HERE, None, POINT).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(
            header(&answer, "ratelimit-policy"),
            Some("\"reads\";q=3;w=30")
        );
        let limit = format!("\"reads\";r={left};t={reset}");
        assert_eq!(header(&answer, "ratelimit"), Some(limit.as_str()));
        assert_eq!(header(&answer, "retry-after"), None);
    }
    clock.advance(Duration::from_millis(1_500));
    let refused = ask(&house, HERE, None, POINT).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "ratelimit"), Some("\"reads\";r=0;t=29"));
    assert_eq!(header(&refused, "retry-after"), Some("9"));
    assert_eq!(
        error(refused).await,
        json!({
            "message": "the budget for reads is used up: try again in 9 seconds",
            "extensions": {"code": "RATE_LIMITED", "retryAfterMs": 8_500},
        })
    );
    clock.advance(Duration::from_millis(8_499));
    let still = ask(&house, HERE, None, POINT).await;
    assert_eq!(still.status(), StatusCode::TOO_MANY_REQUESTS);
    clock.advance(Duration::from_millis(1));
    let again = ask(&house, HERE, None, POINT).await;
    assert_eq!(again.status(), StatusCode::OK);
}

#[tokio::test]
async fn reads_and_writes_are_counted_apart() {
    let (house, _clock) = limited(RateLimitSettings {
        // A release costs 21 points.
        writes: rate_limit("42/42s"),
        ..reads("1/1m")
    })
    .await;
    let mutation = "mutation { releaseHold(input: {token: \"of nobody\"}) { __typename } }";
    assert_eq!(ask(&house, HERE, None, POINT).await.status(), 200);
    assert_eq!(ask(&house, HERE, None, POINT).await.status(), 429);
    for (left, reset) in [(21, 21), (0, 42)] {
        let answer = ask(&house, HERE, None, mutation).await;
        assert_eq!(answer.status(), 200);
        let limit = format!("\"writes\";r={left};t={reset}");
        assert_eq!(header(&answer, "ratelimit"), Some(limit.as_str()));
    }
    let refused = ask(&house, HERE, None, mutation).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(error(refused).await["extensions"]["code"], "RATE_LIMITED");
}

#[tokio::test]
async fn a_refused_mutation_is_not_done() {
    let (house, clock) = limited(RateLimitSettings {
        writes: rate_limit("1000/10s"),
        ..unlimited()
    })
    .await;
    let event = house.event(1, 2).await;
    // Whatever it took to open the sale, by a member of staff.
    clock.advance(Duration::from_secs(10));
    let spend = "mutation { releaseHold(input: {token: \"of nobody\"}) { __typename } }";
    while ask(&house, HERE, None, spend).await.status() == 200 {}
    let refused = ask(&house, HERE, None, &event.holding_seat(0)).await;
    assert_eq!(refused.status(), 429);
    let seats = house.visitor().seats(&event.id).await;
    assert_eq!(seats[0].version, 1);
}

#[tokio::test]
async fn who_guesses_tokens_or_documents_pays_for_each_try_and_learns_nothing_then() {
    let (house, _clock) = limited(reads("4/1m")).await;
    let guess = |token| ask(&house, HERE, Some(token), POINT);
    assert_eq!(guess("a").await.status(), 401);
    assert_eq!(guess("b").await.status(), 401);
    let document = "{ viewer { role }";
    let refused = ask(&house, HERE, None, document).await;
    let code = &error(refused).await["extensions"]["code"];
    assert_eq!(code, "GRAPHQL_PARSE_FAILED");
    let get = Client::new().get(format!("{}/graphql", house.url));
    let get = get.header("x-forwarded-for", HERE).send().await.unwrap();
    assert_eq!(get.status(), 400, "no document at all");
    assert_eq!(guess("c").await.status(), 429);
    // Who has a token that is good is somebody else.
    let bob = token("bob", Role::Buyer);
    assert_eq!(guess(&bob).await.status(), 200);
    // And so is everybody elsewhere.
    let elsewhere = ask(&house, "192.0.2.2", Some("d"), POINT).await;
    assert_eq!(elsewhere.status(), 401);
}

#[tokio::test]
async fn drawings_of_plans_are_reads_and_pages_and_health_are_free() {
    let (house, _clock) = limited(reads("250/1m")).await;
    let client = Client::new();
    let get = |path: &str| {
        let request = client.get(format!("{}{path}", house.url));
        request.header("x-forwarded-for", HERE).send()
    };
    for left in [150, 50] {
        let drawing = get("/plans/of-nothing").await.unwrap();
        assert_eq!(drawing.status(), 404);
        let limit = header(&drawing, "ratelimit").unwrap();
        assert!(
            limit.starts_with(&format!("\"reads\";r={left};")),
            "{limit}"
        );
    }
    let refused = get("/plans/of-nothing").await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), Some("12"));
    for path in ["/", "/home.css", "/healthz", "/readyz", "/metrics"] {
        for _ in 0..300 / 60 {
            let answer = get(path).await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(header(&answer, "ratelimit"), None, "{path}");
        }
    }
}

#[tokio::test]
async fn where_nothing_is_limited_nothing_is_said() {
    let (house, _clock) = limited(unlimited()).await;
    let answer = ask(&house, HERE, None, POINT).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "ratelimit"), None);
    assert_eq!(header(&answer, "ratelimit-policy"), None);
}
