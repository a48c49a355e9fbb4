//! How much one caller may ask: whose budget it is, what is taken from it, and what the answers
//! say; and what becomes of everybody when more is asked than can be done.

mod addresses;
mod budgets;
mod maps;
mod overload;
mod readers;
mod shared;
mod sockets;
mod subscriptions;

use crate::support::House;
use crate::support::house::Limits;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use usher::config::{RateLimit, RateLimitSettings};
use usher::limits::Clock;

/// What costs one point.
pub const POINT: &str = "{ __typename }";

/// Nobody is limited but by what is said beside it; every request may say where it comes from.
pub fn unlimited() -> RateLimitSettings {
    RateLimitSettings {
        trusted_proxies: "127.0.0.1".parse().unwrap(),
        ..RateLimitSettings::off()
    }
}

/// So many reads.
pub fn reads(rate: &str) -> RateLimitSettings {
    RateLimitSettings {
        reads: rate_limit(rate),
        ..unlimited()
    }
}

pub fn rate_limit(text: &str) -> RateLimit {
    text.parse().unwrap()
}

/// A house with these limits, and a clock that a test moves.
pub async fn limited(rate_limits: RateLimitSettings) -> (House, Clock) {
    let limit_clock = Clock::by_hand();
    let limits = Limits {
        rate_limits,
        limit_clock: limit_clock.clone(),
        ..Limits::default()
    };
    (House::open_with_all(limits).await, limit_clock)
}

/// A request for this, from this address, with a token if there is one.
pub fn asking(house: &House, from: &str, token: Option<&str>, query: &str) -> RequestBuilder {
    let request = Client::new()
        .post(format!("{}/graphql", house.url))
        .header("x-forwarded-for", from)
        .json(&json!({"query": query}));
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

pub async fn ask(house: &House, from: &str, token: Option<&str>, query: &str) -> Response {
    asking(house, from, token, query).send().await.unwrap()
}

/// The status of a query from this address.
pub async fn status(house: &House, from: &str) -> u16 {
    ask(house, from, None, POINT).await.status().as_u16()
}

pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

/// The first error of an answer.
pub async fn error(response: Response) -> Value {
    let mut answer: Value = response.json().await.unwrap();
    assert!(answer.get("data").is_none(), "{answer}");
    answer["errors"][0].take()
}
