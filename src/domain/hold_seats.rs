//! Holding seats that the buyer has picked: the race that usher exists for.

use crate::db::seats::{ExpectedSeat, FromState};
use crate::domain::DomainError;
use crate::domain::access::{self, PresentedToken};
use crate::domain::batch::{Decision, FirstReading, Ledger, Load, Needs, No, Tries};
use crate::domain::conflict::{self, ConflictPolicy, SeatConflict};
use crate::domain::holding::{Held, HoldRefused, Holding};
use crate::domain::idempotency::{Effect, IdempotentRequest};
use crate::domain::permissions::require;
use crate::model::ids::{EventId, SeatNo};
use crate::model::{Caller, Permission};
use serde::Serialize;

/// Hold these seats for the caller, all of them or none.
#[derive(Clone, Debug, Serialize)]
pub struct HoldSeats {
    /// The event whose seats they are.
    pub event: EventId,
    /// Which seats, and the version that the buyer saw each at.
    pub seats: Vec<ExpectedSeat>,
    /// Add them to this hold instead of making a new one.
    #[serde(serialize_with = "access::optional_token")]
    pub into_hold: Option<PresentedToken>,
    /// What is done when a version has moved on.
    pub on_conflict: ConflictPolicy,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// Holding the seats of a command, or saying what they were lost to.
pub struct HoldingSeats {
    /// The hold.
    pub holding: Holding,
    command: HoldSeats,
    seat_nos: Vec<SeatNo>,
}

/// What is to be decided, and once only under its idempotency key.
///
/// # Errors
/// When the caller may not, or the command makes no sense.
pub fn hold_seats(
    caller: &Caller,
    command: HoldSeats,
) -> Result<(HoldingSeats, Option<IdempotentRequest>), DomainError> {
    require(caller, Permission::HoldAndBook)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "holdSeats", &command, key)?;
    conflict::check("seats", &command.seats)?;
    let into_hold = command.into_hold.clone();
    let holding = Holding::new(caller.clone(), command.event, into_hold, key);
    let seat_nos = command.seats.iter().map(|seat| seat.seat_no).collect();
    let work = HoldingSeats {
        holding,
        command,
        seat_nos,
    };
    Ok((work, request))
}

impl Decision for HoldingSeats {
    type Record = Held;
    type Refusal = HoldRefused;

    fn caller(&self) -> &Caller {
        &self.holding.caller
    }

    fn event(&self) -> Option<EventId> {
        Some(self.command.event)
    }

    fn load(&self) -> Load {
        Load {
            seats: self.seat_nos.len(),
            searched: None,
        }
    }

    fn needs(&self, needs: &mut Needs) {
        self.holding.needs(needs);
        needs.seats(self.command.event, self.seat_nos.iter().copied());
    }

    fn needs_then(&self, first: &FirstReading, needs: &mut Needs) {
        self.holding.needs_then(first, &self.seat_nos, needs);
    }

    fn conflict(refusal: &mut HoldRefused) -> Option<&mut SeatConflict> {
        match refusal {
            HoldRefused::Conflict(conflict) => Some(conflict),
            _ => None,
        }
    }

    fn decide(
        &self,
        ledger: &mut Ledger,
        tries: &mut Tries,
    ) -> Result<Effect<Held>, No<HoldRefused>> {
        let HoldSeats {
            seats, on_conflict, ..
        } = &self.command;
        let hold = self.holding.open(ledger)?;
        // What makes no sense is not counted.
        conflict::check_places("seats", &hold.event, seats)?;
        conflict::check_new("seats", "hold", &hold.hold.seat_nos, seats)?;
        self.holding.check_limits(ledger, &hold, seats.len())?;
        let from = FromState::Takeable;
        conflict::judge(ledger, &hold.event, seats, from, *on_conflict, tries)?;
        self.holding.take(ledger, hold, &self.seat_nos)
    }
}
