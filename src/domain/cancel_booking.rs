//! Giving booked seats back.

use crate::db::bookings::{self, Booking};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::domain::access::{self, BookingUnusable, PresentedBooking};
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::permissions::require;
use crate::domain::transaction::{Abort, Settled, UnitOfWork, Work};
use crate::domain::{DomainError, Environment, prices, seat_change};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::{BookingStatus, Cause};
use crate::model::{Caller, Permission};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};

/// Cancel a booking, all of it or some of its seats.
#[derive(Clone, Debug, Serialize)]
pub struct CancelBooking {
    /// Which booking, at which version.
    pub booking: PresentedBooking,
    /// Which seats; `None` for all.
    pub seats: Option<Vec<(EventId, SeatNo)>>,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The seats are given back.
#[derive(Debug, Serialize, Deserialize)]
pub struct BookingCancelled {
    /// The booking as it became. One that lost its last seat keeps the record of what
    /// was booked.
    pub booking: Booking,
    /// The seats of the booking as they are, in the plan's order.
    pub of_booking: Vec<SeatState>,
    /// Those that were given back, as they became.
    pub seats: Vec<SeatState>,
    /// What they cost, in minor units of the booking's currency.
    pub refund: i64,
}

/// Cancels what `command` names, whatever became of the sale and of the event.
///
/// # Errors
/// When the caller may not, a seat is not in the booking, or the database fails.
pub async fn cancel_booking(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: CancelBooking,
) -> Result<Settled<Effect<BookingCancelled>, BookingUnusable>, DomainError> {
    require(caller, Permission::HoldAndBook)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "cancelBooking", &command, key)?;
    let work = Work {
        environment,
        caller,
        command: &command,
    };
    idempotency::run(connection, environment, caller, request.as_ref(), &work).await
}

impl UnitOfWork for Work<'_, CancelBooking> {
    type Reading = ();
    type Success = Effect<BookingCancelled>;
    type Refusal = BookingUnusable;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<Effect<BookingCancelled>, Abort<BookingUnusable>> {
        let plans = &self.environment.plans;
        let presented = &self.command.booking;
        let (mut booking, event, _) =
            access::lock_booking(connection, plans, presented, self.caller).await?;
        let (seats, id) = (self.command.seats.as_deref(), booking.event_id);
        let named = access::named_or_all("booking", "cancel", seats, id, &booking.seat_nos)?;
        let seats = self.give_back(connection, &booking, &named).await?;
        let (mut left, mut amounts) = (booking.seat_nos.clone(), booking.amounts.clone());
        let refund = prices::remove(&mut left, &mut amounts, &named);
        if left.is_empty() {
            booking.status = BookingStatus::Cancelled;
        } else {
            (booking.seat_nos, booking.amounts) = (left, amounts);
        }
        let booking = bookings::update(connection, &booking)
            .await?
            .ok_or(DomainError::Contended)?;
        let of_booking = seats::load(connection, booking.event_id, &booking.seat_nos).await?;
        Ok(Effect {
            event,
            record: BookingCancelled {
                booking,
                of_booking,
                seats,
                refund,
            },
        })
    }
}

impl Work<'_, CancelBooking> {
    /// Only what the booking still has: a seat that somebody gave to somebody else by
    /// hand is not this caller's to give back any more.
    async fn give_back(
        &self,
        connection: &mut AsyncPgConnection,
        booking: &Booking,
        named: &[SeatNo],
    ) -> Result<Vec<SeatState>, Abort<BookingUnusable>> {
        let event = booking.event_id;
        let from = FromState::BookedBy(booking.id);
        let booked = seats::load_in(connection, event, named, from).await?;
        let expected: Vec<ExpectedSeat> = booked.iter().map(SeatState::expected).collect();
        let transition = Transition {
            from,
            to: ToState::Available,
            cause: Cause::Cancelled,
            actor: self.caller.to_string(),
        };
        let concurrency = self.environment.concurrency;
        Ok(seat_change::change(connection, concurrency, event, &expected, &transition).await?)
    }
}
