//! What became of a seat, as staff see it.

use crate::support::{House, Seat, checks, eventually};
use chrono::{DateTime, Utc};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

/// Version, status, cause, actor and owner of each step.
fn steps(history: &Value) -> Vec<Value> {
    let nodes = history["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            json!([
                node["version"],
                node["status"],
                node["cause"],
                node["actor"],
                node["owner"]
            ])
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_a_seat_has_its_cause_and_its_actor() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, visitor, staff) = (house.buyer("anna"), house.visitor(), house.staff());
    let seat = |version| {
        let id = event.seats[0].id.clone();
        [Seat { id, version }]
    };
    let first = anna.hold(&event.id, &seat(1)).await;
    anna.release(first.data()["token"].as_str().unwrap(), None)
        .await
        .data();
    let second = visitor.hold(&event.id, &seat(3)).await;
    let token = second.data()["token"].as_str().unwrap();
    // As from a payment webhook.
    let booked = staff.confirm(token).await;
    let booking = &booked.data()["booking"]["id"];
    let history = staff.seat_history(&event.seats[0].id, &json!({})).await;
    let history = history.data();
    assert_eq!(
        steps(history),
        [
            json!([2, "HELD", "HELD", "buyer:anna", first.data()["hold"]["id"]]),
            json!([3, "AVAILABLE", "RELEASED", "buyer:anna", null]),
            json!([4, "HELD", "HELD", "anonymous", second.data()["hold"]["id"]]),
            json!([5, "BOOKED", "BOOKED", "staff:tess", booking]),
        ]
    );
    let nodes = history["nodes"].as_array().unwrap().iter();
    let times: Vec<DateTime<Utc>> = nodes
        .map(|node| node["changedAt"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let query = "query($id: ID!) { node(id: $id) { ... on Booking { reference } } }";
    let found = staff.ask(query, json!({"id": booking})).await;
    assert_eq!(
        found.data()["node"]["reference"],
        booked.data()["booking"]["reference"]
    );
    // Nobody has touched the other one.
    let untouched = staff.seat_history(&event.seats[1].id, &json!({})).await;
    assert_eq!(steps(untouched.data()), [Value::Null; 0]);
    assert_eq!(untouched.data()["pageInfo"]["hasNextPage"], false);
    checks::assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asked_for_is_in_the_history_as_well() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let held = house.buyer("anna").hold(&event.id, &event.seats).await;
    let mut sql = house.sql().await;
    let lapse = "BEGIN; \
         UPDATE seats SET held_until = now() - interval '1 second' WHERE status = 'HELD'; \
         UPDATE holds SET expires_at = now() - interval '1 second'; COMMIT";
    sql.batch_execute(lapse).await.unwrap();
    eventually("the sweeper has published the lapse", async || {
        let lapsed = "seats WHERE cause = 'LAPSED'";
        (checks::count(&mut sql, lapsed).await == 1).then_some(())
    })
    .await;
    let by_hand = "UPDATE seats SET status = 'BLOCKED', version = version + 1, \
         cause = 'CORRECTION', actor = 'the night shift'";
    sql.batch_execute(by_hand).await.unwrap();
    let history = house
        .staff()
        .seat_history(&event.seats[0].id, &json!({}))
        .await;
    assert_eq!(
        steps(history.data()),
        [
            json!([2, "HELD", "HELD", "buyer:anna", held.data()["hold"]["id"]]),
            json!([3, "AVAILABLE", "LAPSED", "system:sweeper", null]),
            json!([4, "BLOCKED", "CORRECTION", "the night shift", null]),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_read_in_pages() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let steps = "DO $$ BEGIN FOR step IN 1..60 LOOP \
         UPDATE seats SET status = 'BLOCKED', cause = 'BLOCKED', version = version + 1; \
         UPDATE seats SET status = 'AVAILABLE', cause = 'UNBLOCKED', version = version + 1; \
         END LOOP; END $$";
    house.sql().await.batch_execute(steps).await.unwrap();
    let staff = house.staff();
    let seat = &event.seats[0].id;
    for (first, pages) in [
        (json!(1), 120),
        (json!(7), 18),
        (json!(100), 2),
        (json!(null), 6),
    ] {
        let mut versions = Vec::new();
        let mut page = json!({"first": first});
        for number in 1..=pages {
            let history = staff.seat_history(seat, &page).await;
            let history = history.data();
            let info = &history["pageInfo"];
            assert_eq!(
                info["hasNextPage"],
                number < pages,
                "{first}, page {number}"
            );
            assert_eq!(info["hasPreviousPage"], number > 1);
            let edges = history["edges"].as_array().unwrap();
            versions.extend(
                edges
                    .iter()
                    .map(|edge| edge["node"]["version"].as_i64().unwrap()),
            );
            assert_eq!(info["endCursor"], edges[edges.len() - 1]["cursor"]);
            page["after"] = info["endCursor"].clone();
        }
        assert_eq!(versions, (2..=121).collect::<Vec<_>>());
    }
    let none = staff.seat_history(seat, &json!({"first": 0})).await;
    assert_eq!(none.data()["nodes"], json!([]));
    assert_eq!(none.data()["pageInfo"]["hasNextPage"], true);
}
