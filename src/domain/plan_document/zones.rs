//! Owns the walk over zones: what each must have, its general admission, and
//! how all of them add up. What is inside a row is in `rows`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::categories::Categories;
use super::reading::{Fields, Place, kind_of};
use super::refusal::Problems;
use super::{GENERAL_ADMISSION_GUID, MAX_SEATS, MAX_ZONES};
use crate::model::seating_plan::{PlanSeat, Zone};
use crate::model::status::ZoneKind;

/// The zones and seats of one document.
pub(super) struct Hall {
    pub(super) zones: Vec<Zone>,
    pub(super) seats: Vec<PlanSeat>,
}

impl Hall {
    /// Reads `zones` of the document and all that is in them.
    pub(super) fn read<'d>(
        document: &Fields<'d, '_>,
        categories: &Categories<'d>,
        problems: &mut Problems,
    ) -> Hall {
        let mut walk = Walk {
            categories,
            problems,
            hall: Hall {
                zones: Vec::new(),
                seats: Vec::new(),
            },
            rows: 0,
            places: 0,
            guids: HashMap::new(),
        };
        walk.read_zones(document);
        walk.hall
    }
}

/// What has been seen so far on the way through the zones.
pub(super) struct Walk<'d, 'w> {
    pub(super) categories: &'w Categories<'d>,
    pub(super) problems: &'w mut Problems,
    pub(super) hall: Hall,
    /// Rows of the whole plan.
    pub(super) rows: usize,
    /// Seats and general-admission places, those included that were not kept.
    pub(super) places: usize,
    /// Where each guid was seen first.
    pub(super) guids: HashMap<&'d str, Spot>,
}

/// The indexes that lead to a seat of the document.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) zone: usize,
    pub(super) row: usize,
    pub(super) seat: usize,
}

impl<'d> Walk<'d, '_> {
    fn read_zones(&mut self, document: &Fields<'d, '_>) {
        let place = document.place_of("zones");
        let wrapped = document.value("layout").is_some_and(Value::is_object);
        let advice = if wrapped {
            "send what is under layout, not the object around it"
        } else {
            "list the parts of the hall, each with its rows of seats"
        };
        let zones = document.required_items("zones", advice, self.problems);
        if zones.len() > MAX_ZONES {
            let count = zones.len();
            self.problems.add(
                &place,
                format_args!("has {count} entries, but a plan has at most {MAX_ZONES}"),
            );
        }
        for (index, zone) in zones.iter().take(MAX_ZONES).enumerate() {
            let place = Place::Item(&place, index);
            if let Some(fields) = Fields::of(zone, &place, self.problems) {
                self.read_zone(index, &fields);
            }
        }
        if self.places > MAX_SEATS {
            let count = self.places;
            self.problems.add(
                &place,
                format_args!(
                    "hold {count} seats, but a plan has at most {MAX_SEATS}: \
                     make several plans of it"
                ),
            );
        }
        // After another problem, this one may only be its echo.
        if self.places == 0 && self.problems.is_empty() {
            self.problems.add(
                &place,
                format_args!("hold no seats: give a zone rows with seats, or general_admission"),
            );
        }
    }

    fn read_zone(&mut self, index: usize, fields: &Fields<'d, '_>) {
        let name = match fields.name("name", self.problems) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("Zone {}", index + 1)),
        };
        let (x, y) = fields
            .position("position", self.problems)
            .unwrap_or_default();
        let areas = self.read_areas(fields);
        let before = self.places;
        let rows_place = fields.place_of("rows");
        let rows = fields.items("rows", self.problems);
        for (row_index, row) in rows.iter().enumerate() {
            let place = Place::Item(&rows_place, row_index);
            if let Some(row_fields) = Fields::of(row, &place, self.problems) {
                let spot = Spot {
                    zone: index,
                    row: row_index,
                    seat: 0,
                };
                self.read_row(spot, &row_fields, &name, (x, y));
            }
        }

        let place = fields.place_of("general_admission");
        let kind = if fields.value("general_admission").is_some() {
            ZoneKind::GeneralAdmission
        } else {
            ZoneKind::Seated
        };
        if let Some(general) = fields.object("general_admission", &place, self.problems) {
            if self.places > before {
                self.problems.add(
                    &place,
                    format_args!(
                        "stands beside rows with seats: make it a zone of its own \
                         or take the rows out"
                    ),
                );
            }
            self.read_general_admission(index, &general, &name);
        }
        self.hall.zones.push(Zone {
            name: name.into_owned(),
            kind,
            x,
            y,
            areas,
        });
    }

    /// Areas are kept as they are. They only have to be objects, and free of
    /// the one character that a JSON column of PostgreSQL cannot store.
    fn read_areas(&mut self, zone: &Fields<'d, '_>) -> Value {
        let place = zone.place_of("areas");
        let areas = zone.items("areas", self.problems);
        for (index, area) in areas.iter().enumerate() {
            let place = Place::Item(&place, index);
            if Fields::of(area, &place, self.problems).is_some() && contains_nul(area) {
                self.problems.add(
                    &place,
                    format_args!("has the control character U+0000 in it, take it out"),
                );
            }
        }
        Value::Array(areas.to_vec())
    }

    fn read_general_admission(&mut self, zone: usize, fields: &Fields<'d, '_>, zone_name: &str) {
        let category = self.categories.find(fields, self.problems);
        let Some(capacity) = self.read_capacity(fields) else {
            return;
        };
        self.places = self.places.saturating_add(capacity);
        let Some(category) = category.filter(|_| self.places <= MAX_SEATS) else {
            return;
        };
        self.hall.seats.extend((1..=capacity).map(|place| PlanSeat {
            guid: format!("{GENERAL_ADMISSION_GUID}{zone}:{place}"),
            zone,
            row: None,
            number: None,
            label: zone_name.to_owned(),
            category,
            accessible: false,
            x: None,
            y: None,
        }));
    }

    fn read_capacity(&mut self, fields: &Fields<'d, '_>) -> Option<usize> {
        let advice = "say how many people the zone takes";
        let place = fields.place_of("capacity");
        let value = fields.required("capacity", advice, self.problems)?;
        // Through a float, because 8e2 and 800.0 are whole numbers too.
        let number = value.as_f64().unwrap_or(f64::NAN);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let largest = MAX_SEATS as f64;
        if number < 1.0 || number.fract() != 0.0 {
            let found: &dyn fmt::Display = match value {
                Value::Number(number) => number,
                other => &kind_of(other),
            };
            self.problems.add(
                &place,
                format_args!("must be a whole number of at least 1, but is {found}"),
            );
            return None;
        }
        if number > largest {
            self.problems.add(
                &place,
                format_args!("is {value}, but a plan has at most {MAX_SEATS} seats"),
            );
            return None;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to MAX_SEATS"
        )]
        Some(number as usize)
    }
}

fn contains_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(contains_nul),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains('\0') || contains_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
