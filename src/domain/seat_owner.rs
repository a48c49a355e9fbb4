//! What seats are a part of while they are exchanged: a hold or a booking.

use crate::db::bookings::Booking;
use crate::db::holds::Hold;
use crate::db::seats::{ExpectedSeat, FromState, ToState, Transition};
use crate::domain::access::{PresentedBooking, PresentedToken};
use crate::domain::buyer_limits::Wanted;
use crate::domain::event_view::EventView;
use crate::domain::{DomainError, prices};
use crate::model::Caller;
use crate::model::ids::SeatNo;
use crate::model::status::Cause;
use serde::{Deserialize, Serialize};

/// What the seats are a part of, as the caller names it.
#[derive(Clone, Debug, Serialize)]
pub enum PresentedOwner {
    /// The running hold of this token.
    Hold(PresentedToken),
    /// This booking.
    Booking(PresentedBooking),
}

/// What seats are a part of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Owner {
    /// A hold.
    Hold(Hold),
    /// A booking.
    Booking(Booking),
}

impl Owner {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hold(_) => "hold",
            Self::Booking(_) => "booking",
        }
    }

    /// Its seats, ascending.
    pub fn seat_nos(&self) -> &[SeatNo] {
        match self {
            Self::Hold(hold) => &hold.seat_nos,
            Self::Booking(booking) => &booking.seat_nos,
        }
    }

    /// The sum of its seats' prices, in minor units.
    pub fn total(&self) -> i64 {
        match self {
            Self::Hold(hold) => hold.total(),
            Self::Booking(booking) => booking.total(),
        }
    }

    /// ISO 4217 code of what its seats cost.
    pub fn currency(&self) -> &str {
        match self {
            Self::Hold(hold) => &hold.currency,
            Self::Booking(booking) => &booking.currency,
        }
    }

    /// Takes seats out and puts others in, at the event's prices; answers what that
    /// changes about the total.
    ///
    /// # Errors
    /// When the event has no price for one, which cannot be.
    pub fn reprice(
        &mut self,
        event: &EventView,
        give: &[SeatNo],
        take: &[ExpectedSeat],
    ) -> Result<i64, DomainError> {
        let before = self.total();
        let (seat_nos, amounts) = match self {
            Self::Hold(hold) => (&mut hold.seat_nos, &mut hold.amounts),
            Self::Booking(booking) => (&mut booking.seat_nos, &mut booking.amounts),
        };
        prices::remove(seat_nos, amounts, give);
        let taken = take.iter().map(|seat| seat.seat_no);
        prices::add(event, seat_nos, amounts, taken)?;
        Ok(self.total() - before)
    }

    /// What it is to its buyer's limits, when it `had` so many seats before.
    pub fn wanted(&self, had: usize) -> Wanted<'_> {
        let (owner, buyer) = match self {
            Self::Hold(hold) => (hold.id.0, hold.buyer.as_deref()),
            Self::Booking(booking) => (booking.id.0, booking.buyer.as_deref()),
        };
        Wanted {
            owner,
            buyer,
            seats: self.seat_nos().len(),
            had,
            is_new_hold: false,
        }
    }

    /// What becomes of the seats that are taken, and of those that are given back.
    pub fn transitions(&self, caller: &Caller) -> (Transition, Transition) {
        let (to, taking, from, giving) = match self {
            Self::Hold(hold) => (
                ToState::Held(hold.id, hold.expires_at),
                Cause::Held,
                FromState::HeldBy(hold.id),
                Cause::Released,
            ),
            Self::Booking(booking) => (
                ToState::Booked(booking.id),
                Cause::Booked,
                FromState::BookedBy(booking.id),
                Cause::Cancelled,
            ),
        };
        let transition = |from, to, cause| Transition {
            from,
            to,
            cause,
            actor: caller.to_string(),
        };
        (
            transition(FromState::Takeable, to, taking),
            transition(from, ToState::Available, giving),
        )
    }
}
