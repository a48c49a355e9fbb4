//! Seat maps and their changes in few bytes.

use crate::db::seats::SeatState;
use crate::feed;
use crate::model::compact_seats;
use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// Seats in their compact form; it only ever goes out.
pub struct CompactSeats(String);

impl CompactSeats {
    /// Every seat of a map.
    pub fn all(map: &feed::SeatMap) -> Self {
        let states = map.seats.iter().map(|seat| (seat.status, seat.version));
        Self(compact_seats::whole_map(states))
    }

    /// Seats that have changed.
    pub fn changed(changes: &[SeatState]) -> Self {
        let changes = changes.iter();
        Self(compact_seats::changes(
            changes.map(|seat| (seat.seat_no, seat.status, seat.version)),
        ))
    }
}

/// Statuses and versions of seats: base64, with padding, of a format byte and numbers in
/// LEB128. The state of a seat is the number version × 4 + status, where `AVAILABLE` is 0,
/// `HELD` 1, `BOOKED` 2 and `BLOCKED` 3.
///
/// Format 1, a whole map: the state of every seat in the plan's order.
///
/// Format 2, changes: for each changed seat, in the plan's order, how many seats lie
/// between it and the one before it in this list (for the first one: before it in the
/// plan), and its state.
///
/// Refuse any other format. `/compact-seats.js` on this server is a decoder for
/// browsers, and `docs/compact-maps.md` has an example.
#[Scalar]
impl ScalarType for CompactSeats {
    fn parse(value: Value) -> InputValueResult<Self> {
        // No argument is of this type, so nobody is ever told.
        Err(InputValueError::expected_type(value))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}
