//! `cancelBooking`.

use crate::domain::access::PresentedBooking;
use crate::domain::cancel_booking::{self, CancelBooking};
use crate::domain::idempotency::Effect;
use crate::domain::transaction::Settled;
use crate::graphql::errors::ApiResult;
use crate::graphql::input::{FeedCursor, booking_reference, seat_ids};
use crate::graphql::refusal::{
    BookingEnded, BookingNotFound, BookingVersionConflict, booking_unusable,
};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::booking::Booking;
use crate::graphql::types::money::Money;
use crate::graphql::types::seat::Seat;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// What to cancel.
#[derive(InputObject)]
struct CancelBookingInput {
    /// The booking's reference; letter case and hyphens do not matter.
    reference: String,
    /// The token of the hold that it was: for an owner who is not signed in.
    token: Option<String>,
    /// The version of the booking that the decision was made on.
    version: i32,
    /// Which of its seats; all of them when left out.
    seat_ids: Option<Vec<ID>>,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// What became of it.
#[derive(Union)]
#[allow(
    clippy::enum_variant_names,
    reason = "a variant is called what its type is called"
)]
enum CancelBookingResult {
    /// The seats are given back.
    BookingCancelled(BookingCancelled),
    /// There is no booking with that reference for the caller.
    BookingNotFound(BookingNotFound),
    /// The booking is cancelled already.
    BookingEnded(BookingEnded),
    /// Somebody else has changed the booking.
    BookingVersionConflict(BookingVersionConflict),
}

/// The seats are given back: all of the booking, which then is `CANCELLED`, or some.
#[derive(SimpleObject)]
struct BookingCancelled {
    /// The booking as it became. When all of its seats are given back, it still lists
    /// them, as the record of what was booked.
    booking: Booking,
    /// The seats that were given back, as they became.
    seats: Vec<Seat>,
    /// What these seats cost, fixed when they were held.
    refund: Money,
    /// How often it was tried, at least once.
    attempts: u32,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

#[derive(Default)]
pub struct CancelBookingMutation;

#[Object]
impl CancelBookingMutation {
    /// Gives booked seats back, all of a booking or some: for its owner, staff and the box office,
    /// also when the sale is over or the event is cancelled.
    async fn cancel_booking(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which booking, and which of its seats.")] input: CancelBookingInput,
    ) -> ApiResult<CancelBookingResult> {
        recorded(context, async move {
            let version = input.version;
            let seats = input
                .seat_ids
                .map(|ids| seat_ids("input.seatIds", &ids))
                .transpose()?;
            let command = CancelBooking {
                booking: PresentedBooking {
                    reference: booking_reference("input.reference", &input.reference)?,
                    token: input.token.and_then(|token| token.parse().ok()),
                    version,
                },
                seats,
                idempotency_key: input.idempotency_key,
            };
            let services = services(context)?;
            let mut connection = connection(context).await?;
            let caller = caller(context);
            let environment = &services.environment;
            let Settled { result, attempts } =
                cancel_booking::cancel_booking(&mut connection, environment, caller, command)
                    .await?;
            drop(connection);
            Ok(match result {
                Ok(Effect { event, record }) => {
                    let transaction = record.booking.transaction_id;
                    let cursor = services.publish(event.event.id, transaction);
                    CancelBookingResult::BookingCancelled(BookingCancelled {
                        refund: Money::new(record.refund, &record.booking.currency),
                        seats: Seat::all(&event, record.seats),
                        booking: Booking::new(&event, record.booking, record.of_booking),
                        attempts,
                        cursor,
                    })
                }
                Err(unusable) => booking_unusable(unusable, version),
            })
        })
        .await
    }
}
