//! Owns the reading of a seating-plan document: JSON bytes in, a checked plan
//! out, or every reason why not.
//!
//! The format is the one that pretix publishes and that its plan editor
//! exports (categories, and zones with rows of seats and areas), with two keys
//! of ours: `accessible` on a seat and `general_admission` on a zone. Keys that
//! are not known are ignored, so that a newer export still imports.
//!
//! A plan is taken whole or refused whole. The reading goes on after a problem
//! and collects all of them, because whoever draws a hall of two thousand seats
//! wants one list of mistakes and not one mistake per attempt. For that reason
//! it walks over a `serde_json::Value`: a derive stops at the first mismatch.
//!
//! It never does I/O, and never builds more than [`MAX_SEATS`] seats, whatever
//! number the document names as a capacity.

mod categories;
mod labels;
mod reading;
mod refusal;
mod rows;
mod zones;

#[cfg(test)]
mod tests;

use crate::model::seating_plan::{Category, PlanSeat, Zone};
use serde_json::Value;

use self::categories::Categories;
use self::reading::{Fields, Place};
use self::refusal::Problems;
pub use self::refusal::{MAX_PROBLEMS, PlanProblem, PlanRefused};
use self::zones::Hall;

/// The most seats of one plan, places of general admission included.
pub const MAX_SEATS: usize = 200_000;

/// The most categories of one plan.
pub const MAX_CATEGORIES: usize = 1_000;

/// The most zones of one plan.
pub const MAX_ZONES: usize = 10_000;

/// The most characters of each name, number, label and guid in a document. A
/// label that is put together from those of zone, row and seat stays below six
/// times as many.
pub const MAX_TEXT: usize = 200;

/// How far from the origin a position may be, in plan units, either way.
pub const MAX_COORDINATE: f64 = 1_000_000.0;

/// The colour of a category that names none.
pub const DEFAULT_COLOR: &str = "#9e9e9e";

/// What the guid of every general-admission place begins with. A seat of the
/// document may not use it, so the two kinds cannot clash.
pub const GENERAL_ADMISSION_GUID: &str = "general-admission:";

/// The room kept right of and below the last seat when the document names no
/// size: about one seat.
const SIZE_MARGIN: f64 = 24.0;

/// The size of a plan that names none and has no seat with a position.
const SIZE_WITHOUT_SEATS: (f64, f64) = (800.0, 600.0);

/// A seating plan as its document describes it, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanDocument {
    /// The plan's name.
    pub name: String,
    /// The width of the drawing, in plan units.
    pub width: f64,
    /// The height of the drawing, in plan units.
    pub height: f64,
    /// The price levels, in document order; their names differ.
    pub categories: Vec<Category>,
    /// The zones, in document order.
    pub zones: Vec<Zone>,
    /// Every seat and every general-admission place, in document order; their
    /// guids differ.
    pub seats: Vec<PlanSeat>,
}

impl PlanDocument {
    /// Reads a document and checks all of it. That is work for the processor
    /// alone, a fifth of a second for 60,000 seats, so an async caller gives it
    /// a blocking thread.
    ///
    /// # Errors
    ///
    /// Returns every problem found, each with the path of the value at fault.
    pub fn parse(json: &[u8]) -> Result<PlanDocument, PlanRefused> {
        // Editors on Windows put a byte order mark before the JSON.
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let document: Value =
            serde_json::from_slice(json).map_err(|error| not_json(json, &error))?;
        Self::check(&document)
    }

    /// Checks a document that has been read as JSON already; see [`Self::parse`].
    ///
    /// # Errors
    ///
    /// Returns every problem found, each with the path of the value at fault.
    pub fn check(document: &Value) -> Result<PlanDocument, PlanRefused> {
        let mut problems = Problems::default();
        let Some(fields) = Fields::of(document, &Place::Document, &mut problems) else {
            return Err(problems.into_refusal());
        };
        let name = fields.required_name("name", "give the plan a name", &mut problems);
        let categories = Categories::read(&fields, &mut problems);
        let Hall { zones, seats } = Hall::read(&fields, &categories, &mut problems);
        let (width, height) =
            read_size(&fields, &mut problems).unwrap_or_else(|| size_around(&seats));

        if !problems.is_empty() {
            return Err(problems.into_refusal());
        }
        Ok(PlanDocument {
            name: name.unwrap_or_default().to_owned(),
            width,
            height,
            categories: categories.list,
            zones,
            seats,
        })
    }
}

fn not_json(json: &[u8], error: &serde_json::Error) -> PlanRefused {
    let mut problems = Problems::default();
    let place = &Place::Document;
    if let Err(not_utf8) = std::str::from_utf8(json) {
        // The parser calls it an invalid code point, or whatever it takes the bytes
        // for, and the cure is another one than for a comma that is missing.
        let before = json.get(..not_utf8.valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        problems.add(
            place,
            format_args!("is not UTF-8 in line {line}: save the plan's document as UTF-8"),
        );
    } else if error.is_eof() {
        problems.add(
            place,
            format_args!(
                "is not JSON: it ends too early, at line {} column {}",
                error.line(),
                error.column()
            ),
        );
    } else {
        problems.add(place, format_args!("is not JSON: {error}"));
    }
    problems.into_refusal()
}

fn read_size(document: &Fields<'_, '_>, problems: &mut Problems) -> Option<(f64, f64)> {
    let place = document.place_of("size");
    let size = document.object("size", &place, problems)?;
    let mut side = |key| {
        let length = size.required_coordinate(key, problems)?;
        if length <= 0.0 {
            problems.add(
                &size.place_of(key),
                format_args!(
                    "must be more than 0, but is {length}; leave size out to have it computed"
                ),
            );
        }
        Some(length)
    };
    // Both sides are read before either decides, so that both get reported.
    let (width, height) = (side("width"), side("height"));
    Some((width?, height?))
}

/// The drawing that holds every seat. It begins at the origin, because that is
/// where positions count from.
fn size_around(seats: &[PlanSeat]) -> (f64, f64) {
    seats
        .iter()
        .filter_map(|seat| seat.x.zip(seat.y))
        .map(|(x, y)| (x.max(0.0) + SIZE_MARGIN, y.max(0.0) + SIZE_MARGIN))
        .reduce(|(width, height), (x, y)| (width.max(x), height.max(y)))
        .unwrap_or(SIZE_WITHOUT_SEATS)
}
