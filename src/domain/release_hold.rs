//! Giving held seats back.

use crate::db::holds::Hold;
use crate::db::seats::{FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::TransactionId;
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::batch::{Decision, FirstReading, Ledger, Needs, No, Tries};
use crate::domain::idempotency::{Effect, IdempotentRequest};
use crate::domain::permissions::require;
use crate::domain::{DomainError, prices};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::{Cause, HoldStatus};
use crate::model::{Caller, Permission};
use serde::{Deserialize, Serialize};

/// Release a hold, all of it or some of its seats.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseHold {
    /// The hold's token.
    pub token: PresentedToken,
    /// Which seats; `None` for all.
    pub seats: Option<Vec<(EventId, SeatNo)>>,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The seats are given back.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeatsReleased {
    /// Those that were given back, as they became.
    pub released: Vec<SeatState>,
    /// What is left of the hold and its seats; `None` when nothing is.
    pub left: Option<(Hold, Vec<SeatState>)>,
    /// The transaction that released them.
    pub transaction: TransactionId,
}

/// Releasing what a command names.
pub struct ReleasingHold {
    caller: Caller,
    command: ReleaseHold,
}

/// What is to be decided, and once only under its idempotency key.
///
/// # Errors
/// When the caller may not, or the command makes no sense.
pub fn release_hold(
    caller: &Caller,
    command: ReleaseHold,
) -> Result<(ReleasingHold, Option<IdempotentRequest>), DomainError> {
    require(caller, Permission::HoldAndBook)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "releaseHold", &command, key)?;
    let caller = caller.clone();
    Ok((ReleasingHold { caller, command }, request))
}

impl Decision for ReleasingHold {
    type Record = SeatsReleased;
    type Refusal = HoldUnusable;

    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn event(&self) -> Option<EventId> {
        self.command.token.as_ref().map(|token| token.event)
    }

    fn needs(&self, needs: &mut Needs) {
        if let Some(token) = &self.command.token {
            needs.hold(token.event, token.hold);
        }
    }

    fn needs_then(&self, first: &FirstReading, needs: &mut Needs) {
        let token = self.command.token.as_ref();
        if let Some(hold) = token.and_then(|token| first.hold(token.event, token.hold)) {
            needs.seats(hold.event_id, hold.seat_nos.iter().copied());
        }
    }

    fn decide(
        &self,
        ledger: &mut Ledger,
        _tries: &mut Tries,
    ) -> Result<Effect<SeatsReleased>, No<HoldUnusable>> {
        let ReleaseHold { token, seats, .. } = &self.command;
        let mut hold: Hold = access::usable(ledger, token, &self.caller)
            .map_err(No::Refused)?
            .clone();
        access::require_running(&hold, ledger.clock()).map_err(No::Refused)?;
        let (event_id, owner) = (hold.event_id, hold.id.0);
        let event = ledger.event(&self.caller, event_id)?;
        let seats = seats.as_deref();
        let named = access::named_or_all("hold", "release", seats, event_id, &hold.seat_nos)?;
        // A seat that is missing here was taken by somebody else because the
        // hold has lapsed just now: it is not this caller's to give back any more.
        let held = ledger.states_owned(event_id, &named, owner);
        let held: Vec<SeatNo> = held.iter().map(|seat| seat.seat_no).collect();
        if held
            .iter()
            .any(|seat_no| ledger.is_changed(event_id, *seat_no))
        {
            return Err(No::PutOff);
        }
        let transition = Transition {
            from: FromState::HeldBy(hold.id),
            to: ToState::Available,
            cause: Cause::Released,
            actor: self.caller.to_string(),
        };
        let released = ledger.change(event_id, &held, transition);
        prices::remove(&mut hold.seat_nos, &mut hold.amounts, &named);
        if hold.seat_nos.is_empty() {
            hold.status = HoldStatus::Released;
        }
        let buyer = (event_id, hold.buyer.as_deref());
        ledger.count(buyer, owner, (owner, true, hold.seat_nos.len()));
        ledger.put_hold(hold.clone(), false);
        let left = (hold.status == HoldStatus::Active).then(|| {
            let seats = ledger.states_owned(event_id, &hold.seat_nos, owner);
            (hold, seats)
        });
        let record = SeatsReleased {
            released,
            left,
            transaction: ledger.transaction(),
        };
        Ok(Effect { event, record })
    }
}
