//! A seating plan in memory: the immutable drawing that every event on it
//! shares, with everything about a seat that a sale does not change.

use crate::model::ids::{PlanId, SeatNo};
use crate::model::rows::{self, Row, ZoneGeometry};
use crate::model::status::ZoneKind;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The drawing of a hall. Made by [`SeatingPlan::new`], which finds out once
/// what follows from the drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatingPlan {
    /// Its identity.
    pub id: PlanId,
    /// When it was imported. Two databases that have different plans under one id do
    /// not have this in common.
    pub created_at: DateTime<Utc>,
    /// What it is called.
    pub name: String,
    /// Width of the drawing, in plan units.
    pub width: f64,
    /// Height of the drawing, in plan units.
    pub height: f64,
    /// Price levels, in the plan's order.
    pub categories: Vec<Category>,
    /// Parts of the hall, in the plan's order.
    pub zones: Vec<Zone>,
    /// Every place: the index is its [`SeatNo`].
    pub seats: Vec<PlanSeat>,
    rows: Vec<Row>,
    geometries: BTreeMap<usize, ZoneGeometry>,
}

/// A price level.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    /// What it is called; unique in its plan.
    pub name: String,
    /// `#rgb`, `#rrggbb` or the name of a CSS colour.
    pub color: String,
}

/// A named part of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// What it is called.
    pub name: String,
    /// Rows of seats, or a number of places.
    pub kind: ZoneKind,
    /// Left edge, in plan units.
    pub x: f64,
    /// Top edge, in plan units.
    pub y: f64,
    /// Shapes to draw relative to (`x`, `y`), as the plan's document has them:
    /// whoever draws them must not trust them.
    pub areas: Value,
}

/// One place of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanSeat {
    /// The plan's own name for it; unique in its plan.
    pub guid: String,
    /// Index into [`SeatingPlan::zones`].
    pub zone: usize,
    /// Its row; `None` for general admission.
    pub row: Option<PlanRow>,
    /// Its number in the row; `None` for general admission.
    pub number: Option<String>,
    /// What a ticket says: "Stalls, row F, seat 12".
    pub label: String,
    /// Index into [`SeatingPlan::categories`].
    pub category: usize,
    /// Whether it is a place for wheelchair users.
    pub accessible: bool,
    /// Centre, in plan units from the left; `None` for general admission.
    pub x: Option<f64>,
    /// Centre, in plan units from the top; `None` for general admission.
    pub y: Option<f64>,
}

/// The row of a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRow {
    /// Its place among all rows of the plan, from 0.
    pub index: usize,
    /// Its short name, "F"; not unique in a plan, and empty where the house
    /// does not name its rows.
    pub label: String,
}

impl SeatingPlan {
    /// A plan of these parts, with its rows cut into blocks of neighbours.
    pub fn new(
        (id, created_at): (PlanId, DateTime<Utc>),
        name: String,
        (width, height): (f64, f64),
        categories: Vec<Category>,
        zones: Vec<Zone>,
        seats: Vec<PlanSeat>,
    ) -> Self {
        let (rows, geometries) = rows::arrange(&seats);
        Self {
            id,
            created_at,
            name,
            width,
            height,
            categories,
            zones,
            seats,
            rows,
            geometries,
        }
    }

    /// The place with this number, if the plan has it.
    pub fn seat(&self, seat_no: SeatNo) -> Option<&PlanSeat> {
        self.seats.get(usize::try_from(seat_no).ok()?)
    }

    /// Every row that has seats, ascending by its index.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row with this index, if it has seats.
    pub fn row(&self, index: usize) -> Option<&Row> {
        let place = self.rows.binary_search_by_key(&index, |row| row.index);
        self.rows.get(place.ok()?)
    }

    /// Where the seats of this zone are; `None` for a zone without rows.
    pub fn geometry(&self, zone: usize) -> Option<ZoneGeometry> {
        self.geometries.get(&zone).copied()
    }

    /// The indexes of the rows that these seats are in, ascending and each once.
    /// Standing places are in none.
    pub fn rows_of(&self, seats: &[SeatNo]) -> Vec<usize> {
        let row_of = |seat_no: &SeatNo| Some(self.seat(*seat_no)?.row.as_ref()?.index);
        let rows: BTreeSet<usize> = seats.iter().filter_map(row_of).collect();
        rows.into_iter().collect()
    }

    /// All seats of the rows with these indexes, ascending.
    pub fn seats_of_rows(&self, rows: &[usize]) -> Vec<SeatNo> {
        let rows: BTreeSet<usize> = rows.iter().copied().collect();
        let rows = rows.into_iter().filter_map(|row| self.row(row));
        let mut seats: Vec<SeatNo> = rows
            .flat_map(|row| row.blocks.iter().flatten())
            .map(|seat| seat.seat_no)
            .collect();
        seats.sort_unstable();
        seats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_seats_and_seats_by_their_rows() {
        // Rows 0 and 2 are empty; the last place is a standing one.
        let seats = [Some(3), Some(1), Some(1), Some(3), None].map(|row| PlanSeat {
            guid: String::new(),
            zone: 0,
            row: row.map(|index| PlanRow {
                index,
                label: String::new(),
            }),
            number: None,
            label: String::new(),
            category: 0,
            accessible: false,
            x: row.map(|_| 0.0),
            y: row.map(|_| 0.0),
        });
        let plan = SeatingPlan::new(
            (PlanId(1), DateTime::UNIX_EPOCH),
            "Hall".into(),
            (1.0, 1.0),
            Vec::new(),
            Vec::new(),
            seats.to_vec(),
        );
        assert_eq!(plan.rows_of(&[0, 4, 2, 3, 9, -1]), [1, 3]);
        assert_eq!(plan.seats_of_rows(&[3, 1, 3, 0, 8]), [0, 1, 2, 3]);
        assert_eq!(plan.seats_of_rows(&[3]), [0, 3]);
        assert!(plan.row(2).is_none());
    }
}
