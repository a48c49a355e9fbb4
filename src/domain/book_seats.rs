//! Selling seats at the box office, without a hold.

use crate::db::bookings::{self, Booking, NewBooking};
use crate::db::seats::{ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::domain::box_office::{BoxOfficeRefused, NamedSeats};
use crate::domain::conflict;
use crate::domain::event_view::EventView;
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::permissions::require;
use crate::domain::transaction::{Abort, Settled, UnitOfWork, Work};
use crate::domain::{DomainError, Environment, prices, text};
use crate::model::caller::is_subject;
use crate::model::ids::BookingId;
use crate::model::reference::BookingReference;
use crate::model::status::{Cause, EventStatus};
use crate::model::{Caller, Permission};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};

/// Sell these seats at once, all of them or none.
#[derive(Clone, Debug, Serialize)]
pub struct BookSeats {
    /// Which seats.
    pub seats: NamedSeats,
    /// Subject of the token of the buyer whose booking it becomes; `None` for nobody's.
    pub buyer: Option<String>,
    /// What the payment provider, or the till, calls the payment.
    pub payment_reference: Option<String>,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The seats are sold.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeatsBooked {
    /// The booking.
    pub booking: Booking,
    /// Its seats as they became, in the plan's order.
    pub seats: Vec<SeatState>,
}

/// Sells the seats of `command` at the prices of this moment. The box office is bound
/// neither to the sale window nor to what the event allows a buyer; it sells before the
/// sale has begun and after it was closed, but not a draft.
///
/// # Errors
/// When the caller may not, the command makes no sense, the event is not there, or
/// the database fails.
pub async fn book_seats(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: BookSeats,
) -> Result<Settled<Effect<SeatsBooked>, BoxOfficeRefused>, DomainError> {
    require(caller, Permission::SellByHand)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "bookSeats", &command, key)?;
    command.seats.check()?;
    if command
        .buyer
        .as_deref()
        .is_some_and(|buyer| !is_subject(buyer))
    {
        let message = "must have 1 to 255 bytes and no control characters, as the subject of a \
                       token: leave it out when the booking is nobody's";
        return Err(DomainError::invalid("buyer", message));
    }
    text::check_payment_reference(command.payment_reference.as_deref())?;
    let work = Work {
        environment,
        caller,
        command: &command,
    };
    let mut settled =
        idempotency::run(connection, environment, caller, request.as_ref(), &work).await?;
    if let Err(BoxOfficeRefused::Conflict(conflict)) = &mut settled.result {
        conflict::look_around(connection, &mut [conflict]).await?;
    }
    Ok(settled)
}

impl UnitOfWork for Work<'_, BookSeats> {
    type Reading = Vec<ExpectedSeat>;
    type Success = Effect<SeatsBooked>;
    type Refusal = BoxOfficeRefused;

    async fn read(
        &self,
        connection: &mut AsyncPgConnection,
        attempt: u32,
    ) -> Result<Vec<ExpectedSeat>, DomainError> {
        self.command.seats.expected(connection, attempt).await
    }

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        expected: &Vec<ExpectedSeat>,
    ) -> Result<Effect<SeatsBooked>, Abort<BoxOfficeRefused>> {
        let environment = self.environment;
        let named = &self.command.seats;
        let but_not = [EventStatus::Draft, EventStatus::Cancelled];
        let event = named
            .find_event(connection, environment, self.caller, &but_not)
            .await?;
        let booking = self.new_booking(&event)?;
        let transition = Transition {
            from: FromState::Takeable,
            to: ToState::Booked(booking.id),
            cause: Cause::Booked,
            actor: self.caller.to_string(),
        };
        let seats = named
            .change(connection, environment, &event, expected, &transition)
            .await?;
        let booking = bookings::insert(connection, &booking).await?;
        let record = SeatsBooked { booking, seats };
        Ok(Effect { event, record })
    }
}

impl Work<'_, BookSeats> {
    fn new_booking(&self, event: &EventView) -> Result<NewBooking, DomainError> {
        let BookSeats {
            seats,
            buyer,
            payment_reference,
            ..
        } = self.command;
        let (mut seat_nos, mut amounts) = (Vec::new(), Vec::new());
        let named = seats.seats.iter().map(|seat| seat.seat_no);
        prices::add(event, &mut seat_nos, &mut amounts, named)?;
        Ok(NewBooking {
            event_id: seats.event,
            id: BookingId::generate(),
            reference: BookingReference::generate(seats.event).to_string(),
            hold_id: None,
            token_hash: None,
            buyer: buyer.clone(),
            seat_nos,
            amounts,
            currency: event.event.currency.clone(),
            payment_reference: payment_reference.clone(),
        })
    }
}
