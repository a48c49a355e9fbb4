//! The lists of events and of venues: all of them, and those that are asked for.

use super::{ids, walk};
use crate::support::House;
use crate::support::actor::Actor;
use crate::support::house::Limits;
use crate::support::house::{plan, settings};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

/// Two venues in turn with an event a day on sale, the first on 1 January 2030.
async fn season(house: &House, days: u32) -> (Vec<String>, Vec<String>) {
    let staff = house.staff();
    let plan = staff.import_plan(&plan(1, 1)).await;
    let venues = vec![
        staff.create_venue("Left", "UTC").await,
        staff.create_venue("Right", "UTC").await,
    ];
    let mut events = Vec::new();
    for day in 0..days {
        let input = json!({
            "venueId": venues[day as usize % 2], "planId": plan, "name": format!("Day {day}"),
            "startsAt": format!("2030-01-{:02}T19:30:00Z", day + 1), "currency": "EUR",
            "prices": [{"category": "Stalls", "amountMinor": 1_000}],
        });
        let created = staff.create_event(&input).await;
        let id = created["event"]["id"].as_str().unwrap().to_owned();
        staff.open_sale(&id, 1).await;
        events.push(id);
    }
    (venues, events)
}

async fn listed(caller: &Actor, filter: &str) -> Vec<String> {
    let list = format!("events(filter: {{{filter}}}");
    let found = walk(caller, &list, None, "id", 3).await;
    assert_eq!(found, walk(caller, &list, None, "id", 100).await);
    ids(&found)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_on_one_page_and_on_one_only() {
    let house = House::open().await;
    let (_, events) = season(&house, 25).await;
    for first in [1, 7, 24, 25, 26, 100] {
        let found = walk(&house.visitor(), "events(", None, "id", first).await;
        assert_eq!(ids(&found), events, "oldest first, in pages of {first}");
    }
    // Twenty when the client does not say.
    let query = "{ events { nodes { id } pageInfo { hasNextPage } } }";
    let answer = house.visitor().ask(query, json!({})).await;
    let page = &answer.data()["events"];
    assert_eq!(page["nodes"].as_array().unwrap().len(), 20);
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_stays_good_while_events_are_added() {
    let house = House::open().await;
    let (_, mut events) = season(&house, 3).await;
    let query = "query($after: String) { events(first: 2, after: $after) { \
        nodes { id } pageInfo { endCursor hasNextPage } } }";
    let visitor = house.visitor();
    let answer = visitor.ask(query, json!({})).await;
    let page = answer.data()["events"].clone();
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    events.push(house.event(1, 1).await.id);
    let after = json!({"after": page["pageInfo"]["endCursor"]});
    let answer = visitor.ask(query, after.clone()).await;
    let next = &answer.data()["events"];
    assert_eq!(ids(next["nodes"].as_array().unwrap()), events[2..]);
    assert_eq!(next["pageInfo"]["hasNextPage"], false);
    // The same on another replica: a cursor is of the list, not of a process.
    let replica = house.replica().await;
    let elsewhere = replica.visitor().ask(query, after).await;
    assert_eq!(elsewhere.data()["events"], *next);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_filtered_by_status_venue_and_time() {
    let house = House::open().await;
    let (venues, events) = season(&house, 8).await;
    let staff = house.staff();
    staff.close_sale(&events[0], 2).await.data();
    staff.close_sale(&events[5], 2).await.data();
    let visitor = house.visitor();
    let pick = |places: &[usize]| -> Vec<String> {
        places.iter().map(|place| events[*place].clone()).collect()
    };
    let left = format!("venueId: \"{}\"", venues[0]);
    for (filter, expected) in [
        (String::new(), pick(&[0, 1, 2, 3, 4, 5, 6, 7])),
        ("status: CLOSED".into(), pick(&[0, 5])),
        ("status: ON_SALE".into(), pick(&[1, 2, 3, 4, 6, 7])),
        ("status: CANCELLED".into(), pick(&[])),
        (left.clone(), pick(&[0, 2, 4, 6])),
        (format!("venueId: \"{}\"", venues[1]), pick(&[1, 3, 5, 7])),
        // From is in it, before is not.
        (
            "startsFrom: \"2030-01-04T19:30:00Z\"".into(),
            pick(&[3, 4, 5, 6, 7]),
        ),
        (
            "startsFrom: \"2030-01-04T19:30:00.000001Z\"".into(),
            pick(&[4, 5, 6, 7]),
        ),
        (
            "startsBefore: \"2030-01-04T19:30:00Z\"".into(),
            pick(&[0, 1, 2]),
        ),
        (
            "startsBefore: \"2030-01-04T20:30:00.000001+01:00\"".into(),
            pick(&[0, 1, 2, 3]),
        ),
        (
            format!(
                "{left}, status: ON_SALE, startsFrom: \"2030-01-02T00:00:00Z\", \
                 startsBefore: \"2030-01-07T00:00:00Z\""
            ),
            pick(&[2, 4]),
        ),
        (
            "startsFrom: \"2030-01-07T00:00:00Z\", startsBefore: \"2030-01-02T00:00:00Z\"".into(),
            pick(&[]),
        ),
    ] {
        assert_eq!(listed(&visitor, &filter).await, expected, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_read_only_when_a_field_needs_it() {
    let house = House::open().await;
    let (_, events) = season(&house, 3).await;
    // The house has the plan in its cache since it created the events.
    let replica = house.replica().await;
    let visitor = replica.visitor();
    let mut sql = house.sql().await;
    let hide = "ALTER TABLE plan_seats RENAME TO hidden_seats; \
                ALTER TABLE event_prices RENAME TO hidden_prices";
    sql.batch_execute(hide).await.unwrap();

    let row = "id version name status startsAt holdSeconds venue { name }";
    let listed = walk(&visitor, "events(", None, row, 2).await;
    assert_eq!(ids(&listed), events);
    assert_eq!(listed[2]["name"], "Day 2");
    let node = "query($id: ID!) { node(id: $id) { ... on Event { name } } \
                event(id: $id) { name } }";
    let answer = visitor.ask(node, json!({"id": events[0]})).await;
    let name = json!({"name": "Day 0"});
    assert_eq!(*answer.data(), json!({"node": name, "event": name}));
    for field in [
        "plan { name }",
        "prices { category }",
        "availability { total { all } }",
        "seatMap { cursor }",
        "seats { nodes { id } }",
    ] {
        let query = format!("{{ events {{ nodes {{ {field} }} }} }}");
        let answer = visitor.ask(&query, json!({})).await;
        assert_eq!(answer.error_code(), "INTERNAL_SERVER_ERROR", "{field}");
    }

    let show = "ALTER TABLE hidden_seats RENAME TO plan_seats; \
                ALTER TABLE hidden_prices RENAME TO event_prices";
    sql.batch_execute(show).await.unwrap();
    let query = "{ events { nodes { plan { seatCount } } } }";
    let answer = visitor.ask(query, json!({})).await;
    assert_eq!(answer.data()["events"]["nodes"][2]["plan"]["seatCount"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_events_than_connections_are_shown_whole() {
    let house = House::open_without_costs(Limits::default()).await;
    let (_, events) = season(&house, 25).await;
    assert!(events.len() > settings().connections as usize);
    // Each field alone: if one kept a connection while it waits for another one to
    // load the plan with, all events would wait for one another.
    let fields = [
        ("plan { seatCount }", json!({"plan": {"seatCount": 1}})),
        (
            "prices { price { amountMinor } }",
            json!({"prices": [{"price": {"amountMinor": 1_000}}]}),
        ),
        (
            "availability { total { available } }",
            json!({"availability": {"total": {"available": 1}}}),
        ),
        (
            "seatMap { seats { status } }",
            json!({"seatMap": {"seats": [{"status": "AVAILABLE"}]}}),
        ),
        (
            "seats { nodes { label } }",
            json!({"seats": {"nodes": [{"label": "Stalls, row 1, seat 1"}]}}),
        ),
    ];
    for (field, mut expected) in fields {
        let selection = format!("id {field}");
        let nodes = walk(&house.visitor(), "events(", None, &selection, 100).await;
        assert_eq!(ids(&nodes), events);
        for (node, id) in nodes.iter().zip(&events) {
            expected["id"] = json!(id);
            assert_eq!(*node, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_venue_is_on_one_page_and_on_one_only() {
    let house = House::open().await;
    let staff = house.staff();
    let mut venues = Vec::new();
    for number in 0..23 {
        venues.push(staff.create_venue(&format!("House {number}"), "UTC").await);
    }
    for first in [1, 10, 22, 23, 24, 100] {
        let found = walk(&house.visitor(), "venues(", None, "id name timeZone", first).await;
        assert_eq!(ids(&found), venues, "oldest first, in pages of {first}");
        let names: Vec<&Value> = found.iter().map(|venue| &venue["name"]).collect();
        assert_eq!(names[22], "House 22");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_one_empty_page() {
    let house = House::open().await;
    for list in ["venues(", "events("] {
        for first in [0, 1, 100] {
            let found = walk(&house.visitor(), list, None, "id", first).await;
            assert_eq!(found, [Value::Null; 0]);
        }
    }
}
