//! Seats that do not suit the party or the house.

use crate::domain::lone_seat_rule::LeftAlone;
use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::seat::Seat;
use async_graphql::SimpleObject;

/// Single seats would be left alone, though their row has room for the party without that,
/// and the event does not allow it: nothing was changed.
#[derive(SimpleObject)]
pub struct SeatsLeftAlone {
    /// Always `SEATS_LEFT_ALONE`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// The seats that would be left alone, as they are.
    seats: Vec<Seat>,
}

/// There are no seats that suit so many people: nothing was changed.
#[derive(SimpleObject)]
pub struct NotEnoughSeats {
    /// Always `NOT_ENOUGH_SEATS`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// How many people there is still room for together, of those who want the same: always
    /// fewer than were asked for.
    largest_group: usize,
}

impl SeatsLeftAlone {
    pub(in crate::graphql) fn new(LeftAlone { event, seats }: LeftAlone) -> Self {
        let seats = Seat::all(&event, seats);
        Self {
            code: RefusalCode::SeatsLeftAlone,
            message: match seats.len() {
                1 => "a single seat would be left alone: take it too, or move".to_owned(),
                count => {
                    format!("{count} single seats would be left alone: take them too, or move")
                }
            },
            seats,
        }
    }
}

impl NotEnoughSeats {
    pub(in crate::graphql) fn new(largest_group: usize) -> Self {
        Self {
            code: RefusalCode::NotEnoughSeats,
            message: match largest_group {
                0 => "there is no seat left of what was asked for".to_owned(),
                count => format!("there are no seats for so many; {count} can still sit together"),
            },
            largest_group,
        }
    }
}
