//! Making a hold final.

use crate::db::bookings::{self, Booking, NewBooking};
use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::buyer_limits::{self, LimitExceeded, Wanted};
use crate::domain::event_view::{self, EventView};
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::sale::{self, SaleNotOpen};
use crate::domain::transaction::{Abort, Settled, UnitOfWork, Work};
use crate::domain::{DomainError, Environment, seat_change, text};
use crate::model::Caller;
use crate::model::ids::BookingId;
use crate::model::reference::BookingReference;
use crate::model::status::{Cause, HoldStatus, SeatStatus};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Confirm a hold.
#[derive(Clone, Debug, Serialize)]
pub struct ConfirmHold {
    /// The hold's token.
    pub token: PresentedToken,
    /// What the payment provider calls the payment.
    pub payment_reference: Option<String>,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The hold is a booking.
#[derive(Debug, Serialize, Deserialize)]
pub struct HoldConfirmed {
    /// The booking.
    pub booking: Booking,
    /// Its seats as they are, in the plan's order.
    pub seats: Vec<SeatState>,
}

/// Why nothing was booked.
#[derive(Debug)]
pub enum ConfirmRefused {
    /// There is no hold with that token, or it was released before.
    Hold(HoldUnusable),
    /// The hold had lapsed, and somebody else has these seats now.
    HoldLapsed {
        /// The event.
        event: Arc<EventView>,
        /// The seats that are lost, as they are now.
        lost: Vec<SeatState>,
    },
    /// The event was cancelled, or the hold had lapsed and the sale is over.
    SaleNotOpen(SaleNotOpen),
    /// The hold had lapsed or was a visitor's, and its buyer would have more than the
    /// event allows.
    LimitExceeded(LimitExceeded),
}

impl From<HoldUnusable> for ConfirmRefused {
    fn from(unusable: HoldUnusable) -> Self {
        Self::Hold(unusable)
    }
}

/// Books the seats of a hold. A hold that is a booking already answers that
/// booking, so a browser and a payment webhook may both call this. One that has
/// lapsed is booked all the same if all of its seats are still unclaimed.
///
/// # Errors
/// When the payment reference makes no sense, or the database fails.
pub async fn confirm_hold(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: ConfirmHold,
) -> Result<Settled<Effect<HoldConfirmed>, ConfirmRefused>, DomainError> {
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "confirmHold", &command, key)?;
    text::check_payment_reference(command.payment_reference.as_deref())?;
    let work = Work {
        environment,
        caller,
        command: &command,
    };
    idempotency::run(connection, environment, caller, request.as_ref(), &work).await
}

impl UnitOfWork for Work<'_, ConfirmHold> {
    type Reading = ();
    type Success = Effect<HoldConfirmed>;
    type Refusal = ConfirmRefused;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<Effect<HoldConfirmed>, Abort<ConfirmRefused>> {
        let (mut hold, now) = access::lock(connection, &self.command.token, self.caller).await?;
        let plans = &self.environment.plans;
        let (event, _) = event_view::find(connection, plans, self.caller, hold.event_id).await?;
        let event = Arc::new(event);
        let payment = self.command.payment_reference.as_deref();
        let record = if hold.status == HoldStatus::Confirmed {
            confirmed_before(connection, &hold, payment).await?
        } else {
            let concurrency = self.environment.concurrency;
            let now = buyer_limits::turn(connection, concurrency, &event.event, &hold, now).await?;
            let from = may_claim(&event, &hold, now)?;
            let was_a_visitors = hold.buyer.is_none();
            // Who held as a visitor and has signed in since finds the booking again.
            hold.buyer = hold.buyer.or_else(|| self.buyer());
            let has_signed_in = was_a_visitors && hold.buyer.is_some();
            // A running hold has been counted, by the limits of that time, unless it was
            // somebody else's.
            if has_signed_in || matches!(from, FromState::UnclaimedSince(_)) {
                self.check_limits(connection, &event, &hold).await?;
            }
            let seats = self.claim(connection, &event, &hold, from).await?;
            self.book(connection, hold, seats).await?
        };
        Ok(Effect { event, record })
    }
}

/// What the hold's seats may be booked from at this time.
fn may_claim(
    event: &EventView,
    hold: &Hold,
    now: DateTime<Utc>,
) -> Result<FromState, Abort<ConfirmRefused>> {
    let not_open = |refusal| Abort::Refused(ConfirmRefused::SaleNotOpen(refusal));
    // What ended the hold, too, if it was not its owner.
    sale::require_not_cancelled(&event.event).map_err(not_open)?;
    match hold.status {
        HoldStatus::Active if now < hold.expires_at => Ok(FromState::HeldBy(hold.id)),
        // A hold that ran out has no more right to its seats than a new one would have.
        HoldStatus::Active | HoldStatus::Lapsed => {
            sale::require_open(&event.event, now).map_err(not_open)?;
            Ok(FromState::UnclaimedSince(hold.id))
        }
        HoldStatus::Released | HoldStatus::Confirmed => {
            Err(Abort::Refused(HoldUnusable::Ended(hold.status).into()))
        }
    }
}

async fn confirmed_before(
    connection: &mut AsyncPgConnection,
    hold: &Hold,
    payment_reference: Option<&str>,
) -> Result<HoldConfirmed, Abort<ConfirmRefused>> {
    let mut booking = bookings::lock_by_hold(connection, hold.event_id, hold.id)
        .await?
        .ok_or(DomainError::NotFound { what: "booking" })?;
    // A browser confirms without the reference that the webhook brings a moment later.
    if booking.payment_reference.is_none() && payment_reference.is_some() {
        booking.payment_reference = payment_reference.map(ToOwned::to_owned);
        booking = bookings::update(connection, &booking)
            .await?
            .ok_or(DomainError::Contended)?;
    }
    let seats = seats::load(connection, booking.event_id, &booking.seat_nos).await?;
    Ok(HoldConfirmed { booking, seats })
}

impl Work<'_, ConfirmHold> {
    fn buyer(&self) -> Option<String> {
        match self.caller {
            Caller::Buyer { subject } => Some(subject.clone()),
            Caller::Anonymous | Caller::Staff { .. } => None,
        }
    }

    async fn check_limits(
        &self,
        connection: &mut AsyncPgConnection,
        event: &EventView,
        hold: &Hold,
    ) -> Result<(), Abort<ConfirmRefused>> {
        let wanted = Wanted {
            owner: hold.id.0,
            buyer: hold.buyer.as_deref(),
            seats: hold.seat_nos.len(),
            had: 0,
            is_new_hold: false,
        };
        let concurrency = self.environment.concurrency;
        buyer_limits::check(connection, concurrency, self.caller, &event.event, wanted)
            .await?
            .map_err(|exceeded| Abort::Refused(ConfirmRefused::LimitExceeded(exceeded)))
    }

    /// A new booking's identity is the owner of its seats from the first write on.
    async fn claim(
        &self,
        connection: &mut AsyncPgConnection,
        event: &Arc<EventView>,
        hold: &Hold,
        from: FromState,
    ) -> Result<(BookingId, Vec<SeatState>), Abort<ConfirmRefused>> {
        let booking = BookingId::generate();
        let concurrency = self.environment.concurrency;
        let event_id = hold.event_id;
        let current = seat_change::read(connection, concurrency, event_id, &hold.seat_nos).await?;
        let expected: Vec<ExpectedSeat> = current.iter().map(SeatState::expected).collect();
        let transition = Transition {
            from,
            to: ToState::Booked(booking),
            cause: Cause::Booked,
            actor: self.caller.to_string(),
        };
        let booked =
            seat_change::change_as_read(connection, event_id, &expected, &transition).await?;
        if booked.len() == hold.seat_nos.len() {
            return Ok((booking, booked));
        }
        let mut lost = seats::load(connection, event_id, &hold.seat_nos).await?;
        lost.retain(|seat| !booked.iter().any(|booked| booked.seat_no == seat.seat_no));
        // Taken and given back since they were read: there to be claimed again.
        let all_back = lost.iter().all(|seat| seat.status == SeatStatus::Available);
        let refusal = ConfirmRefused::HoldLapsed {
            event: Arc::clone(event),
            lost,
        };
        Err(if all_back {
            Abort::Outrun(refusal)
        } else {
            Abort::Refused(refusal)
        })
    }

    async fn book(
        &self,
        connection: &mut AsyncPgConnection,
        mut hold: Hold,
        (id, seats): (BookingId, Vec<SeatState>),
    ) -> Result<HoldConfirmed, Abort<ConfirmRefused>> {
        hold.status = HoldStatus::Confirmed;
        holds::update(connection, &hold).await?;
        let booking = NewBooking {
            event_id: hold.event_id,
            id,
            reference: BookingReference::generate(hold.event_id).to_string(),
            hold_id: Some(hold.id),
            token_hash: Some(hold.token_hash),
            buyer: hold.buyer,
            seat_nos: hold.seat_nos,
            amounts: hold.amounts,
            currency: hold.currency,
            payment_reference: self.command.payment_reference.clone(),
        };
        let booking = bookings::insert(connection, &booking).await?;
        Ok(HoldConfirmed { booking, seats })
    }
}
