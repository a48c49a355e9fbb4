//! Houses for tests, drawn as text: a line is a row, the first one nearest to
//! the stage, and a character is a seat.
//!
//! | drawn | is |
//! | --- | --- |
//! | `.` | a free seat |
//! | `x` | a taken seat |
//! | `a` | a free place for wheelchair users |
//! | `A` | a taken place for wheelchair users |
//! | `o` | a free seat of category 1; all others are of category 0 |
//! | `\|` | no seat, but an aisle |
//! | `_` | no seat and no aisle: how a row is moved to the right |

use crate::domain::seating::party::{Adjacency, Party};
use crate::model::ids::{PlanId, SeatNo};
use crate::model::seating_plan::{PlanRow, PlanSeat, SeatingPlan};

/// How much farther it is across an aisle, in seats.
const AISLE: f64 = 1.5;
/// Seats of a taken row far behind, which make one seat the usual gap however
/// many aisles are drawn.
const RULER: usize = 64;

/// A drawn house: all of it is zone 0.
pub(super) struct Drawing {
    pub(super) plan: SeatingPlan,
    pub(super) free: Vec<bool>,
    /// The seat that each character of the lines is, if any.
    pub(super) seats: Vec<Vec<Option<SeatNo>>>,
}

/// Anybody: this many, nothing asked but to sit side by side if possible.
pub(super) fn party(size: usize) -> Party {
    Party {
        size,
        accessible: 0,
        category: None,
        zones: Vec::new(),
        adjacency: Adjacency::Preferred,
    }
}

/// Reads a house from its rows.
pub(super) fn drawn(lines: &[&str]) -> Drawing {
    let mut plan_seats = Vec::new();
    let mut free = Vec::new();
    let mut seats = Vec::new();
    let ruler = "x".repeat(RULER);
    for (row, line) in lines.iter().copied().chain([ruler.as_str()]).enumerate() {
        let mut x = 0.0;
        let mut of_line = Vec::new();
        for drawn in line.chars() {
            if matches!(drawn, '|' | '_') {
                x += if drawn == '|' { AISLE } else { 1.0 };
                of_line.push(None);
                continue;
            }
            of_line.push(SeatNo::try_from(plan_seats.len()).ok());
            free.push(matches!(drawn, '.' | 'a' | 'o'));
            plan_seats.push(PlanSeat {
                guid: plan_seats.len().to_string(),
                zone: 0,
                row: Some(PlanRow {
                    index: row,
                    label: row.to_string(),
                }),
                number: None,
                label: String::new(),
                category: usize::from(drawn == 'o'),
                accessible: matches!(drawn, 'a' | 'A'),
                x: Some(x),
                y: Some(f64::from(u32::try_from(row).unwrap())),
            });
            x += 1.0;
        }
        seats.push(of_line);
    }
    seats.pop();
    let plan = SeatingPlan::new(
        (PlanId(1), chrono::DateTime::UNIX_EPOCH),
        "Drawn".into(),
        (1.0, 1.0),
        Vec::new(),
        Vec::new(),
        plan_seats,
    );
    Drawing { plan, free, seats }
}

impl Drawing {
    pub(super) fn is_free(&self, seat_no: SeatNo) -> bool {
        self.free[usize::try_from(seat_no).unwrap()]
    }

    /// The seats under a `^` of these lines.
    pub(super) fn marked(&self, marks: &[&str]) -> Vec<SeatNo> {
        let mut marked = Vec::new();
        for (line, seats) in marks.iter().zip(&self.seats) {
            for (mark, seat) in line.chars().zip(seats) {
                if mark == '^' {
                    marked.push(seat.expect("a seat above the mark"));
                }
            }
        }
        marked
    }

    /// Lines with a `^` under each of these seats.
    pub(super) fn marks(&self, marked: &[SeatNo]) -> Vec<String> {
        let mark = |seat: &Option<SeatNo>| match seat {
            Some(seat) if marked.contains(seat) => '^',
            _ => ' ',
        };
        let line = |seats: &Vec<Option<SeatNo>>| seats.iter().map(mark).collect::<String>();
        let lines = self.seats.iter().map(line);
        lines.map(|line| line.trim_end().to_owned()).collect()
    }
}
