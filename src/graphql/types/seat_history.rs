//! What became of a seat.

use crate::db::changes::SeatStep;
use crate::graphql::types::seat::SeatStatus;
use crate::graphql::types::time::Time;
use crate::model::global_id::GlobalId;
use crate::model::ids::{BookingId, EventId, HoldId};
use crate::model::status;
use async_graphql::{Enum, ID, SimpleObject};

/// One step of a seat's version.
#[derive(SimpleObject, Clone)]
pub struct SeatHistoryEntry {
    /// The version that the seat came to: 2 for the first step, and 1 more with each.
    version: i32,
    /// The status that it came to.
    status: SeatStatus,
    /// Why.
    cause: SeatChangeCause,
    /// By whom: `buyer:`, `box-office:` or `staff:` and the subject of the token, `anonymous` for a
    /// visitor, or `system:` and the part of the server that did it.
    actor: String,
    /// When, by the database's clock.
    changed_at: Time,
    /// Global id of the hold or the booking that the seat came to; null when it came to
    /// none. A hold that is over is not to be had as a `Node` any more.
    owner: Option<ID>,
}

impl SeatHistoryEntry {
    /// A step of a seat of this event.
    pub fn new(event: EventId, step: SeatStep) -> Self {
        let owner = match step.status {
            status::SeatStatus::Held => step.owner_id.map(|id| GlobalId::Hold(event, HoldId(id))),
            status::SeatStatus::Booked => step
                .owner_id
                .map(|id| GlobalId::Booking(event, BookingId(id))),
            status::SeatStatus::Available | status::SeatStatus::Blocked => None,
        };
        Self {
            version: step.version,
            status: step.status.into(),
            cause: step.cause.into(),
            actor: step.actor,
            changed_at: Time(step.changed_at),
            owner: owner.map(|id| id.to_string().into()),
        }
    }
}

/// Why a seat came to its status.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "status::Cause")]
pub enum SeatChangeCause {
    /// The event was created: version 1, which is no step.
    Created,
    /// It was held, or added to a hold.
    Held,
    /// It was taken out of its hold.
    Released,
    /// Its hold ran out.
    Lapsed,
    /// It was sold.
    Booked,
    /// Its booking, or the part of it that the seat was, was cancelled; or it was held, and
    /// the event was cancelled.
    Cancelled,
    /// Staff kept it out of the sale.
    Blocked,
    /// Staff gave it back to the sale.
    Unblocked,
    /// Somebody changed it by hand in the database.
    Correction,
}
