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

/// A hall as big ones are: blocks of 2,000 seats in rows along arcs, in six categories.
pub fn arena(seats: usize) -> Value {
    const PER_ROW: usize = 50;
    const ROWS: usize = 40;
    let rows = seats.div_ceil(PER_ROW);
    let category = |zone: usize| format!("Category {}", zone % 6 + 1);
    let zone = |zone: usize| {
        let row = |row: usize| {
            let seat = |place: usize| {
                let (radius, along) = (400 + 30 * row, 24 * place);
                #[allow(clippy::cast_precision_loss, reason = "some thousands")]
                let angle = along as f64 / radius as f64;
                #[allow(clippy::cast_precision_loss, reason = "some thousands")]
                let (sin, cos) = (angle.sin() * radius as f64, angle.cos() * radius as f64);
                let tenth = |value: f64| (value * 10.0).round() / 10.0;
                json!({
                    "seat_guid": format!("{zone}-{row}-{place}"),
                    "seat_number": (place + 1).to_string(), "category": category(zone),
                    "position": {"x": tenth(sin), "y": tenth(cos)},
                })
            };
            let left = seats - (zone * ROWS + row) * PER_ROW;
            json!({
                "row_number": (row + 1).to_string(), "position": {"x": 0, "y": 0},
                "seats": (0..PER_ROW.min(left)).map(seat).collect::<Vec<_>>(),
            })
        };
        let here = ROWS.min(rows - zone * ROWS);
        json!({
            "name": format!("Block {}", zone + 1), "position": {"x": zone * 1_200, "y": 0},
            "rows": (0..here).map(row).collect::<Vec<_>>(),
        })
    };
    let zones = rows.div_ceil(ROWS);
    let categories = (0..zones.min(6)).map(|zone| json!({"name": category(zone)}));
    json!({
        "name": "Arena", "categories": categories.collect::<Vec<_>>(),
        "zones": (0..zones).map(zone).collect::<Vec<_>>(),
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
    let categories = hall["categories"].as_array().ok_or("no categories")?;
    let price = |category: &Value| json!({"category": category["name"], "amountMinor": 3000});
    let prices: Vec<Value> = categories.iter().map(price).collect();
    let input = json!({
        "venueId": made["createVenue"]["venue"]["id"],
        "planId": made["importSeatingPlan"]["plan"]["id"],
        "name": "On-sale", "startsAt": "2040-01-01T20:00:00Z", "currency": "EUR",
        "prices": prices,
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

/// More events like this one, whose hall has so many seats: on the same plan, and on sale.
/// Their numbers follow one another.
pub async fn copies(
    server: &Server,
    EventId(event): EventId,
    seats: usize,
    count: usize,
) -> Outcome<Vec<EventId>> {
    /// Seats that are written in one transaction, about.
    const AT_ONCE: usize = 1_000_000;
    let sql = server.sql().await?;
    let (seats, wanted) = (i32::try_from(seats)?, i64::try_from(count)?);
    let insert = "INSERT INTO events (venue_id, plan_id, name, status, starts_at, currency, \
                      hold_seconds, max_seats_per_hold, hold_total_seconds) \
                  SELECT venue_id, plan_id, name, status, starts_at, currency, \
                      hold_seconds, max_seats_per_hold, hold_total_seconds \
                  FROM events, generate_series(1, $2::bigint) WHERE id = $1 RETURNING id";
    let mut copies = Vec::with_capacity(count);
    for row in sql.query(insert, &[&event, &wanted]).await? {
        copies.push(row.try_get::<_, i64>(0)?);
    }
    copies.sort_unstable();
    if copies.windows(2).any(|pair| pair[0] + 1 != pair[1]) {
        return Err("the numbers of new events do not follow one another".into());
    }
    let prices = "INSERT INTO event_prices (event_id, category_no, amount_minor) \
                  SELECT copy, category_no, amount_minor \
                  FROM event_prices, unnest($2::bigint[]) AS copy WHERE event_id = $1";
    sql.execute(prices, &[&event, &copies]).await?;
    let fill = "INSERT INTO seats (event_id, seat_no) \
                SELECT copy, seat_no \
                FROM unnest($1::bigint[]) AS copy, generate_series(0, $2 - 1) AS seat_no \
                ORDER BY copy, seat_no";
    for some in copies.chunks(AT_ONCE.div_ceil(usize::try_from(seats)?)) {
        sql.execute(fill, &[&some, &seats]).await?;
    }
    Ok(copies.into_iter().map(EventId).collect())
}
