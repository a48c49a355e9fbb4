//! Giving held seats back.

use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::TransactionId;
use crate::domain::DomainError;
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::event_view::{self, EventView};
use crate::domain::plan_cache::PlanCache;
use crate::domain::transaction::{self, Abort, Settled, UnitOfWork};
use crate::model::Caller;
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::{Cause, HoldStatus};
use diesel_async::AsyncPgConnection;
use std::sync::Arc;

/// Release a hold, all of it or some of its seats.
#[derive(Clone, Debug)]
pub struct ReleaseHold {
    /// The hold's token.
    pub token: PresentedToken,
    /// Which seats; `None` for all.
    pub seats: Option<Vec<(EventId, SeatNo)>>,
}

/// The seats are given back.
#[derive(Debug)]
pub struct SeatsReleased {
    /// The event.
    pub event: Arc<EventView>,
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
    plans: &PlanCache,
    caller: &Caller,
    command: ReleaseHold,
) -> Result<Settled<SeatsReleased, HoldUnusable>, DomainError> {
    transaction::run(
        connection,
        &Work {
            plans,
            caller,
            command,
        },
    )
    .await
}

struct Work<'a> {
    plans: &'a PlanCache,
    caller: &'a Caller,
    command: ReleaseHold,
}

impl UnitOfWork for Work<'_> {
    type Success = SeatsReleased;
    type Refusal = HoldUnusable;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> Result<SeatsReleased, Abort<HoldUnusable>> {
        let mut hold: Hold =
            access::lock_running(connection, &self.command.token, self.caller).await?;
        let named = self.named(&hold)?;
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
        let mut released =
            seats::transition(connection, hold.event_id, &expected, &transition).await?;
        released.sort_by_key(|seat| seat.seat_no);

        (hold.seat_nos, hold.amounts) = hold
            .seat_nos
            .iter()
            .zip(&hold.amounts)
            .filter(|(seat_no, _)| !named.contains(seat_no))
            .unzip();
        if hold.seat_nos.is_empty() {
            hold.status = HoldStatus::Released;
        }
        let transaction = holds::update(connection, &hold).await?;
        let (event, _) =
            event_view::find(connection, self.plans, self.caller, hold.event_id).await?;
        let left = if hold.status == HoldStatus::Active {
            let id = hold.id;
            let seats =
                seats::load_held_by(connection, hold.event_id, &hold.seat_nos, &[id]).await?;
            Some((hold, seats))
        } else {
            None
        };
        Ok(SeatsReleased {
            event: Arc::new(event),
            released,
            left,
            transaction,
        })
    }
}

impl Work<'_> {
    /// Which of the hold's seats are meant.
    fn named(&self, hold: &Hold) -> Result<Vec<SeatNo>, DomainError> {
        let Some(seats) = &self.command.seats else {
            return Ok(hold.seat_nos.clone());
        };
        if seats.is_empty() {
            let message = "name at least one seat, or leave it out to release all";
            return Err(DomainError::invalid("seatIds", message));
        }
        let mut named = Vec::with_capacity(seats.len());
        for (index, (event, seat_no)) in seats.iter().enumerate() {
            if *event != hold.event_id || !hold.seat_nos.contains(seat_no) {
                let field = format!("seatIds[{index}]");
                return Err(DomainError::invalid(field, "this seat is not in the hold"));
            }
            named.push(*seat_no);
        }
        named.sort_unstable();
        named.dedup();
        Ok(named)
    }
}
