//! How many subscriptions a caller runs, on whichever sockets and streams.

use super::{error, header, limited, unlimited};
use crate::support::event_stream::{self, EventStream};
use crate::support::house::token;
use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL, TOKEN};
use crate::support::{Event, House, eventually};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use usher::config::RateLimitSettings;
use usher::model::Role;

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";

async fn of_three() -> (House, Event) {
    let (house, _clock) = limited(RateLimitSettings {
        subscriptions_per_caller: 3,
        ..unlimited()
    })
    .await;
    let event = house.event(1, 2).await;
    (house, event)
}

fn watching(event: &Event) -> String {
    format!(
        "subscription {{ seatMap(eventId: {:?}) {{ __typename }} }}",
        event.id
    )
}

async fn socket(house: &House, headers: &[(&'static str, &str)]) -> Peer {
    let headers = [&[(PROTOCOL, SUBPROTOCOL)], headers].concat();
    let mut peer = Peer::connect_with(&house.url, &headers).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect(json!({"type": "connection_ack"})).await;
    peer
}

fn streaming(house: &House, from: &str, document: &str) -> RequestBuilder {
    event_stream::asking(&house.url, document).header("x-forwarded-for", from)
}

async fn watches(peer: &mut Peer, id: &str, event: &Event) {
    peer.subscribe(id, &watching(event)).await;
    let first = peer.next().await;
    assert_eq!(first["type"], "next", "{first}");
}

fn expect_too_many(message: &Value) {
    assert_eq!(message["type"], "error", "{message}");
    let error = &message["payload"][0];
    assert_eq!(error["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("end some first"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_runs_so_many_on_all_its_sockets_and_streams() {
    let (house, event) = of_three().await;
    let from_here = &[("x-forwarded-for", HERE)];
    let mut one = socket(&house, from_here).await;
    let mut other = socket(&house, from_here).await;
    watches(&mut one, "1", &event).await;
    watches(&mut other, "1", &event).await;
    let stream = EventStream::of(streaming(&house, HERE, &watching(&event))).await;

    one.subscribe("2", &watching(&event)).await;
    expect_too_many(&one.next().await);
    let refused = streaming(&house, HERE, &watching(&event)).send().await;
    let refused = refused.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), Some("1"));
    let code = &error(refused).await["extensions"]["code"];
    assert_eq!(code, "TOO_MANY_SUBSCRIPTIONS");

    // What is no subscription is none of them, and neither is somebody else's.
    one.subscribe("3", "{ __typename }").await;
    assert_eq!(one.next().await["type"], "next");
    one.expect(json!({"id": "3", "type": "complete"})).await;
    let mut elsewhere = socket(&house, &[("x-forwarded-for", ELSEWHERE)]).await;
    watches(&mut elsewhere, "1", &event).await;

    // A place is free at once when one is completed,
    other.send(json!({"id": "1", "type": "complete"})).await;
    watches(&mut other, "2", &event).await;
    one.subscribe("4", &watching(&event)).await;
    expect_too_many(&one.next().await);
    // and when a stream or a socket is closed.
    drop(stream);
    eventually("the stream's place is free", async || {
        let again = streaming(&house, HERE, &watching(&event)).send().await;
        (again.unwrap().status() == 200).then_some(())
    })
    .await;
    drop(other);
    eventually("the socket's places are free", async || {
        one.subscribe("5", &watching(&event)).await;
        (one.next().await["type"] == "next").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_has_a_number_of_their_own_wherever_they_are() {
    let (house, event) = of_three().await;
    let bob = format!("Bearer {}", token("bob", Role::Buyer));
    let mut sockets = Vec::new();
    for (number, from) in [HERE, ELSEWHERE, "2001:db8::1"].into_iter().enumerate() {
        let mut peer = socket(&house, &[("x-forwarded-for", from), (TOKEN, &bob)]).await;
        watches(&mut peer, &number.to_string(), &event).await;
        sockets.push(peer);
    }
    let mut fourth = socket(&house, &[("x-forwarded-for", "192.0.2.9"), (TOKEN, &bob)]).await;
    fourth.subscribe("1", &watching(&event)).await;
    expect_too_many(&fourth.next().await);
    for from in [HERE, "2001:db8:0:0:ffff::1"] {
        let mut visitor = socket(&house, &[("x-forwarded-for", from)]).await;
        watches(&mut visitor, "1", &event).await;
        sockets.push(visitor);
    }
}
