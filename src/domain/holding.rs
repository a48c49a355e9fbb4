//! What every way to hold seats shares, whoever picks them: the hold that they go
//! into, the rules of the event, and taking them.

use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::TransactionId;
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::buyer_limits::{self, LimitExceeded, Wanted};
use crate::domain::conflict::{self, ConflictPolicy, SeatConflict};
use crate::domain::event_view::{self, EventView};
use crate::domain::idempotency::Effect;
use crate::domain::lone_seat_rule::{self, LeftAlone, Seating};
use crate::domain::sale::{self, SaleNotOpen};
use crate::domain::transaction::Abort;
use crate::domain::{Environment, prices};
use crate::model::Caller;
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::{Cause, HoldStatus, OrphanRule};
use crate::model::token::{HoldToken, TokenSalt};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
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

/// Who has picked the seats.
#[derive(Clone, Copy, Debug)]
pub enum Picker {
    /// The buyer, who may want them at whatever version.
    Buyer(ConflictPolicy),
    /// usher, which has kept to the event's rules.
    Server,
}

/// Holding seats of an event for a caller.
pub struct Holding<'a> {
    /// What it works with.
    pub environment: &'a Environment,
    /// Who asks.
    pub caller: &'a Caller,
    /// The event.
    pub event: EventId,
    /// The hold to add them to; `None` for a new one.
    into_hold: Option<PresentedToken>,
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

impl<'a> Holding<'a> {
    /// For this caller, into this hold or a new one. The key, if there is one, makes
    /// the new hold's token the same each time; without it the token is random.
    pub fn new(
        environment: &'a Environment,
        caller: &'a Caller,
        event: EventId,
        into_hold: Option<PresentedToken>,
        idempotency_key: Option<&str>,
    ) -> Self {
        let random = || rand::random::<[u8; 32]>().to_vec();
        Self {
            environment,
            caller,
            event,
            into_hold,
            token_key: idempotency_key.map_or_else(random, |key| key.as_bytes().to_vec()),
            token_salt: TokenSalt::generate(),
        }
    }

    /// The hold to put seats into: a new one, or that of the token, locked. The sale must
    /// be open.
    ///
    /// # Errors
    /// A refusal when nothing can be held, or not into that hold; a failure of the
    /// database.
    pub async fn open(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> Result<OpenHold, Abort<HoldRefused>> {
        let plans = &self.environment.plans;
        let (event, now) = event_view::find(connection, plans, self.caller, self.event).await?;
        sale::require_open(&event.event, now)
            .map_err(|refusal| Abort::Refused(HoldRefused::SaleNotOpen(refusal)))?;
        let hold = match &self.into_hold {
            None => self.new_hold(&event, now),
            Some(token) => self.existing_hold(connection, token).await?,
        };
        Ok(OpenHold {
            event: Arc::new(event),
            hold,
        })
    }

    /// Takes all of `seats` into the hold, or none. What the server has picked keeps the
    /// rule against lone seats already, where the event enforces it.
    ///
    /// # Errors
    /// A refusal when a rule of the event or somebody else is in the way; a failure of
    /// the database.
    pub async fn take(
        &self,
        connection: &mut AsyncPgConnection,
        OpenHold { event, mut hold }: OpenHold,
        seats: &[ExpectedSeat],
        picker: Picker,
    ) -> Result<Effect<Held>, Abort<HoldRefused>> {
        let own = hold.seat_nos.clone();
        prices::add(&event, &mut hold.seat_nos, &mut hold.amounts, seats)?;
        let taking: Vec<SeatNo> = seats.iter().map(|seat| seat.seat_no).collect();
        let concurrency = self.environment.concurrency;
        lone_seat_rule::turn(connection, concurrency, &event, &taking).await?;
        let transition = Transition {
            from: FromState::Takeable,
            to: ToState::Held(hold.id, hold.expires_at),
            cause: Cause::Held,
            actor: self.caller.to_string(),
        };
        let environment = self.environment;
        let policy = match picker {
            Picker::Buyer(policy) => policy,
            Picker::Server => ConflictPolicy::Report,
        };
        let taken =
            conflict::change_all(connection, environment, &event, seats, &transition, policy)
                .await?;
        // Judged when they are taken: whoever lost one of them is told that.
        let seating = Seating {
            taken: &taking,
            own: &own,
            given: &[],
        };
        let left_alone = self.judge(connection, &event, seating, picker).await?;
        let transaction = match &self.into_hold {
            None => holds::insert(connection, &hold).await?,
            Some(_) => holds::update(connection, &hold).await?,
        };
        // An older hold has more seats than those that were taken now, and may
        // have lapsed and lost one since it was locked.
        let seats = if taken.len() == hold.seat_nos.len() {
            taken
        } else {
            seats::load_held_by(connection, self.event, &hold.seat_nos, &[hold.id]).await?
        };
        if seats.len() < hold.seat_nos.len() {
            let lapsed = HoldUnusable::Ended(HoldStatus::Lapsed);
            return Err(Abort::Refused(lapsed.into()));
        }
        let record = Held {
            hold,
            seats,
            left_alone: lone_seat_rule::states(connection, self.event, &left_alone).await?,
            token_salt: self.token_salt,
            transaction,
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

    fn new_hold(&self, event: &EventView, now: DateTime<Utc>) -> Hold {
        let id = HoldId::generate();
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

    async fn existing_hold(
        &self,
        connection: &mut AsyncPgConnection,
        presented: &PresentedToken,
    ) -> Result<Hold, Abort<HoldRefused>> {
        let is_of_event = presented
            .as_ref()
            .is_some_and(|token| token.event == self.event);
        if !is_of_event {
            return Err(Abort::Refused(HoldUnusable::NotFound.into()));
        }
        access::lock_running(connection, presented, self.caller).await
    }

    /// The seats that are left alone, if the event allows it.
    async fn judge(
        &self,
        connection: &mut AsyncPgConnection,
        event: &Arc<EventView>,
        seating: Seating<'_>,
        picker: Picker,
    ) -> Result<Vec<SeatNo>, Abort<HoldRefused>> {
        let is_enforced = event.event.orphan_rule == OrphanRule::Enforce;
        if is_enforced && matches!(picker, Picker::Server) {
            return Ok(Vec::new());
        }
        let alone = lone_seat_rule::broken_by(connection, event, seating).await?;
        lone_seat_rule::require_allowed(connection, event, &alone)
            .await?
            .map_err(|refusal| Abort::Refused(HoldRefused::LeftAlone(refusal)))?;
        Ok(alone)
    }

    /// Whether the event's limits allow so many more seats in the hold.
    ///
    /// # Errors
    /// A refusal when they do not; a failure of the database.
    pub async fn check_limits(
        &self,
        connection: &mut AsyncPgConnection,
        OpenHold { event, hold }: &OpenHold,
        added: usize,
    ) -> Result<(), Abort<HoldRefused>> {
        let wanted = Wanted {
            owner: hold.id.0,
            buyer: hold.buyer.as_deref(),
            seats: hold.seat_nos.len() + added,
            had: hold.seat_nos.len(),
            is_new_hold: self.into_hold.is_none(),
        };
        let concurrency = self.environment.concurrency;
        buyer_limits::check(connection, concurrency, self.caller, &event.event, wanted)
            .await?
            .map_err(|exceeded| Abort::Refused(HoldRefused::LimitExceeded(exceeded)))
    }
}
