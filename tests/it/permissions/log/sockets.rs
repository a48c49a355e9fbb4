//! What is refused on a socket.

use super::Watched;
use crate::support::House;
use crate::support::house::SECRET;
use crate::support::peer::{Peer, Received};
use crate::support::slow_hold::SlowHold;
use chrono::Utc;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use usher::auth::TokenRules;

/// How long tokens are valid, in seconds. A machine may be too slow to use one in time: then
/// the next one is tried.
const VALIDITIES: [i64; 3] = [2, 8, 30];

/// A credential of Anna's that is believed for so many seconds.
fn believed_for(seconds: i64) -> String {
    let leeway = TokenRules::default().leeway.num_seconds();
    let until = Utc::now().timestamp() - leeway + seconds;
    let claims = json!({"sub": "anna", "role": "BUYER", "exp": until});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
    format!("Bearer {token}")
}

async fn begin(peer: &mut Peer, authorization: &str) -> Received {
    let payload = json!({"authorization": authorization});
    peer.send(json!({"type": "connection_init", "payload": payload}))
        .await;
    peer.receive().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_closed_over_who_its_peer_is_has_a_line() {
    let house = House::open().await;
    let watched = Watched::beside(&house, &[]).await;
    let mut hasty = Peer::connect(&watched.server.url).await;
    hasty.subscribe("it", "{ __typename }").await;
    hasty.expect_close(4401, "Unauthorized").await;
    let reason = "an operation before connection_init";
    let line = watched.last_turned_away(&Value::Null, reason);
    assert_eq!(line["span"]["client"], "127.0.0.1");
    let first = line["span"]["id"].as_str().unwrap().to_owned();

    let mut liar = Peer::connect(&watched.server.url).await;
    let closed = begin(&mut liar, "Bearer x.y.z").await;
    assert!(matches!(closed, Received::Close(4403, _)), "{closed:?}");
    let line = watched.last();
    assert_eq!(line["fields"]["message"], "turned away", "{line}");
    assert!(line["fields"]["reason"].as_str().unwrap().contains("token"));
    assert_eq!(line["span"]["client"], "127.0.0.1");
    // Each has the id of the request that opened its socket.
    assert_ne!(line["span"]["id"], first);

    let mut peer = Peer::ready(&watched.server.url).await;
    peer.subscribe("it", "{ __typename }").await;
    assert_eq!(peer.next().await["type"], "next");
    assert_eq!(watched.lines().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_on_a_socket_whose_token_has_ended_is_somebody_s() {
    let house = House::open().await;
    let watched = Watched::beside(&house, &[]).await;
    let mut hold = SlowHold::at(&house).await;
    for seconds in VALIDITIES {
        let mut peer = Peer::connect(&watched.server.url).await;
        if let Received::Close(..) = begin(&mut peer, &believed_for(seconds)).await {
            continue;
        }
        // It keeps the socket open after the token.
        peer.subscribe("slow", &hold.mutation()).await;
        peer.send(json!({"type": "ping"})).await;
        match peer.receive().await {
            Received::Message(first) if first["type"] == "pong" => hold.has_begun().await,
            _too_late => continue,
        }
        let before = watched.lines().len();
        let refused = loop {
            peer.subscribe("late", "{ __typename }").await;
            let answer = peer.next_of("late").await;
            if answer["type"] == "error" {
                break answer;
            }
            assert_eq!(peer.next_of("late").await["type"], "complete");
        };
        let code = &refused["payload"][0]["extensions"]["code"];
        assert_eq!(code, "UNAUTHENTICATED");
        let lines = watched.lines().split_off(before);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let reason = "an operation on a socket whose token has ended";
        watched.last_turned_away(&json!("buyer:anna"), reason);
        hold.goes_on().await;
        return;
    }
    panic!("the machine is too slow for any token");
}
