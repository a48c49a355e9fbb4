//! Holding seats that the buyer has picked: the race that usher exists for.

use crate::db::seats::ExpectedSeat;
use crate::domain::access::{self, PresentedToken};
use crate::domain::conflict::{self, ConflictPolicy};
use crate::domain::holding::{Held, HoldRefused, Holding, Picker, SeatsHeld};
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::transaction::{Abort, Settled, UnitOfWork};
use crate::domain::{DomainError, Environment};
use crate::model::Caller;
use crate::model::ids::EventId;
use diesel_async::AsyncPgConnection;
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

/// Holds the seats of `command`, or says what it lost them to.
///
/// # Errors
/// When the command makes no sense, the event is not there, or the database fails.
pub async fn hold_seats(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: HoldSeats,
) -> Result<Settled<SeatsHeld, HoldRefused>, DomainError> {
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "holdSeats", &command, key)?;
    conflict::check("seats", &command.seats)?;
    let work = Work {
        holding: Holding::new(
            environment,
            caller,
            command.event,
            command.into_hold.clone(),
            key,
        ),
        command: &command,
    };
    let settled =
        idempotency::run(connection, environment, caller, request.as_ref(), &work).await?;
    let result = match settled.result {
        Ok(effect) => Ok(work.holding.answer(effect)),
        Err(HoldRefused::Conflict(mut conflict)) => {
            conflict.look_around(connection).await?;
            Err(HoldRefused::Conflict(conflict))
        }
        Err(refused) => Err(refused),
    };
    Ok(Settled {
        result,
        attempts: settled.attempts,
    })
}

struct Work<'a> {
    holding: Holding<'a>,
    command: &'a HoldSeats,
}

impl UnitOfWork for Work<'_> {
    type Reading = Vec<ExpectedSeat>;
    type Success = Effect<Held>;
    type Refusal = HoldRefused;

    async fn read(
        &self,
        connection: &mut AsyncPgConnection,
        attempt: u32,
    ) -> Result<Vec<ExpectedSeat>, DomainError> {
        let HoldSeats {
            event,
            seats,
            on_conflict,
            ..
        } = self.command;
        conflict::expected(connection, *event, seats, *on_conflict, attempt).await
    }

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        seats: &Vec<ExpectedSeat>,
    ) -> Result<Effect<Held>, Abort<HoldRefused>> {
        let hold = self.holding.open(connection).await?;
        // What makes no sense is not counted.
        conflict::check_places("seats", &hold.event, seats)?;
        conflict::check_new("seats", "hold", &hold.hold.seat_nos, seats)?;
        self.holding
            .check_limits(connection, &hold, seats.len())
            .await?;
        self.holding
            .take(
                connection,
                hold,
                seats,
                Picker::Buyer(self.command.on_conflict),
            )
            .await
    }
}
