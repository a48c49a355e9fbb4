//! Giving held seats back.

use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::TransactionId;
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::event_view;
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::transaction::{Abort, Settled, UnitOfWork, Work};
use crate::domain::{DomainError, Environment, prices, seat_change};
use crate::model::Caller;
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::{Cause, HoldStatus};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// Releases what `command` names.
///
/// # Errors
/// When a seat is not in the hold, or the database fails.
pub async fn release_hold(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: ReleaseHold,
) -> Result<Settled<Effect<SeatsReleased>, HoldUnusable>, DomainError> {
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "releaseHold", &command, key)?;
    let work = Work {
        environment,
        caller,
        command: &command,
    };
    idempotency::run(connection, environment, caller, request.as_ref(), &work).await
}

impl UnitOfWork for Work<'_, ReleaseHold> {
    type Reading = ();
    type Success = Effect<SeatsReleased>;
    type Refusal = HoldUnusable;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<Effect<SeatsReleased>, Abort<HoldUnusable>> {
        let mut hold: Hold =
            access::lock_running(connection, &self.command.token, self.caller).await?;
        let seats = self.command.seats.as_deref();
        let named = access::named_or_all("hold", "release", seats, hold.event_id, &hold.seat_nos)?;
        let held = seats::load_held_by(connection, hold.event_id, &named, &[hold.id]).await?;
        let expected: Vec<ExpectedSeat> = held.iter().map(SeatState::expected).collect();
        let transition = Transition {
            from: FromState::HeldBy(hold.id),
            to: ToState::Available,
            cause: Cause::Released,
            actor: self.caller.to_string(),
        };
        // A seat that is missing here was taken by somebody else because the
        // hold has lapsed just now: it is not this caller's to give back any more.
        let concurrency = self.environment.concurrency;
        let released = seat_change::change(
            connection,
            concurrency,
            hold.event_id,
            &expected,
            &transition,
        )
        .await?;
        prices::remove(&mut hold.seat_nos, &mut hold.amounts, &named);
        if hold.seat_nos.is_empty() {
            hold.status = HoldStatus::Released;
        }
        let transaction = holds::update(connection, &hold).await?;
        let plans = &self.environment.plans;
        let (event, _) = event_view::find(connection, plans, self.caller, hold.event_id).await?;
        let left = if hold.status == HoldStatus::Active {
            let id = hold.id;
            let seats =
                seats::load_held_by(connection, hold.event_id, &hold.seat_nos, &[id]).await?;
            Some((hold, seats))
        } else {
            None
        };
        Ok(Effect {
            event: Arc::new(event),
            record: SeatsReleased {
                released,
                left,
                transaction,
            },
        })
    }
}
