//! Owns what is inside a zone: its rows, and all that a single seat must have.

use std::collections::hash_map::Entry;

use super::labels::RowWords;
use super::reading::{Fields, Place, Shortened, within_bounds};
use super::zones::{Spot, Walk};
use super::{GENERAL_ADMISSION_GUID, MAX_COORDINATE, MAX_SEATS};
use crate::model::seating_plan::{PlanRow, PlanSeat};

/// What a seat takes over from the row and the zone that it is in.
struct RowContext<'c> {
    zone_name: &'c str,
    row: PlanRow,
    words: RowWords<'c>,
    origin: (f64, f64),
}

impl<'d> Walk<'d, '_> {
    /// Reads one row of the zone at `spot`, with its seats.
    pub(super) fn read_row(
        &mut self,
        spot: Spot,
        fields: &Fields<'d, '_>,
        zone_name: &str,
        (zone_x, zone_y): (f64, f64),
    ) {
        let index = self.rows;
        self.rows += 1;
        let advice = "give the row the letter or number that is painted on it, or \"\"";
        fields.required("row_number", advice, self.problems);
        let label = fields
            .number("row_number", self.problems)
            .unwrap_or_default();
        let words = RowWords::read(fields, &label, self.problems);
        let (x, y) = fields
            .position("position", self.problems)
            .unwrap_or_default();
        let context = RowContext {
            zone_name,
            row: PlanRow {
                index,
                label: label.into_owned(),
            },
            words,
            origin: (zone_x + x, zone_y + y),
        };
        let seats_place = fields.place_of("seats");
        let advice = "list the row's seats, or []";
        let seats = fields.required_items("seats", advice, self.problems);
        for (seat_index, seat) in seats.iter().enumerate() {
            let place = Place::Item(&seats_place, seat_index);
            self.places = self.places.saturating_add(1);
            if let Some(seat_fields) = Fields::of(seat, &place, self.problems) {
                let spot = Spot {
                    seat: seat_index,
                    ..spot
                };
                let seat = self.read_seat(spot, &seat_fields, &context);
                // Past the limit seats are still checked, but not kept.
                if let Some(seat) = seat.filter(|_| self.hall.seats.len() < MAX_SEATS) {
                    self.hall.seats.push(seat);
                }
            }
        }
    }

    fn read_seat(
        &mut self,
        spot: Spot,
        fields: &Fields<'d, '_>,
        context: &RowContext<'_>,
    ) -> Option<PlanSeat> {
        // All of it is read before anything decides, so that all gets reported.
        let guid = self.read_guid(spot, fields);
        let advice = "give the seat the number that is painted on it";
        let number = fields.required_number("seat_number", advice, self.problems);
        let whole_label = fields.name("seat_label", self.problems);
        let category = self.categories.find(fields, self.problems);
        let accessible = fields.flag("accessible", self.problems);
        let position = self.read_seat_position(fields, context.origin);

        let (guid, number, category) = (guid?, number?, category?);
        let (x, y) = position?;
        let label = match whole_label {
            Some(label) => label.to_owned(),
            None => context.words.seat_label(context.zone_name, &number),
        };
        Some(PlanSeat {
            guid: guid.to_owned(),
            zone: spot.zone,
            row: Some(context.row.clone()),
            number: Some(number.into_owned()),
            label,
            category,
            accessible,
            x: Some(x),
            y: Some(y),
        })
    }

    fn read_guid(&mut self, spot: Spot, fields: &Fields<'d, '_>) -> Option<&'d str> {
        let advice = "give every seat an id that no other seat of the plan has";
        let guid = fields.required_name("seat_guid", advice, self.problems)?;
        let place = fields.place_of("seat_guid");
        if guid.starts_with(GENERAL_ADMISSION_GUID) {
            self.problems.add(
                &place,
                format_args!(
                    "{} begins with {GENERAL_ADMISSION_GUID}, which is kept for places \
                     without a seat: choose another id",
                    Shortened(guid)
                ),
            );
        }
        match self.guids.entry(guid) {
            Entry::Vacant(entry) => {
                entry.insert(spot);
            }
            Entry::Occupied(entry) => {
                let Spot { zone, row, seat } = *entry.get();
                self.problems.add(
                    &place,
                    format_args!(
                        "{} is the id of zones[{zone}].rows[{row}].seats[{seat}] too: \
                         give each its own",
                        Shortened(guid)
                    ),
                );
            }
        }
        Some(guid)
    }

    fn read_seat_position(
        &mut self,
        fields: &Fields<'d, '_>,
        (row_x, row_y): (f64, f64),
    ) -> Option<(f64, f64)> {
        fields.required(
            "position",
            "say where the seat is, as {\"x\": 0, \"y\": 0}",
            self.problems,
        );
        let (x, y) = fields.position("position", self.problems)?;
        let (x, y) = (rounded(row_x + x), rounded(row_y + y));
        if within_bounds(x) && within_bounds(y) {
            return Some((x, y));
        }
        self.problems.add(
            &fields.place_of("position"),
            format_args!(
                "adds up with its row's and zone's to ({x}, {y}), but must lie between \
                 -{MAX_COORDINATE} and {MAX_COORDINATE}"
            ),
        );
        None
    }
}

/// A sum of decimal positions without its binary dust: 0.3 instead of
/// 0.30000000000000004, which every client would download. Never -0.
fn rounded(coordinate: f64) -> f64 {
    (coordinate * 1000.0).round() / 1000.0 + 0.0
}
