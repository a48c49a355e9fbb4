//! Owns the drawing of a plan as clients load it: one JSON document with everything
//! about its seats that a sale does not change, made to be small for big halls. Names
//! and colours stand in it once, and what all seats of a row share stands there once.
//!
//! `docs/compact-maps.md` describes it field by field. Browsers keep it for a year, so
//! what one [`FORMAT`] says must never change; fields may be added to it.

use crate::model::global_id::GlobalId;
use crate::model::seating_plan::{Category, PlanSeat, SeatingPlan, Zone};
use crate::model::status::ZoneKind;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What the shape of the document is known by.
pub const FORMAT: u32 = 1;

/// Whole numbers up to this are exact, and shorter without a fraction.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

/// The drawing of `plan`. That is work for the processor alone, some hundredths of a
/// second for 60,000 seats, so an async caller gives it a blocking thread.
///
/// # Errors
/// When it cannot be written as JSON, which no plan is known to cause.
pub fn render(plan: &SeatingPlan) -> serde_json::Result<Vec<u8>> {
    let same_run = |a: &PlanSeat, b: &PlanSeat| a.zone == b.zone && a.row == b.row;
    serde_json::to_vec(&Drawing {
        format: FORMAT,
        id: GlobalId::SeatingPlan(plan.id).to_string(),
        name: &plan.name,
        width: Coordinate(plan.width),
        height: Coordinate(plan.height),
        seat_count: plan.seats.len(),
        categories: plan.categories.iter().map(CategoryDrawing::of).collect(),
        zones: plan.zones.iter().map(ZoneDrawing::of).collect(),
        runs: plan.seats.chunk_by(same_run).map(Run::of).collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Drawing<'p> {
    format: u32,
    id: String,
    name: &'p str,
    width: Coordinate,
    height: Coordinate,
    seat_count: usize,
    categories: Vec<CategoryDrawing<'p>>,
    zones: Vec<ZoneDrawing<'p>>,
    runs: Vec<Run<'p>>,
}

#[derive(Serialize)]
struct CategoryDrawing<'p> {
    name: &'p str,
    color: &'p str,
}

#[derive(Serialize)]
struct ZoneDrawing<'p> {
    name: &'p str,
    kind: ZoneKind,
    x: Coordinate,
    y: Coordinate,
    areas: &'p Value,
}

/// Seats of one row, or standing places of one zone, that follow one another in the
/// plan's order.
#[derive(Serialize)]
struct Run<'p> {
    zone: usize,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<Vec<&'p str>>,
    #[serde(flatten)]
    labels: Labels<'p>,
    category: OneOrEach<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<OneOrEach<Coordinate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<OneOrEach<Coordinate>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accessible: Vec<usize>,
}

/// What tickets say.
#[derive(Serialize)]
enum Labels<'p> {
    /// Before and after the number of the seat; a standing place has none.
    #[serde(rename = "label")]
    Around(&'p str, &'p str),
    #[serde(rename = "labels")]
    Each(Vec<&'p str>),
}

/// What all seats of a run have in common, or a list with one entry for each.
#[derive(Serialize)]
#[serde(untagged)]
enum OneOrEach<T> {
    One(T),
    Each(Vec<T>),
}

/// In plan units. Whole ones, which most are, are written without a fraction.
#[derive(Clone, Copy, PartialEq)]
struct Coordinate(f64);

impl<'p> CategoryDrawing<'p> {
    fn of(category: &'p Category) -> Self {
        Self {
            name: &category.name,
            color: &category.color,
        }
    }
}

impl<'p> ZoneDrawing<'p> {
    fn of(zone: &'p Zone) -> Self {
        Self {
            name: &zone.name,
            kind: zone.kind,
            x: Coordinate(zone.x),
            y: Coordinate(zone.y),
            areas: &zone.areas,
        }
    }
}

impl<'p> Run<'p> {
    fn of(seats: &'p [PlanSeat]) -> Self {
        let first = seats.first();
        let coordinates = |of: fn(&PlanSeat) -> Option<f64>| {
            let all = seats.iter().map(|seat| of(seat).map(Coordinate));
            all.collect::<Option<Vec<_>>>().map(OneOrEach::of)
        };
        let accessible = (0..).zip(seats).filter(|(_, seat)| seat.accessible);
        Self {
            zone: first.map_or(0, |seat| seat.zone),
            count: seats.len(),
            row: first.and_then(|seat| seat.row.as_ref().map(|row| row.label.as_str())),
            numbers: seats.iter().map(|seat| seat.number.as_deref()).collect(),
            labels: Labels::of(seats),
            category: OneOrEach::of(seats.iter().map(|seat| seat.category).collect()),
            x: coordinates(|seat| seat.x),
            y: coordinates(|seat| seat.y),
            accessible: accessible.map(|(place, _)| place).collect(),
        }
    }
}

impl<'p> Labels<'p> {
    /// A number may stand in a label more than once, "Row 7, seat 7": which of them is
    /// the seat's shows when the other seats are looked at.
    fn of(seats: &'p [PlanSeat]) -> Self {
        let number = |seat: &'p PlanSeat| seat.number.as_deref().unwrap_or_default();
        let fits = |seat: &'p PlanSeat, (before, after): (&str, &str)| {
            let rest = seat.label.strip_prefix(before);
            rest.and_then(|rest| rest.strip_suffix(after)) == Some(number(seat))
        };
        let around = seats.first().and_then(|first| {
            let places = first.label.rmatch_indices(number(first));
            let mut parts = places.filter_map(|(place, number)| {
                let before = first.label.get(..place)?;
                Some((before, first.label.get(place + number.len()..)?))
            });
            parts.find(|parts| seats.iter().all(|seat| fits(seat, *parts)))
        });
        match around {
            Some((before, after)) => Self::Around(before, after),
            None => Self::Each(seats.iter().map(|seat| seat.label.as_str()).collect()),
        }
    }
}

impl<T: PartialEq> OneOrEach<T> {
    fn of(mut each: Vec<T>) -> Self {
        let same = each.windows(2).all(|pair| pair.first() == pair.last());
        match each.pop() {
            Some(one) if same => Self::One(one),
            last => {
                each.extend(last);
                Self::Each(each)
            }
        }
    }
}

impl Serialize for Coordinate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < LARGEST_WHOLE {
            #[allow(clippy::cast_possible_truncation, reason = "a whole number, and exact")]
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PlanId;
    use crate::model::seating_plan::PlanRow;
    use chrono::DateTime;
    use serde_json::json;

    fn seat(number: &str, label: &str, (x, y): (f64, f64)) -> PlanSeat {
        PlanSeat {
            guid: String::new(),
            zone: 0,
            row: Some(PlanRow {
                index: 0,
                label: "F".into(),
            }),
            number: Some(number.into()),
            label: label.into(),
            category: 0,
            accessible: false,
            x: Some(x),
            y: Some(y),
        }
    }

    fn place(zone: usize, label: &str) -> PlanSeat {
        PlanSeat {
            zone,
            row: None,
            number: None,
            x: None,
            y: None,
            ..seat("", label, (0.0, 0.0))
        }
    }

    fn runs(seats: Vec<PlanSeat>) -> Value {
        let id = (PlanId(7), DateTime::UNIX_EPOCH);
        let plan = SeatingPlan::new(id, "Hall".into(), (9.5, 4.0), vec![], vec![], seats);
        let mut drawing: Value = serde_json::from_slice(&render(&plan).unwrap()).unwrap();
        drawing["runs"].take()
    }

    #[test]
    fn what_seats_of_a_row_share_is_said_once() {
        let row = vec![
            seat("1", "Stalls, row F, seat 1", (0.5, 3.0)),
            seat("2", "Stalls, row F, seat 2", (1.0, 3.0)),
        ];
        let drawn = json!([{
            "zone": 0, "count": 2, "row": "F", "numbers": ["1", "2"],
            "label": ["Stalls, row F, seat ", ""], "category": 0, "x": [0.5, 1], "y": 3,
        }]);
        assert_eq!(runs(row), drawn);
    }

    #[test]
    fn what_differs_is_said_of_each() {
        let mut row = vec![
            seat("1", "Box 1", (0.0, 0.0)),
            seat("2", "The Mayor", (1.0, -0.25)),
            seat("3", "Box 3", (2.0, 0.0)),
        ];
        row[1].category = 4;
        row[2].accessible = true;
        let drawn = json!([{
            "zone": 0, "count": 3, "row": "F", "numbers": ["1", "2", "3"],
            "labels": ["Box 1", "The Mayor", "Box 3"], "category": [0, 4, 0],
            "x": [0, 1, 2], "y": [0, -0.25, 0], "accessible": [2],
        }]);
        assert_eq!(runs(row), drawn);
    }

    #[test]
    fn the_number_in_a_label_is_the_one_that_changes_from_seat_to_seat() {
        let of = |labels: [&str; 2]| {
            let row = ["7", "8"].into_iter().zip(labels);
            let row = row.map(|(number, label)| seat(number, label, (0.0, 0.0)));
            runs(row.collect())[0].take()
        };
        assert_eq!(
            of(["Row 7, 7 left", "Row 7, 8 left"])["label"],
            json!(["Row 7, ", " left"])
        );
        assert_eq!(
            of(["7 of row 7", "8 of row 7"])["label"],
            json!(["", " of row 7"])
        );
        assert_eq!(of(["77", "78"])["label"], json!(["7", ""]));
        assert_eq!(of(["Left", "Right"])["labels"], json!(["Left", "Right"]));
    }

    #[test]
    fn standing_places_are_a_number_and_rows_are_kept_apart() {
        let mut other_row = seat("1", "Stalls, row F, seat 1", (0.0, 0.0));
        other_row.row.as_mut().unwrap().index = 1;
        let seats = vec![
            place(1, "Pitch"),
            place(1, "Pitch"),
            place(2, "Terrace"),
            seat("1", "Stalls, row F, seat 1", (0.0, 0.0)),
            other_row,
        ];
        let runs = runs(seats);
        assert_eq!(
            runs[0],
            json!({"zone": 1, "count": 2, "label": ["Pitch", ""], "category": 0})
        );
        assert_eq!(runs[1]["label"], json!(["Terrace", ""]));
        assert_eq!(
            (&runs[2]["count"], &runs[3]["count"]),
            (&json!(1), &json!(1))
        );
    }
}
