//! Refusals: the domain's normal "no", as data. Each has a code for programs, a
//! message for people, and what a client needs to go on.

mod booking;
mod conflict;
mod event;
mod hold;
mod limit;
mod plan;
mod seating;
mod venue;

pub(in crate::graphql) use booking::booking_unusable;
pub use booking::{BookingEnded, BookingNotFound, BookingVersionConflict};
pub use conflict::SeatConflict;
pub use event::{EventStatusConflict, EventVersionConflict};
pub(in crate::graphql) use hold::hold_unusable;
pub use hold::{HoldEnded, HoldExtensionExhausted, HoldLapsed, HoldNotFound};
pub use limit::{LimitExceeded, SaleNotOpen};
pub use plan::SeatingPlanRefused;
pub use seating::{NotEnoughSeats, SeatsLeftAlone};
pub use venue::VenueVersionConflict;

use async_graphql::{Enum, Interface};

/// A normal "no": nothing was changed.
#[derive(Interface)]
#[graphql(
    field(name = "code", ty = "&RefusalCode", desc = "Why, for programs."),
    field(name = "message", ty = "&String", desc = "Why, for people.")
)]
pub enum Refusal {
    /// Somebody else was faster.
    SeatConflict(SeatConflict),
    /// A limit of the event.
    LimitExceeded(LimitExceeded),
    /// Nothing can be held at this time.
    SaleNotOpen(SaleNotOpen),
    /// No hold with that token.
    HoldNotFound(HoldNotFound),
    /// The hold is over.
    HoldEnded(HoldEnded),
    /// The hold had lapsed, and its seats are gone.
    HoldLapsed(HoldLapsed),
    /// Somebody else has changed the venue.
    VenueVersionConflict(VenueVersionConflict),
    /// The hold cannot run any longer.
    HoldExtensionExhausted(HoldExtensionExhausted),
    /// No booking with that reference.
    BookingNotFound(BookingNotFound),
    /// The booking is cancelled.
    BookingEnded(BookingEnded),
    /// Somebody else has changed the booking.
    BookingVersionConflict(BookingVersionConflict),
    /// Somebody else has changed the event.
    EventVersionConflict(EventVersionConflict),
    /// The event's status does not allow it.
    EventStatusConflict(EventStatusConflict),
    /// The plan has mistakes.
    SeatingPlanRefused(SeatingPlanRefused),
    /// A seat would be left alone.
    SeatsLeftAlone(SeatsLeftAlone),
    /// No seats for so many.
    NotEnoughSeats(NotEnoughSeats),
}

/// Why an operation was refused, for programs.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// Seats are not in the state that the decision was made on.
    SeatConflict,
    /// A limit of the event would be exceeded.
    LimitExceeded,
    /// The event is not on sale at this time.
    SaleNotOpen,
    /// There is no hold with that token.
    HoldNotFound,
    /// The hold was released or confirmed before, or has lapsed.
    HoldEnded,
    /// The hold has lapsed and somebody else has some of its seats.
    HoldLapsed,
    /// The hold runs as long as its event allows already.
    HoldExtensionExhausted,
    /// There is no booking with that reference for the caller.
    BookingNotFound,
    /// The booking is cancelled.
    BookingEnded,
    /// The record is not at the version that the decision was made on.
    VersionConflict,
    /// The event is in a status that does not allow it.
    StatusConflict,
    /// The seating plan has mistakes.
    SeatingPlanRefused,
    /// A single seat would be left alone, which the event does not allow.
    SeatsLeftAlone,
    /// There are no seats that suit so many people.
    NotEnoughSeats,
}
