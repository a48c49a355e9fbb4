//! Owns what a seat is called: "Stalls, row F, seat 12".
//!
//! A row may bring its own words, `row_label` for "row F" and `seat_label` for
//! the "seat 12" of each of its seats. In both, `%s` stands for the number, as
//! pretix has it. A seat's own `seat_label` replaces all three parts.

use std::borrow::Cow;

use super::reading::Fields;
use super::refusal::Problems;

const NUMBER_PLACEHOLDER: &str = "%s";

/// How the seats of one row are described.
pub(super) struct RowWords<'d> {
    /// "row F", or nothing where the row has no name.
    row: String,
    /// "seat %s"
    seat: Cow<'d, str>,
}

impl<'d> RowWords<'d> {
    /// Reads the words of the row with this number.
    pub(super) fn read(fields: &Fields<'d, '_>, row_number: &str, problems: &mut Problems) -> Self {
        let row = match fields.name("row_label", problems) {
            Some(label) => filled(label, row_number),
            None if row_number.trim().is_empty() => String::new(),
            None => format!("row {row_number}"),
        };
        let seat = match fields.name("seat_label", problems) {
            Some(label) if label.contains(NUMBER_PLACEHOLDER) => Cow::Borrowed(label),
            // Without the number all seats of the row would have one name.
            Some(label) => Cow::Owned(format!("{label} {NUMBER_PLACEHOLDER}")),
            None => Cow::Borrowed("seat %s"),
        };
        RowWords { row, seat }
    }

    /// The whole label of the seat with this number.
    pub(super) fn seat_label(&self, zone_name: &str, seat_number: &str) -> String {
        let seat = filled(&self.seat, seat_number);
        if self.row.is_empty() {
            format!("{zone_name}, {seat}")
        } else {
            format!("{zone_name}, {}, {seat}", self.row)
        }
    }
}

/// Puts the number where the label wants it. Once only: a label of nothing but
/// placeholders must not blow a plan up.
fn filled(label: &str, number: &str) -> String {
    label
        .replacen(NUMBER_PLACEHOLDER, number, 1)
        .trim()
        .to_owned()
}
