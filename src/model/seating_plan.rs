//! A seating plan in memory: the immutable drawing that every event on it
//! shares, with everything about a seat that a sale does not change.

use crate::model::ids::{PlanId, SeatNo};
use crate::model::status::ZoneKind;
use serde_json::Value;

/// The drawing of a hall.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatingPlan {
    /// Its identity.
    pub id: PlanId,
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
    /// The place with this number, if the plan has it.
    pub fn seat(&self, seat_no: SeatNo) -> Option<&PlanSeat> {
        self.seats.get(usize::try_from(seat_no).ok()?)
    }
}
