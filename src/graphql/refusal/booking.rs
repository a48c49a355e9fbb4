//! Bookings that are not as somebody believed.

use crate::domain::access::{BookingUnusable, CurrentBooking};
use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::booking::Booking;
use async_graphql::SimpleObject;

/// There is no booking with that reference, or it is somebody else's.
#[derive(SimpleObject)]
pub struct BookingNotFound {
    /// Always `BOOKING_NOT_FOUND`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
}

/// The booking is cancelled.
#[derive(SimpleObject)]
pub struct BookingEnded {
    /// Always `BOOKING_ENDED`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
}

/// The booking is not at the version that the decision was made on.
#[derive(SimpleObject)]
pub struct BookingVersionConflict {
    /// Always `VERSION_CONFLICT`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// The version that the decision was made on.
    expected_version: i32,
    /// The booking as it is now.
    booking: Booking,
}

/// Why nothing can be changed about the booking of a reference, which was seen at
/// `expected_version`.
pub(in crate::graphql) fn booking_unusable<R>(unusable: BookingUnusable, expected_version: i32) -> R
where
    R: From<BookingNotFound> + From<BookingEnded> + From<BookingVersionConflict>,
{
    match unusable {
        BookingUnusable::NotFound => BookingNotFound::new().into(),
        BookingUnusable::Ended => BookingEnded::new().into(),
        BookingUnusable::VersionConflict(current) => {
            BookingVersionConflict::new(expected_version, *current).into()
        }
    }
}

impl BookingNotFound {
    fn new() -> Self {
        Self {
            code: RefusalCode::BookingNotFound,
            message: "there is no booking with this reference for you".to_owned(),
        }
    }
}

impl BookingEnded {
    fn new() -> Self {
        Self {
            code: RefusalCode::BookingEnded,
            message: "the booking is cancelled".to_owned(),
        }
    }
}

impl BookingVersionConflict {
    fn new(expected_version: i32, current: CurrentBooking) -> Self {
        let CurrentBooking {
            event,
            booking,
            seats,
        } = current;
        Self {
            code: RefusalCode::VersionConflict,
            message: format!(
                "the booking is at version {}, not {expected_version}: look at it again",
                booking.version
            ),
            expected_version,
            booking: Booking::new(&event, booking, seats),
        }
    }
}
