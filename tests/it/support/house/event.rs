//! The events of a house, and the plan that most of them are on.

use super::House;
use serde_json::{Value, json};

/// An event of a house, and its seats as they were when it was opened.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub version: i64,
    pub seats: Vec<Seat>,
}

/// A seat as a client has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub id: String,
    pub version: i64,
}

impl Event {
    /// A mutation without variables that holds a seat as it was.
    pub fn holding_seat(&self, number: usize) -> String {
        let Seat { id: seat, version } = &self.seats[number];
        format!(
            "mutation {{ holdSeats(input: {{eventId: {:?}, \
               seats: [{{seatId: {seat:?}, version: {version}}}]}}) {{ __typename }} }}",
            self.id
        )
    }
}

impl House {
    /// An event on sale: `rows` rows of `seats` seats, of one category at 10 EUR.
    pub async fn event(&self, rows: usize, seats: usize) -> Event {
        let draft = self.draft(rows, seats, json!({})).await;
        self.open_sale(draft).await
    }

    /// A draft with these changes to its input.
    pub async fn draft(&self, rows: usize, seats: usize, changes: Value) -> Event {
        let plan = self.staff().import_plan(&plan(rows, seats)).await;
        self.draft_on(&plan, changes).await
    }

    /// A draft on this plan, whose only category is "Stalls".
    pub async fn draft_on(&self, plan: &str, changes: Value) -> Event {
        let staff = self.staff();
        let venue = staff.create_venue("Test House", "Europe/Berlin").await;
        let mut input = json!({
            "venueId": venue, "planId": plan, "name": "A Test", "currency": "EUR",
            "startsAt": "2030-01-01T19:30:00Z",
            "prices": [{"category": "Stalls", "amountMinor": 1000}],
            "maxSeatsPerHold": 50,
        });
        let (Value::Object(input), Value::Object(changes)) = (&mut input, changes) else {
            panic!("changes are an object");
        };
        input.extend(changes);
        let created = staff.create_event(&json!(input)).await;
        let event = &created["event"];
        let seats = staff.seats(event["id"].as_str().unwrap()).await;
        Event {
            id: event["id"].as_str().unwrap().to_owned(),
            version: event["version"].as_i64().unwrap(),
            seats,
        }
    }

    /// Puts a draft on sale.
    pub async fn open_sale(&self, mut draft: Event) -> Event {
        let opened = self.staff().open_sale(&draft.id, draft.version).await;
        draft.version = opened["event"]["version"].as_i64().unwrap();
        draft
    }
}

/// The document of a plan: `rows` rows of `seats` seats, one unit apart, in one
/// category.
pub fn plan(rows: usize, seats: usize) -> Value {
    let row = |row: usize| {
        let seat = |seat: usize| {
            json!({
                "seat_guid": format!("{row}-{seat}"), "seat_number": (seat + 1).to_string(),
                "position": {"x": seat, "y": 0}, "category": "Stalls",
            })
        };
        json!({
            "row_number": (row + 1).to_string(), "position": {"x": 0, "y": row},
            "seats": (0..seats).map(seat).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": "Test Hall",
        "categories": [{"name": "Stalls", "color": "#0072b2"}],
        "zones": [{
            "name": "Stalls", "position": {"x": 0, "y": 0},
            "rows": (0..rows).map(row).collect::<Vec<_>>(),
        }],
    })
}
