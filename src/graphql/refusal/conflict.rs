//! A lost race.

use crate::domain::conflict::SeatConflict as Conflict;
use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::seat::Seat;
use async_graphql::SimpleObject;

/// Somebody else was faster: nothing was changed. Every seat that was lost is
/// listed as it is now, so that a client can repaint and try again without
/// another query.
#[derive(SimpleObject)]
pub struct SeatConflict {
    /// Always `SEAT_CONFLICT`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// How often it was tried, at least once.
    attempts: u32,
    /// Every seat that could not be had.
    conflicts: Vec<SeatConflictDetail>,
    /// For each lost seat one of the same kind near it that was available at
    /// that moment; fewer when the house has no more, and none for staff who block or
    /// unblock seats, or when the service is too busy to look.
    alternatives: Vec<Seat>,
}

/// A seat that could not be had.
#[derive(SimpleObject)]
struct SeatConflictDetail {
    /// The seat as it is now.
    seat: Seat,
    /// The version that the decision was made on.
    expected_version: i32,
}

impl SeatConflict {
    pub(in crate::graphql) fn new(conflict: Conflict, attempts: u32) -> Self {
        let event = &conflict.event;
        let conflicts: Vec<_> = conflict
            .lost
            .iter()
            .map(|lost| SeatConflictDetail {
                seat: Seat::new(event, lost.now),
                expected_version: lost.expected_version,
            })
            .collect();
        let message = match conflicts.len() {
            1 => "one of the seats has changed or is not to be had; nothing was changed".to_owned(),
            count => format!(
                "{count} of the seats have changed or are not to be had; nothing was changed"
            ),
        };
        Self {
            code: RefusalCode::SeatConflict,
            message,
            attempts,
            alternatives: Seat::all(event, conflict.alternatives),
            conflicts,
        }
    }
}
