//! Giving a hold more time, up to the total that its event allows.

use crate::db::holds::{self, Hold};
use crate::db::seats::SeatState;
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::buyer_limits;
use crate::domain::event_view;
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::permissions::require;
use crate::domain::sale::{self, SaleNotOpen};
use crate::domain::transaction::{Abort, Settled, UnitOfWork, Work};
use crate::domain::{DomainError, Environment, seat_change};
use crate::model::status::HoldStatus;
use crate::model::{Caller, Permission};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Extend a hold.
#[derive(Clone, Debug, Serialize)]
pub struct ExtendHold {
    /// The hold's token.
    pub token: PresentedToken,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The hold lapses later.
#[derive(Debug, Serialize, Deserialize)]
pub struct HoldExtended {
    /// The hold with its new end.
    pub hold: Hold,
    /// Its seats as they are, in the plan's order.
    pub seats: Vec<SeatState>,
}

/// Why the hold was not extended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendRefused {
    /// There is no hold with that token, or it is over.
    Hold(HoldUnusable),
    /// The event is cancelled.
    SaleNotOpen(SaleNotOpen),
    /// It runs as long as it can already.
    Exhausted {
        /// When it lapses.
        expires_at: DateTime<Utc>,
    },
}

impl From<HoldUnusable> for ExtendRefused {
    fn from(unusable: HoldUnusable) -> Self {
        Self::Hold(unusable)
    }
}

/// Lets a hold run for as long as a new one from now on, and not past its total. The
/// versions of its seats stay, and nothing is told to those who watch: the seats are
/// as much held as before.
///
/// A sale that was closed, or whose window has ended, does not keep a hold from being
/// extended: whoever holds seats may still confirm them, and the total bounds how long.
///
/// # Errors
/// When the database fails.
pub async fn extend_hold(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: ExtendHold,
) -> Result<Settled<Effect<HoldExtended>, ExtendRefused>, DomainError> {
    require(caller, Permission::HoldAndBook)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "extendHold", &command, key)?;
    let work = Work {
        environment,
        caller,
        command: &command,
    };
    idempotency::run(connection, environment, caller, request.as_ref(), &work).await
}

impl UnitOfWork for Work<'_, ExtendHold> {
    type Reading = ();
    type Success = Effect<HoldExtended>;
    type Refusal = ExtendRefused;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<Effect<HoldExtended>, Abort<ExtendRefused>> {
        let (mut hold, now) = access::lock(connection, &self.command.token, self.caller).await?;
        let refused = |refusal| Abort::Refused(refusal);
        let Environment { plans, concurrency } = self.environment;
        let (event, _) = event_view::find(connection, plans, self.caller, hold.event_id).await?;
        let now = buyer_limits::turn(connection, *concurrency, &event.event, &hold, now).await?;
        sale::require_not_cancelled(&event.event)
            .map_err(|refusal| refused(ExtendRefused::SaleNotOpen(refusal)))?;
        access::require_running(&hold, now).map_err(|unusable| refused(unusable.into()))?;
        let lasts = TimeDelta::seconds(event.event.hold_seconds.into());
        let total = TimeDelta::seconds(event.event.hold_total_seconds.into());
        hold.expires_at = extended(&hold, now, lasts, total).map_err(refused)?;

        let key = (hold.event_id, hold.id);
        let until = hold.expires_at;
        let seats =
            seat_change::prolong(connection, *concurrency, key, &hold.seat_nos, until).await?;
        // It has lapsed since it was locked, and somebody else took a seat of it.
        if seats.len() < hold.seat_nos.len() {
            return Err(refused(HoldUnusable::Ended(HoldStatus::Lapsed).into()));
        }
        holds::prolong(connection, &hold).await?;
        Ok(Effect {
            event: Arc::new(event),
            record: HoldExtended { hold, seats },
        })
    }
}

/// When the hold lapses if it is extended now. An end that it was given is never taken
/// back, whatever became of the event's times.
fn extended(
    hold: &Hold,
    now: DateTime<Utc>,
    lasts: TimeDelta,
    total: TimeDelta,
) -> Result<DateTime<Utc>, ExtendRefused> {
    let latest = hold.created_at + total;
    if hold.expires_at >= latest {
        return Err(ExtendRefused::Exhausted {
            expires_at: hold.expires_at,
        });
    }
    Ok((now + lasts).min(latest).max(hold.expires_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{EventId, HoldId};

    /// When a hold that was made at 0 and lapses then is extended at `now` to.
    fn seconds(expires_at: i64, now: i64, lasts: i64, total: i64) -> Result<i64, i64> {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let hold = Hold {
            event_id: EventId(1),
            id: HoldId::generate(),
            token_hash: Vec::new(),
            buyer: None,
            status: HoldStatus::Active,
            seat_nos: vec![0],
            amounts: vec![0],
            currency: "EUR".to_owned(),
            expires_at: at(expires_at),
            created_at: at(0),
        };
        let [lasts, total] = [lasts, total].map(TimeDelta::seconds);
        match extended(&hold, at(now), lasts, total) {
            Ok(until) => Ok(until.timestamp()),
            Err(ExtendRefused::Exhausted { expires_at }) => Err(expires_at.timestamp()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_hold_runs_as_a_new_one_would_and_not_past_its_total() {
        assert_eq!(seconds(600, 500, 600, 1_800), Ok(1_100));
        assert_eq!(seconds(1_100, 1_100 - 1, 600, 1_800), Ok(1_699));
        assert_eq!(seconds(1_699, 1_600, 600, 1_800), Ok(1_800), "the total");
        assert_eq!(seconds(1_800, 1_700, 600, 1_800), Err(1_800));
        assert_eq!(seconds(600, 0, 600, 600), Err(600), "none is allowed");
    }

    #[test]
    fn an_end_that_was_given_is_never_taken_back() {
        assert_eq!(seconds(600, 10, 60, 1_800), Ok(600));
        assert_eq!(seconds(1_800, 10, 60, 900), Err(1_800));
    }
}
