//! Cursors of the change feed: malformed ones, and those that no map will come to.

use super::assert_error;
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Answer, House};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::json;
use usher::model::cursor::{Cursor, CursorKind};
use usher::model::ids::EventId;

async fn map_at_least(caller: &Actor, event: &str, cursor: &str) -> Answer {
    let query = "query($id: ID!, $cursor: Cursor) { \
        event(id: $id) { seatMap(atLeast: $cursor) { cursor seats { version } } } }";
    caller
        .ask(query, json!({"id": event, "cursor": cursor}))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_feed_cursor_is_refused() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let visitor = house.visitor();
    let map = visitor.seat_map(&event.id).await;
    let cursor = map["cursor"].as_str().unwrap();
    let mut of_another_format = URL_SAFE_NO_PAD.decode(cursor).unwrap();
    of_another_format[0] = 9;
    let before = Digest::of(&house).await;
    for malformed in [
        "",
        " ",
        "!",
        "0",
        &cursor[1..],
        &cursor[..cursor.len() - 1],
        &format!("{cursor}AAAA"),
        &format!("{cursor}="),
        &URL_SAFE_NO_PAD.encode(of_another_format),
        &event.id,
    ] {
        let answer = map_at_least(&visitor, &event.id, malformed).await;
        assert_error(&answer, "BAD_USER_INPUT");
        let literal = format!(
            "{{ event(id: \"{}\") {{ seatMap(atLeast: \"{malformed}\") {{ cursor }} }} }}",
            event.id
        );
        assert_error(&visitor.ask(&literal, json!({})).await, "BAD_USER_INPUT");
    }
    for no_string in ["1", "true", "{}", "[]"] {
        let literal = format!(
            "{{ event(id: \"{}\") {{ seatMap(atLeast: {no_string}) {{ cursor }} }} }}",
            event.id
        );
        let answer = visitor.ask(&literal, json!({})).await;
        assert!(
            ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&answer.error_code()),
            "{}",
            answer.0
        );
    }
    before.assert_unchanged("looking at maps").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_no_map_comes_to_is_not_reached() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let other = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let map = buyer.seat_map(&event.id).await;
    let of_map: Cursor = map["cursor"].as_str().unwrap().parse().unwrap();
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let of_change: Cursor = held.data()["cursor"].as_str().unwrap().parse().unwrap();
    assert_eq!(of_map.kind, CursorKind::Map);
    assert_eq!(of_change.kind, CursorKind::Change);
    let before = Digest::of(&house).await;

    let mut asked = Vec::new();
    for real in [of_map, of_change] {
        let other_event = Cursor {
            event: EventId(2),
            ..real
        };
        let no_event = Cursor {
            event: EventId(-1),
            ..real
        };
        let other_database = Cursor {
            epoch: real.epoch ^ 1,
            ..real
        };
        let future = Cursor {
            transaction: real.transaction + 1_000_000,
            ..real
        };
        let never = Cursor {
            transaction: u64::MAX,
            id: i64::MIN,
            ..real
        };
        let foreign = [other_event, no_event, other_database];
        let unreached = [future, never];
        for (cursors, code) in [
            (&foreign[..], "BAD_USER_INPUT"),
            (&unreached, "CURSOR_NOT_REACHED"),
        ] {
            let texts = cursors.iter().map(Cursor::to_string);
            asked.extend(texts.map(|cursor| (event.id.clone(), cursor, code)));
        }
        asked.push((other.id.clone(), real.to_string(), "BAD_USER_INPUT"));
    }
    // Together, because the future is waited for.
    let answers = asked
        .iter()
        .map(|(event, cursor, _)| map_at_least(&buyer, event, cursor));
    for (answer, asked) in join_all(answers).await.iter().zip(&asked) {
        assert_error(answer, asked.2);
        assert!(answer.0["data"]["event"].is_null(), "{asked:?}");
    }
    before.assert_unchanged("looking at maps").await;

    // The real ones are reached, and the one of the hold shows it.
    for (cursor, versions) in [(of_map, [2, 1]), (of_change, [2, 1])] {
        let answer = map_at_least(&buyer, &event.id, &cursor.to_string()).await;
        let seats = &answer.data()["event"]["seatMap"]["seats"];
        assert_eq!(
            *seats,
            json!(versions.map(|version| json!({"version": version})))
        );
    }
}
