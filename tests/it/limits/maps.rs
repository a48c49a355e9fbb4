//! What maps of large halls cost: what they turn out to show is paid, too.

use super::{ask, header, limited, reads};
use crate::support::House;
use crate::support::house::Limits;
use crate::support::peer::{Peer, subscribe};
use serde_json::{Value, json};
use std::time::Duration;
use usher::config::{DocumentSettings, RateLimitSettings};

const HERE: &str = "192.0.2.1";

/// Of such a hall a list of all seats comes to more than what is known of it before.
const SEATS: usize = 16_000;

/// An event on sale: standing room for so many.
async fn field(house: &House, capacity: usize) -> String {
    let staff = house.staff();
    let plan = json!({
        "name": "Field", "categories": [{"name": "Standing"}],
        "zones": [{
            "name": "Field", "position": {"x": 0, "y": 0}, "rows": [],
            "general_admission": {"capacity": capacity, "category": "Standing"},
        }],
    });
    let plan = staff.import_plan(&plan).await;
    let venue = staff.create_venue("Test House", "Europe/Berlin").await;
    let created = staff
        .create_event(&json!({
            "venueId": venue, "planId": plan, "name": "Crowd", "currency": "EUR",
            "startsAt": "2030-01-01T19:30:00Z",
            "prices": [{"category": "Standing", "amountMinor": 1000}],
        }))
        .await;
    let event = created["event"]["id"].as_str().unwrap();
    let version = created["event"]["version"].as_i64().unwrap();
    staff.open_sale(event, version).await;
    event.to_owned()
}

/// Points of reads that are left.
async fn left(house: &House, query: &str) -> i64 {
    let answer = ask(house, HERE, None, query).await;
    assert_eq!(answer.status(), 200);
    let limit = header(&answer, "ratelimit").unwrap();
    let (_, left) = limit.split_once("\"reads\";r=").unwrap();
    let left = left.split(';').next().unwrap().parse().unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_shows_so_many_seats_and_no_more_however_they_are_named() {
    let house = House::open_with_all(Limits {
        documents: DocumentSettings {
            max_cost: 3_100,
            ..DocumentSettings::default()
        },
        ..Limits::default()
    })
    .await;
    let event = field(&house, SEATS).await;
    let maps = |maps: usize| {
        let named = |number| format!("m{number}: seatMap {{ seats {{ __typename }} }} ");
        let maps: String = (0..maps).map(named).collect();
        format!("{{ event(id: {event:?}) {{ {maps} }} }}")
    };
    let visitor = house.visitor();
    let one = visitor.ask(&maps(1), json!({})).await;
    let seats = one.data()["event"]["m0"]["seats"].as_array().unwrap().len();
    assert_eq!(seats, SEATS);
    // What is known before is 3,032 points.
    let two = visitor.ask(&maps(2), json!({})).await;
    assert_eq!(two.error_code(), "GRAPHQL_LIMIT_EXCEEDED");
    let message = two.0["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("3100 points") && message.contains("`compact`"),
        "{message}"
    );
    let is_shown = |map: &&&str| two.0["data"]["event"][**map]["seats"].is_array();
    let shown = ["m0", "m1"].iter().filter(is_shown).count();
    assert_eq!(shown, 1, "the other one is refused");

    // Whoever watches is told the same.
    let mut peer = Peer::ready(&house.url).await;
    let watching = "subscription($id: ID!) { seatMap(eventId: $id) { \
        ... on SeatMapSnapshot { one: seats { __typename } other: seats { __typename } } } }";
    peer.send(subscribe("1", watching, &json!({"id": event})))
        .await;
    let told = peer.next().await;
    let code = &told["payload"]["errors"][0]["extensions"]["code"];
    assert_eq!(code, "GRAPHQL_LIMIT_EXCEEDED", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_map_turns_out_to_show_is_paid_with_what_is_asked_for_next() {
    let (house, clock) = limited(reads("60000/1m")).await;
    let event = field(&house, SEATS).await;
    let point = "{ __typename }";
    for (fields, known, shown) in [
        ("seatMap { seats { __typename } }", 1_521, 1_600),
        ("seatMap { compact }", 30, 16),
        ("availability { total { available } }", 22, 16),
        // Whoever looks for what is rare has all seats read.
        (
            "seats(first: 1, filter: {status: BOOKED}) { nodes { id } }",
            122,
            1_599,
        ),
    ] {
        // All points are there again.
        clock.advance(Duration::from_mins(2));
        let query = format!("{{ event(id: {event:?}) {{ {fields} }} }}");
        assert_eq!(left(&house, &query).await, 60_000 - known, "{fields}");
        let left_then = left(&house, point).await;
        assert_eq!(left_then, 60_000 - known - 1 - shown, "{fields}");
        // Once.
        assert_eq!(left(&house, point).await, left_then - 1, "{fields}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_owes_more_than_is_left_waits_until_it_is_paid() {
    let (house, clock) = limited(reads("3000/5m")).await;
    let event = field(&house, SEATS).await;
    let map = format!("{{ event(id: {event:?}) {{ seatMap {{ seats {{ __typename }} }} }} }}");
    assert_eq!(left(&house, &map).await, 3_000 - 1_521);
    // 1,601 points, of which 1,479 are there.
    for _ in 0..2 {
        let refused = ask(&house, HERE, None, "{ __typename }").await;
        assert_eq!(refused.status(), 429);
        assert_eq!(header(&refused, "retry-after"), Some("13"));
    }
    clock.advance(Duration::from_secs(13));
    assert!(left(&house, "{ __typename }").await < 10);
    // Who comes from elsewhere owes nothing.
    let elsewhere = ask(&house, "192.0.2.2", None, &map).await;
    assert_eq!(elsewhere.status(), 200);
}

/// With the settings that there are without any.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_loads_the_whole_map_of_a_stadium_and_watches_it() {
    const STADIUM: usize = 60_000;
    let house = House::open_with_all(Limits {
        rate_limits: RateLimitSettings::default(),
        ..Limits::default()
    })
    .await;
    let event = field(&house, STADIUM).await;
    let visitor = house.visitor();
    let list = "query($id: ID!) { event(id: $id) { name availability { total { available } } \
        seatMap { cursor seats { id status version } } } }";
    let loaded = visitor.ask(list, json!({"id": event})).await;
    let map = &loaded.data()["event"]["seatMap"];
    assert_eq!(map["seats"].as_array().unwrap().len(), STADIUM);
    let mut peer = Peer::ready(&house.url).await;
    let watching = "subscription($id: ID!) { seatMap(eventId: $id) { __typename \
        ... on SeatMapSnapshot { cursor seats { id status version } } \
        ... on SeatMapDelta { cursor changes { seatId status version } } } }";
    peer.send(subscribe("1", watching, &json!({"id": event})))
        .await;
    let told = peer.next().await;
    let told = &told["payload"]["data"]["seatMap"]["seats"];
    assert_eq!(told.as_array().unwrap().len(), STADIUM);
    let seat = &told[7];
    let hold = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename } }";
    let input = json!({"input": {
        "eventId": event, "seats": [{"seatId": seat["id"], "version": seat["version"]}],
    }});
    let held = visitor.ask(hold, input).await;
    assert_eq!(held.data()["holdSeats"]["__typename"], "SeatsHeld");
    let delta = peer.next().await;
    let changes = &delta["payload"]["data"]["seatMap"]["changes"];
    assert_eq!(changes[0]["seatId"], seat["id"], "{delta}");
}
