//! What every way to hold seats shares, whoever picks them: the hold that they go
//! into, the rules of the event, and taking them.

use crate::db::holds::Hold;
use crate::db::seats::{FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::TransactionId;
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::batch::{FirstReading, Ledger, Needs, No};
use crate::domain::buyer_limits::{self, LimitExceeded, Wanted};
use crate::domain::conflict::SeatConflict;
use crate::domain::event_view::EventView;
use crate::domain::idempotency::Effect;
use crate::domain::lone_seat_rule::{self, LeftAlone, Seating};
use crate::domain::prices;
use crate::domain::sale::{self, SaleNotOpen};
use crate::model::Caller;
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::{Cause, HoldStatus};
use crate::model::token::{HoldToken, TokenSalt};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The seats are held.
#[derive(Debug)]
pub struct SeatsHeld {
    /// The event.
    pub event: Arc<EventView>,
    /// The hold.
    pub hold: Hold,
    /// Its token: given to the caller and to nobody else.
    pub token: HoldToken,
    /// All of the hold's seats as they became, in the plan's order.
    pub seats: Vec<SeatState>,
    /// Seats that are left alone beside them, where the event warns of that.
    pub left_alone: Vec<SeatState>,
    /// The transaction that held them.
    pub transaction: TransactionId,
}

/// Why no seat was held.
#[derive(Debug)]
pub enum HoldRefused {
    /// Somebody else was faster.
    Conflict(SeatConflict),
    /// The hold or its buyer would have more than the event allows.
    LimitExceeded(LimitExceeded),
    /// Nothing can be held at this time.
    SaleNotOpen(SaleNotOpen),
    /// The hold to add them to cannot be used, or is of another event.
    Hold(HoldUnusable),
    /// The event does not allow to leave seats alone.
    LeftAlone(LeftAlone),
    /// There are no seats that suit so many people.
    NotEnoughSeats {
        /// How many there is still room for together.
        largest_group: usize,
    },
}

impl From<HoldUnusable> for HoldRefused {
    fn from(unusable: HoldUnusable) -> Self {
        Self::Hold(unusable)
    }
}

impl From<SeatConflict> for HoldRefused {
    fn from(conflict: SeatConflict) -> Self {
        Self::Conflict(conflict)
    }
}

/// Holding seats of an event for a caller.
pub struct Holding {
    /// Who asks.
    pub caller: Caller,
    /// The event.
    pub event: EventId,
    /// The hold to add them to; `None` for a new one.
    into_hold: Option<PresentedToken>,
    /// The new one.
    new_hold: HoldId,
    /// What a new hold's token is derived with: a request that is sent again is
    /// answered with the same token, which is stored nowhere.
    token_key: Vec<u8>,
    token_salt: TokenSalt,
}

/// What is remembered of seats that were held.
#[derive(Debug, Serialize, Deserialize)]
pub struct Held {
    hold: Hold,
    seats: Vec<SeatState>,
    left_alone: Vec<SeatState>,
    token_salt: TokenSalt,
    transaction: TransactionId,
}

/// The hold that seats go into, before they do.
pub struct OpenHold {
    /// Its event.
    pub event: Arc<EventView>,
    /// As it is so far.
    pub hold: Hold,
}

impl Holding {
    /// For this caller, into this hold or a new one. The key, if there is one, makes
    /// the new hold's token the same each time; without it the token is random.
    pub fn new(
        caller: Caller,
        event: EventId,
        into_hold: Option<PresentedToken>,
        idempotency_key: Option<&str>,
    ) -> Self {
        let random = || rand::random::<[u8; 32]>().to_vec();
        Self {
            caller,
            event,
            into_hold,
            new_hold: HoldId::generate(),
            token_key: idempotency_key.map_or_else(random, |key| key.as_bytes().to_vec()),
            token_salt: TokenSalt::generate(),
        }
    }

    /// The event, and the hold of the token.
    pub fn needs(&self, needs: &mut Needs) {
        needs.event(self.event);
        if let Some(token) = self.token_of_event() {
            needs.hold(self.event, token.hold);
        }
    }

    /// The seats that the hold has already, what its buyer has, and the rows of those that are
    /// to be taken.
    pub fn needs_then(&self, first: &FirstReading, taking: &[SeatNo], needs: &mut Needs) {
        let Some(event) = first.event(self.event) else {
            return;
        };
        let hold = self
            .token_of_event()
            .and_then(|token| first.hold(self.event, token.hold));
        let buyer = match hold {
            None => self.caller.subject(),
            Some(hold) => {
                needs.seats(self.event, hold.seat_nos.iter().copied());
                hold.buyer.as_deref()
            }
        };
        if let Some(buyer) = buyer_limits::counted(&event.event, &self.caller, buyer) {
            needs.buyer(self.event, buyer);
        }
        lone_seat_rule::needs(event, taking, needs);
    }

    /// The token of the hold that is to get the seats, if it is one of this event.
    fn token_of_event(&self) -> Option<&HoldToken> {
        let token = self.into_hold.as_ref()?.as_ref()?;
        (token.event == self.event).then_some(token)
    }

    /// The hold to put seats into: a new one, or that of the token. The sale must be open.
    ///
    /// # Errors
    /// A refusal when nothing can be held, or not into that hold.
    pub fn open(&self, ledger: &Ledger) -> Result<OpenHold, No<HoldRefused>> {
        let event = ledger.event(&self.caller, self.event)?;
        sale::require_open(&event.event, ledger.now())
            .map_err(|refusal| No::Refused(HoldRefused::SaleNotOpen(refusal)))?;
        let hold = match &self.into_hold {
            None => self.new_hold(&event, ledger),
            Some(_) => self
                .existing_hold(ledger)
                .map_err(|unusable| No::Refused(unusable.into()))?,
        };
        Ok(OpenHold { event, hold })
    }

    /// Takes all of `seats`, which can be taken, into the hold, or none.
    ///
    /// # Errors
    /// A refusal when a rule of the event is in the way.
    pub fn take(
        &self,
        ledger: &mut Ledger,
        OpenHold { event, mut hold }: OpenHold,
        seats: &[SeatNo],
    ) -> Result<Effect<Held>, No<HoldRefused>> {
        let own = hold.seat_nos.clone();
        let had = ledger.states_owned(self.event, &own, hold.id.0);
        if had.len() < own.len() {
            // It lapses at this moment, and has lost one.
            let lapsed = HoldUnusable::Ended(HoldStatus::Lapsed);
            return Err(No::Refused(lapsed.into()));
        }
        let taken = seats.iter().copied();
        prices::add(&event, &mut hold.seat_nos, &mut hold.amounts, taken)?;
        let seating = Seating {
            taken: seats,
            own: &own,
            given: &[],
        };
        let left_alone = lone_seat_rule::left_alone(ledger, &event, seating)
            .map_err(|refusal| No::Refused(HoldRefused::LeftAlone(refusal)))?;
        let transition = Transition {
            from: FromState::Takeable,
            to: ToState::Held(hold.id, hold.expires_at),
            cause: Cause::Held,
            actor: self.caller.to_string(),
        };
        ledger.change(self.event, seats, transition);
        let buyer = (self.event, hold.buyer.as_deref());
        ledger.count(buyer, hold.id.0, (hold.id.0, true, hold.seat_nos.len()));
        ledger.put_hold(hold.clone(), self.into_hold.is_none());
        let record = Held {
            seats: ledger.states(self.event, &hold.seat_nos),
            hold,
            left_alone,
            token_salt: self.token_salt,
            transaction: ledger.transaction(),
        };
        Ok(Effect { event, record })
    }

    /// What the caller is answered, at the first time and at every other.
    pub fn answer(&self, Effect { event, record }: Effect<Held>) -> SeatsHeld {
        let Held {
            hold,
            seats,
            left_alone,
            token_salt,
            transaction,
        } = record;
        let own = self.into_hold.clone().flatten();
        let token = own.unwrap_or_else(|| self.token(hold.id, token_salt));
        SeatsHeld {
            event,
            hold,
            token,
            seats,
            left_alone,
            transaction,
        }
    }

    fn token(&self, hold: HoldId, salt: TokenSalt) -> HoldToken {
        HoldToken::derive(self.event, hold, &self.token_key, salt)
    }

    fn new_hold(&self, event: &EventView, ledger: &Ledger) -> Hold {
        let id = self.new_hold;
        let now = ledger.now();
        Hold {
            event_id: self.event,
            id,
            token_hash: self.token(id, self.token_salt).hash(),
            buyer: self.caller.subject().map(ToOwned::to_owned),
            status: HoldStatus::Active,
            seat_nos: Vec::new(),
            amounts: Vec::new(),
            currency: event.event.currency.clone(),
            expires_at: now + TimeDelta::seconds(event.event.hold_seconds.into()),
            created_at: now,
        }
    }

    fn existing_hold(&self, ledger: &Ledger) -> Result<Hold, HoldUnusable> {
        let token = self.token_of_event().cloned();
        let hold = access::usable(ledger, &token, &self.caller)?;
        access::require_running(hold, ledger.clock())?;
        Ok(hold.clone())
    }

    /// Whether the event's limits allow so many more seats in the hold.
    ///
    /// # Errors
    /// A refusal when they do not.
    pub fn check_limits(
        &self,
        ledger: &Ledger,
        OpenHold { event, hold }: &OpenHold,
        added: usize,
    ) -> Result<(), No<HoldRefused>> {
        let wanted = Wanted {
            owner: hold.id.0,
            buyer: hold.buyer.as_deref(),
            seats: hold.seat_nos.len() + added,
            had: hold.seat_nos.len(),
            is_new_hold: self.into_hold.is_none(),
        };
        buyer_limits::check_in(ledger, &self.caller, &event.event, wanted)
            .map_err(|exceeded| No::Refused(HoldRefused::LimitExceeded(exceeded)))
    }
}
