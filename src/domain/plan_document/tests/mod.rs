//! Tests of the plan document, and the small documents that they share.

mod accepted;
mod demo;
mod refused;
mod refused_values;

use serde_json::{Value, json};

use super::{PlanDocument, PlanRefused};

/// A plan around these zones, with the categories "Stalls" and "Balcony".
#[allow(
    clippy::needless_pass_by_value,
    reason = "what json! makes is handed over"
)]
fn plan_of(zones: Value) -> Value {
    json!({
        "name": "Test hall",
        "categories": [
            {"name": "Stalls", "color": "#0072b2"},
            {"name": "Balcony", "color": "orange"},
        ],
        "zones": zones,
        "size": {"width": 400, "height": 300},
    })
}

/// A plan of one zone "Floor" with one row "F" of these seats.
#[allow(
    clippy::needless_pass_by_value,
    reason = "what json! makes is handed over"
)]
fn plan_of_seats(seats: Value) -> Value {
    plan_of(json!([{
        "name": "Floor",
        "position": {"x": 0, "y": 0},
        "rows": [{"row_number": "F", "seats": seats}],
    }]))
}

fn seat(guid: &str) -> Value {
    json!({
        "seat_guid": guid,
        "seat_number": "12",
        "position": {"x": 0, "y": 0},
        "category": "Stalls",
    })
}

/// A good seat with one key set to something else, or taken out by null.
fn seat_with(key: &str, value: Value) -> Value {
    let mut seat = seat("a");
    seat[key] = value;
    seat
}

fn parse(document: &Value) -> Result<PlanDocument, PlanRefused> {
    PlanDocument::parse(document.to_string().as_bytes())
}

fn parsed(document: &Value) -> PlanDocument {
    parse(document).expect("the plan should be accepted")
}

fn refused(document: &Value) -> PlanRefused {
    parse(document).expect_err("the plan should be refused")
}

/// Asserts that a document has exactly these problems, as (path, message).
#[track_caller]
fn assert_problems(document: &Value, expected: &[(&str, &str)]) {
    let refused = refused(document);
    let found: Vec<(&str, &str)> = refused
        .problems
        .iter()
        .map(|problem| (problem.path.as_str(), problem.message.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(refused.further, 0);
}
