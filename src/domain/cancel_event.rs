//! Calling an event off.
//!
//! The event is locked first, then its holds in the order of their key, then their seats
//! in theirs. Nobody else locks an event and wants anything more, and whoever has locked
//! a hold wants nothing but seats after it: there is no circle to wait in.
//!
//! Nobody who takes a seat locks its event, which would make all buyers wait for one
//! another. So a hold may become visible a moment too late to be ended here: its
//! transaction had read the event before. That stray runs until its time is over and
//! lapses like any other, and it can be confirmed by nobody, because that reads the
//! event anew.

use crate::config::Concurrency;
use crate::db::events::Event;
use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::{self, TransactionId};
use crate::domain::permissions::require;
use crate::domain::sale::{self, ChangeSale, ChangeSaleRefused};
use crate::domain::transaction::{self, Abort, UnitOfWork};
use crate::domain::{DomainError, seat_change};
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::{Cause, EventStatus, HoldStatus};
use crate::model::{Caller, Permission};
use diesel_async::AsyncPgConnection;

/// The rows are locked, whatever the strategy of those who sell them: a SERIALIZABLE
/// transaction that reads all holds of an event is in conflict with every buyer beside it.
const CONCURRENCY: Concurrency = Concurrency::Pessimistic;

/// Seats that one statement changes.
const BATCH: usize = 1_000;

/// The event is cancelled for good.
#[derive(Debug)]
pub struct EventCancelled {
    /// The event.
    pub event: Event,
    /// Holds that were ended.
    pub holds: usize,
    /// Seats of theirs that went back.
    pub seats: usize,
    /// The transaction that cancelled it.
    pub transaction: TransactionId,
}

/// Cancels an event for good and ends its holds, so that nobody goes on to pay for one.
/// Its bookings stay as they are: each has to be refunded, and is cancelled then.
///
/// # Errors
/// When the caller may not, there is no such event, or the database fails.
pub async fn cancel_event(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    command: ChangeSale,
) -> Result<Result<EventCancelled, ChangeSaleRefused>, DomainError> {
    require(caller, Permission::ManageSales)?;
    let work = Work { caller, command };
    let settled = transaction::run(connection, CONCURRENCY, &work).await?;
    Ok(settled.result)
}

struct Work<'a> {
    caller: &'a Caller,
    command: ChangeSale,
}

impl UnitOfWork for Work<'_> {
    type Reading = ();
    type Success = EventCancelled;
    type Refusal = ChangeSaleRefused;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<EventCancelled, Abort<ChangeSaleRefused>> {
        let from = [EventStatus::Draft, EventStatus::OnSale, EventStatus::Closed];
        let to = EventStatus::Cancelled;
        let event = sale::change_status(connection, self.caller, self.command, &from, to)
            .await?
            .map_err(Abort::Refused)?;
        let holds = holds::lock_active(connection, event.id).await?;
        let seats = self.give_back(connection, event.id, &holds).await?;
        let ids: Vec<HoldId> = holds.iter().map(|hold| hold.id).collect();
        holds::end(connection, event.id, &ids, HoldStatus::Released).await?;
        Ok(EventCancelled {
            event,
            holds: holds.len(),
            seats,
            transaction: transaction_id::current(connection).await?,
        })
    }
}

impl Work<'_> {
    /// Gives the seats of locked holds back and answers how many. What a lapsed hold has
    /// lost to somebody else is not its to give back.
    async fn give_back(
        &self,
        connection: &mut AsyncPgConnection,
        event: EventId,
        holds: &[Hold],
    ) -> Result<usize, Abort<ChangeSaleRefused>> {
        let transition = Transition {
            from: FromState::Held,
            to: ToState::Available,
            cause: Cause::Cancelled,
            actor: self.caller.to_string(),
        };
        let of = |hold: &Hold| {
            let id = hold.id;
            let seats = hold.seat_nos.clone();
            seats.into_iter().map(move |seat_no| (seat_no, id))
        };
        let mut claims: Vec<(SeatNo, HoldId)> = holds.iter().flat_map(of).collect();
        claims.sort_unstable_by_key(|(seat_no, _)| *seat_no);
        let mut given_back = 0;
        for claims in claims.chunks(BATCH) {
            let (seat_nos, owners): (Vec<SeatNo>, Vec<HoldId>) = claims.iter().copied().unzip();
            let held = seats::load_held_by(connection, event, &seat_nos, &owners).await?;
            let held: Vec<ExpectedSeat> = held.iter().map(SeatState::expected).collect();
            let changed =
                seat_change::change(connection, CONCURRENCY, event, &held, &transition).await?;
            given_back += changed.len();
        }
        Ok(given_back)
    }
}
