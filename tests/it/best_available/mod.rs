//! Seats that the server picks, and the rule against lone seats, whoever picks.

mod crowd;
mod orphan_rule;
mod picking;
mod standing;

use crate::support::{Answer, Event, House};
use serde_json::{Value, json};
use usher::model::global_id::GlobalId;

/// An event on sale on this plan with these changes; every category costs 10 EUR.
async fn event_on(house: &House, plan: &Value, changes: Value) -> Event {
    let prices: Vec<Value> = plan["categories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|category| json!({"category": category["name"], "amountMinor": 1_000}))
        .collect();
    let mut input = json!({"prices": prices});
    let Value::Object(changes) = changes else {
        panic!("changes are an object");
    };
    input.as_object_mut().unwrap().extend(changes);
    let plan = house.staff().import_plan(plan).await;
    house.open_sale(house.draft_on(&plan, input).await).await
}

/// A zone of rows drawn as text, a character for each seat: `.` an ordinary one, `a` a
/// place for wheelchair users, `_` no seat at all.
fn zone(name: &str, top: usize, rows: &[&str]) -> Value {
    let row = |(number, drawn): (usize, &&str)| {
        let seats: Vec<Value> = drawn
            .chars()
            .enumerate()
            .filter(|(_, seat)| *seat != '_')
            .map(|(place, seat)| {
                json!({
                    "seat_guid": format!("{name}-{number}-{place}"),
                    "seat_number": (place + 1).to_string(),
                    "position": {"x": place, "y": 0},
                    "category": name,
                    "accessible": seat == 'a',
                })
            })
            .collect();
        json!({
            "row_number": (number + 1).to_string(),
            "position": {"x": 0, "y": number},
            "seats": seats,
        })
    };
    json!({
        "name": name,
        "position": {"x": 0, "y": top},
        "rows": rows.iter().enumerate().map(row).collect::<Vec<_>>(),
    })
}

/// A zone without rows.
fn standing_zone(name: &str, top: usize, capacity: usize) -> Value {
    json!({
        "name": name,
        "position": {"x": 0, "y": top},
        "rows": [],
        "general_admission": {"capacity": capacity, "category": name},
    })
}

/// A hall of these zones, each with a category of its own name.
fn hall(zones: &[Value]) -> Value {
    let categories: Vec<Value> = zones
        .iter()
        .map(|zone| json!({"name": zone["name"]}))
        .collect();
    json!({"name": "Hall", "categories": categories, "zones": zones})
}

/// The places in the plan of the hold's seats, ascending.
fn held(answer: &Answer) -> Vec<i32> {
    let data = answer.data();
    assert_eq!(data["__typename"], "SeatsHeld", "{data}");
    numbers(&data["hold"]["seats"])
}

fn numbers(seats: &Value) -> Vec<i32> {
    let seats = seats.as_array().unwrap().iter();
    seats
        .map(|seat| match seat["id"].as_str().unwrap().parse() {
            Ok(GlobalId::Seat(_, seat_no)) => seat_no,
            other => panic!("not the id of a seat: {other:?}"),
        })
        .collect()
}

/// The largest group that is left, as a refusal says.
fn largest_group(answer: &Answer) -> i64 {
    let data = answer.data();
    assert_eq!(data["__typename"], "NotEnoughSeats", "{data}");
    assert_eq!(data["code"], "NOT_ENOUGH_SEATS");
    data["largestGroup"].as_i64().unwrap()
}
