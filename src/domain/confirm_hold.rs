//! Making a hold final.

use crate::db::bookings::{Booking, NewBooking};
use crate::db::holds::Hold;
use crate::db::seats::{FromState, SeatState, ToState, Transition};
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::batch::{Decision, FirstReading, Ledger, Needs, No, Tries};
use crate::domain::buyer_limits::{self, LimitExceeded, Wanted};
use crate::domain::event_view::EventView;
use crate::domain::idempotency::{Effect, IdempotentRequest};
use crate::domain::permissions::require;
use crate::domain::sale::{self, SaleNotOpen};
use crate::domain::{DomainError, text};
use crate::model::ids::{BookingId, EventId, SeatNo};
use crate::model::reference::BookingReference;
use crate::model::status::{Cause, HoldStatus};
use crate::model::{Caller, Permission};
use chrono::{DateTime, Utc};
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

/// Booking the seats of a hold. A hold that is a booking already answers that
/// booking, so a browser and a payment webhook may both ask for this. One that has
/// lapsed is booked all the same if all of its seats are still unclaimed.
pub struct ConfirmingHold {
    caller: Caller,
    command: ConfirmHold,
    /// A new booking's identity is the owner of its seats from the first write on.
    booking: BookingId,
}

/// What is to be decided, and once only under its idempotency key.
///
/// # Errors
/// When the payment reference or the key makes no sense.
pub fn confirm_hold(
    caller: &Caller,
    command: ConfirmHold,
) -> Result<(ConfirmingHold, Option<IdempotentRequest>), DomainError> {
    require(caller, Permission::HoldAndBook)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "confirmHold", &command, key)?;
    text::check_payment_reference(command.payment_reference.as_deref())?;
    let work = ConfirmingHold {
        caller: caller.clone(),
        command,
        booking: BookingId::generate(),
    };
    Ok((work, request))
}

impl Decision for ConfirmingHold {
    type Record = HoldConfirmed;
    type Refusal = ConfirmRefused;

    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn event(&self) -> Option<EventId> {
        self.command.token.as_ref().map(|token| token.event)
    }

    fn needs(&self, needs: &mut Needs) {
        if let Some(token) = &self.command.token {
            needs.booking_of(token.event, token.hold);
        }
    }

    fn needs_then(&self, first: &FirstReading, needs: &mut Needs) {
        let token = self.command.token.as_ref();
        let Some(hold) = token.and_then(|token| first.hold(token.event, token.hold)) else {
            return;
        };
        needs.seats(hold.event_id, hold.seat_nos.iter().copied());
        // Its seats may have been exchanged since it was confirmed.
        if let Some(booking) = first.booking_of(hold.event_id, hold.id) {
            needs.seats(hold.event_id, booking.seat_nos.iter().copied());
        }
        // One that is still running when its buyer has the turn is counted by everybody
        // who has had the turn before, as a hold, and by everybody who comes after, as what
        // has become of it.
        let buyer = hold.buyer.clone().or_else(|| self.buyer());
        let event = first.event(hold.event_id);
        if let Some(buyer) = buyer
            && event.is_some_and(|view| buyer_limits::is_limited(&view.event))
        {
            needs.buyer(hold.event_id, &buyer);
        }
    }

    fn decide(
        &self,
        ledger: &mut Ledger,
        _tries: &mut Tries,
    ) -> Result<Effect<HoldConfirmed>, No<ConfirmRefused>> {
        let unusable = |unusable: HoldUnusable| No::Refused(unusable.into());
        let mut hold = access::usable(ledger, &self.command.token, &self.caller)
            .map_err(unusable)?
            .clone();
        let event = ledger.event(&self.caller, hold.event_id)?;
        if hold.status == HoldStatus::Confirmed {
            let record = self.confirmed_before(ledger, &hold)?;
            return Ok(Effect { event, record });
        }
        let from = may_claim(&event, &hold, ledger.clock())?;
        let was_a_visitors = hold.buyer.is_none();
        // Who held as a visitor and has signed in since finds the booking again.
        hold.buyer = hold.buyer.or_else(|| self.buyer());
        let has_signed_in = was_a_visitors && hold.buyer.is_some();
        // A running hold has been counted, by the limits of that time, unless it was
        // somebody else's.
        if has_signed_in || matches!(from, FromState::UnclaimedSince(_)) {
            self.check_limits(ledger, &event, &hold)?;
        }
        let seats = self.claim(ledger, &event, &hold, from)?;
        let booking = self.book(ledger, hold);
        let record = HoldConfirmed { booking, seats };
        Ok(Effect { event, record })
    }
}

/// What the hold's seats may be booked from at this time.
fn may_claim(
    event: &EventView,
    hold: &Hold,
    now: DateTime<Utc>,
) -> Result<FromState, No<ConfirmRefused>> {
    let not_open = |refusal| No::Refused(ConfirmRefused::SaleNotOpen(refusal));
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
            Err(No::Refused(HoldUnusable::Ended(hold.status).into()))
        }
    }
}

impl ConfirmingHold {
    fn buyer(&self) -> Option<String> {
        match &self.caller {
            Caller::Buyer { subject } => Some(subject.clone()),
            Caller::Onlooker
            | Caller::Anonymous
            | Caller::BoxOffice { .. }
            | Caller::Staff { .. } => None,
        }
    }

    fn confirmed_before(
        &self,
        ledger: &mut Ledger,
        hold: &Hold,
    ) -> Result<HoldConfirmed, No<ConfirmRefused>> {
        let found = ledger.booking_of(hold.event_id, hold.id);
        let mut booking = found
            .ok_or(DomainError::NotFound { what: "booking" })?
            .clone();
        // A browser confirms without the reference that the webhook brings a moment later.
        let payment = &self.command.payment_reference;
        if booking.payment_reference.is_none() && payment.is_some() {
            if ledger.is_booking_changed(hold.event_id, hold.id) {
                return Err(No::PutOff);
            }
            booking.payment_reference.clone_from(payment);
            booking = ledger.update_booking(hold.id, booking);
        }
        let seats = ledger.states(booking.event_id, &booking.seat_nos);
        Ok(HoldConfirmed { booking, seats })
    }

    fn check_limits(
        &self,
        ledger: &Ledger,
        event: &EventView,
        hold: &Hold,
    ) -> Result<(), No<ConfirmRefused>> {
        let wanted = Wanted {
            owner: hold.id.0,
            buyer: hold.buyer.as_deref(),
            seats: hold.seat_nos.len(),
            had: 0,
            is_new_hold: false,
        };
        buyer_limits::check_in(ledger, &self.caller, &event.event, wanted)
            .map_err(|exceeded| No::Refused(ConfirmRefused::LimitExceeded(exceeded)))
    }

    fn claim(
        &self,
        ledger: &mut Ledger,
        event: &Arc<EventView>,
        hold: &Hold,
        from: FromState,
    ) -> Result<Vec<SeatState>, No<ConfirmRefused>> {
        let id = hold.event_id;
        let seats = &hold.seat_nos;
        let is_lost = |seat_no: &&SeatNo| !ledger.accepts(id, **seat_no, from);
        let lost: Vec<SeatNo> = seats.iter().filter(is_lost).copied().collect();
        if !lost.is_empty() {
            return Err(No::Refused(ConfirmRefused::HoldLapsed {
                event: Arc::clone(event),
                lost: ledger.states(id, &lost),
            }));
        }
        if seats.iter().any(|seat_no| ledger.is_changed(id, *seat_no)) {
            return Err(No::PutOff);
        }
        let transition = Transition {
            from,
            to: ToState::Booked(self.booking),
            cause: Cause::Booked,
            actor: self.caller.to_string(),
        };
        Ok(ledger.change(id, seats, transition))
    }

    fn book(&self, ledger: &mut Ledger, mut hold: Hold) -> Booking {
        hold.status = HoldStatus::Confirmed;
        let booking = NewBooking {
            event_id: hold.event_id,
            id: self.booking,
            reference: BookingReference::generate(hold.event_id).to_string(),
            hold_id: Some(hold.id),
            token_hash: Some(hold.token_hash.clone()),
            buyer: hold.buyer.clone(),
            seat_nos: hold.seat_nos.clone(),
            amounts: hold.amounts.clone(),
            currency: hold.currency.clone(),
            payment_reference: self.command.payment_reference.clone(),
        };
        let buyer = (hold.event_id, hold.buyer.as_deref());
        let seats = hold.seat_nos.len();
        ledger.count(buyer, hold.id.0, (self.booking.0, false, seats));
        let id = hold.id;
        ledger.put_hold(hold, false);
        ledger.put_booking(id, booking)
    }
}
