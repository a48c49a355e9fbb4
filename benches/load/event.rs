//! Events to load, on halls that are made for it.

use crate::Outcome;
use crate::server::Server;
use serde_json::{Value, json};
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// A hall with standing room only.
pub fn field(places: usize) -> Value {
    json!({
        "name": "Field", "categories": [{"name": "Standing"}],
        "zones": [{"name": "Field", "position": {"x": 0, "y": 0}, "rows": [],
                   "general_admission": {"capacity": places, "category": "Standing"}}],
    })
}

/// A hall of rows in blocks of so many neighbours each, with an aisle between them.
pub fn hall(rows: usize, blocks: usize, neighbours: usize) -> Value {
    let seats = |row: usize| -> Vec<Value> {
        let seat = |place: usize| {
            json!({
                "seat_guid": format!("{row}-{place}"), "seat_number": (place + 1).to_string(),
                // An aisle is as wide as three seats.
                "position": {"x": place + place / neighbours * 3, "y": 0}, "category": "Stalls",
            })
        };
        (0..blocks * neighbours).map(seat).collect()
    };
    let row = |row: usize| {
        json!({
            "row_number": (row + 1).to_string(), "position": {"x": 0, "y": row},
            "seats": seats(row),
        })
    };
    let rows: Vec<Value> = (0..rows).map(row).collect();
    json!({
        "name": "Hall", "categories": [{"name": "Stalls"}],
        "zones": [{"name": "Stalls", "position": {"x": 0, "y": 0}, "rows": rows}],
    })
}

/// An event on sale in this hall.
pub async fn on_sale(server: &Server, hall: &Value) -> Outcome<EventId> {
    let query = "mutation($plan: ImportSeatingPlanInput!, $venue: CreateVenueInput!) { \
        importSeatingPlan(input: $plan) { ... on SeatingPlanImported { plan { id } } } \
        createVenue(input: $venue) { ... on VenueCreated { venue { id } } } }";
    let venue = json!({"name": "Field", "timeZone": "Europe/Berlin"});
    let variables = json!({"plan": {"document": hall}, "venue": venue});
    let made = server.staff(query, variables).await?;
    let query = "mutation($input: CreateEventInput!) { \
        createEvent(input: $input) { ... on EventCreated { event { id version } } } }";
    let category = &hall["categories"][0]["name"];
    let input = json!({
        "venueId": made["createVenue"]["venue"]["id"],
        "planId": made["importSeatingPlan"]["plan"]["id"],
        "name": "On-sale", "startsAt": "2040-01-01T20:00:00Z", "currency": "EUR",
        "prices": [{"category": category, "amountMinor": 3000}],
    });
    let event = server.staff(query, json!({"input": input})).await?;
    let event = &event["createEvent"]["event"];
    let query = "mutation($input: OpenSaleInput!) { openSale(input: $input) { __typename } }";
    let input = json!({"eventId": event["id"], "version": event["version"]});
    server.staff(query, json!({"input": input})).await?;
    match event["id"].as_str().map(str::parse) {
        Some(Ok(GlobalId::Event(id))) => Ok(id),
        other => Err(format!("no event was created: {other:?}").into()),
    }
}
