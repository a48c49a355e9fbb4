//! What stays open ends when its token does.

use crate::support::event_stream::{EventStream, Received, asking, watching};
use crate::support::house::SECRET;
use crate::support::peer::{Peer, Received as Message};
use crate::support::slow_hold::SlowHold;
use crate::support::{Event, House};
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{EncodingKey, Header};
use secrecy::SecretString;
use serde_json::{Value, json};
use usher::auth::{Authenticator, TokenRules};
use usher::config::Visitors;

/// How long tokens are valid, in seconds. A machine may be too slow to use one in time: then
/// the next one is tried.
const VALIDITIES: [i64; 4] = [1, 4, 16, 50];

/// A house whose clock is that of its issuer.
async fn punctual_house() -> House {
    let rules = TokenRules {
        leeway: TimeDelta::zero(),
        ..TokenRules::default()
    };
    let secret = SecretString::from(SECRET);
    let believing = Authenticator::new(Some(&secret), None, rules, Visitors::Buy).unwrap();
    House::open_believing(believing).await
}

/// A credential that is good for so many seconds.
fn good_for(seconds: i64) -> String {
    let until = Utc::now().timestamp() + 1 + seconds;
    let claims = json!({"sub": "anna", "role": "BUYER", "exp": until});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
    format!("Bearer {token}")
}

/// The next message, unless the token ends before.
async fn message(peer: &mut Peer) -> Option<Value> {
    match peer.receive().await {
        Message::Message(message) => Some(message),
        Message::Close(code, reason) => {
            assert_eq!(code, 4403, "{reason}");
            None
        }
    }
}

/// A socket of somebody whose token ends soon, on which this operation has begun.
async fn with_begun(house: &House, document: &str, begins_with: &str) -> Peer {
    for seconds in VALIDITIES {
        let mut peer = Peer::connect(&house.url).await;
        let payload = json!({"authorization": good_for(seconds)});
        peer.send(json!({"type": "connection_init", "payload": payload}))
            .await;
        if message(&mut peer).await.is_none() {
            continue;
        }
        peer.subscribe("it", document).await;
        peer.send(json!({"type": "ping"})).await;
        if let Some(first) = message(&mut peer).await {
            assert_eq!(first["type"], begins_with, "{first}");
            return peer;
        }
    }
    panic!("the machine is too slow for any token");
}

#[tokio::test]
async fn a_socket_is_closed_when_its_token_ends() {
    let house = punctual_house().await;
    let event = house.event(1, 2).await;
    let mut staying = Peer::ready(&house.url).await;
    staying.subscribe("map", &watching(&event)).await;
    assert_eq!(staying.next().await["type"], "next");

    let mut peer = with_begun(&house, &watching(&event), "next").await;
    let close = loop {
        match peer.receive().await {
            // The subscription says no `complete`: there is something to come back for.
            Message::Message(message) => assert_ne!(message["type"], "complete"),
            Message::Close(code, reason) => break (code, reason),
        }
    };
    let (code, reason) = close;
    assert_eq!(code, 4403);
    assert!(
        reason.starts_with("Forbidden: the token has expired"),
        "{reason}"
    );

    // Those who watch the same go on.
    house
        .visitor()
        .hold(&event.id, &event.seats[..1])
        .await
        .data();
    let message = staying.next_of("map").await;
    let changes = &message["payload"]["data"]["seatMap"]["changes"];
    assert_eq!(changes[0]["status"], "HELD", "{message}");
}

#[tokio::test]
async fn a_socket_that_does_nothing_is_closed_as_well() {
    let house = punctual_house().await;
    let mut peer = with_begun(&house, "{ __typename }", "next").await;
    peer.expect_close(4403, "Forbidden: the token has expired")
        .await;
}

#[tokio::test]
async fn what_runs_is_finished_and_nothing_more_is_begun() {
    let house = punctual_house().await;
    let mut hold = SlowHold::at(&house).await;
    // It is answered when the lock is let go; until then pongs are all there is.
    let mut peer = with_begun(&house, &hold.mutation(), "pong").await;
    hold.has_begun().await;
    let refused = loop {
        peer.subscribe("late", "{ __typename }").await;
        let answer = peer.next().await;
        if answer["type"] == "error" {
            break answer;
        }
        assert_eq!(answer["id"], "late", "{answer}");
        assert_eq!(peer.next().await["type"], "complete");
    };
    let error = &refused["payload"][0];
    assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED");
    hold.goes_on().await;
    let answer = peer.next_of("it").await;
    let held = &answer["payload"]["data"]["holdSeats"]["__typename"];
    assert_eq!(held, "SeatsHeld", "{answer}");
    peer.expect_close(4403, "Forbidden: the token has expired")
        .await;
}

/// A stream of somebody whose token ends soon, after its first answer.
async fn begun_stream(house: &House, event: &Event) -> (EventStream, String) {
    for seconds in VALIDITIES {
        let credential = good_for(seconds);
        let request = asking(&house.url, &watching(event)).header("authorization", &credential);
        let response = request.send().await.unwrap();
        if response.status() == 401 {
            continue;
        }
        let mut stream = EventStream::reading(response);
        if let Received::Next(_) = stream.event().await {
            return (stream, credential);
        }
    }
    panic!("the machine is too slow for any token");
}

#[tokio::test]
async fn a_stream_of_events_ends_with_its_token_and_is_told_when_it_comes_back() {
    let house = punctual_house().await;
    let event = house.event(1, 1).await;
    let (mut stream, credential) = begun_stream(&house, &event).await;
    // Not `complete`, which would tell the client that there is nothing to come back for.
    assert_eq!(stream.event().await, Received::End);
    let again = asking(&house.url, &watching(&event)).header("authorization", credential);
    let refused = again.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let answer: Value = refused.json().await.unwrap();
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("expired"), "{message}");
}

#[tokio::test]
async fn a_mutation_on_a_stream_is_answered_after_its_token() {
    let house = punctual_house().await;
    for seconds in VALIDITIES {
        let mut hold = SlowHold::at(&house).await;
        let request = asking(&house.url, &hold.mutation());
        let credential = good_for(seconds);
        let asked = request
            .header("authorization", &credential)
            .send()
            .await
            .unwrap();
        if asked.status() == 401 {
            hold.goes_on().await;
            continue;
        }
        hold.has_begun().await;
        // Until the token is over.
        loop {
            let who = asking(&house.url, "{ __typename }").header("authorization", &credential);
            if who.send().await.unwrap().status() == 401 {
                break;
            }
        }
        hold.goes_on().await;
        let mut stream = EventStream::reading(asked);
        let answer = stream.next().await;
        assert_eq!(answer["data"]["holdSeats"]["__typename"], "SeatsHeld");
        return stream.expect_complete().await;
    }
    panic!("the machine is too slow for any token");
}
