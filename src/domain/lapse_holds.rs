//! Publishing holds that have lapsed.
//!
//! A lapsed hold needs nobody to end it: whoever asks next takes its seats. The
//! sweeper only makes it visible, by moving the seats to `AVAILABLE`.

use crate::config::Concurrency;
use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::domain::DomainError;
use crate::domain::transaction::{self, Abort, UnitOfWork};
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::{Cause, HoldStatus};
use diesel_async::AsyncPgConnection;
use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;

/// Holds that one transaction ends.
const BATCH: i64 = 500;
/// Of so many it picks them: each event costs it some statements more, so it takes
/// together what one event has.
const WINDOW: i64 = 5_000;

/// What one batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lapsed {
    /// Holds that were ended.
    pub holds: usize,
    /// Seats that became available.
    pub seats: usize,
    /// Holds that have lapsed and were not ended, because somebody is at a seat of theirs.
    pub busy: Vec<HoldId>,
}

/// Ends a bounded batch of lapsed holds, but not of those in `but_not`: what was busy
/// before must not keep the rest waiting. Any number of processes may do so at
/// once: each takes holds that no other has locked.
///
/// # Errors
/// When the database fails.
pub async fn lapse_holds(
    connection: &mut AsyncPgConnection,
    but_not: &[HoldId],
) -> Result<Lapsed, DomainError> {
    let work = Work { but_not };
    // The rows are locked, whatever the strategy of those who sell them.
    let settled = transaction::run(connection, Concurrency::Optimistic, &work).await?;
    Ok(settled
        .result
        .unwrap_or_else(|never: Infallible| match never {}))
}

struct Work<'a> {
    but_not: &'a [HoldId],
}

impl UnitOfWork for Work<'_> {
    type Reading = ();
    type Success = Lapsed;
    type Refusal = Infallible;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<Lapsed, Abort<Infallible>> {
        let mut by_event: BTreeMap<EventId, Vec<Hold>> = BTreeMap::new();
        for hold in holds::lock_lapsed(connection, self.but_not, WINDOW, BATCH).await? {
            by_event.entry(hold.event_id).or_default().push(hold);
        }
        let mut lapsed = Lapsed::default();
        for (event, holds) in by_event {
            let ended = end(connection, event, &holds).await?;
            lapsed.holds += ended.holds;
            lapsed.seats += ended.seats;
            lapsed.busy.extend(ended.busy);
        }
        Ok(lapsed)
    }
}

/// Ends locked holds of one event. A seat that somebody else has taken meanwhile
/// is simply not theirs any more; one that somebody else is at is left for the
/// next time, with its hold, so that nobody waits for it.
async fn end(
    connection: &mut AsyncPgConnection,
    event: EventId,
    holds: &[Hold],
) -> Result<Lapsed, Abort<Infallible>> {
    let ids: Vec<HoldId> = holds.iter().map(|hold| hold.id).collect();
    let seat_nos: Vec<SeatNo> = holds
        .iter()
        .flat_map(|hold| hold.seat_nos.iter().copied())
        .collect();
    let free = seats::lock_held_by(connection, event, &seat_nos, &ids).await?;
    let busy = if free.len() == seat_nos.len() {
        HashSet::new()
    } else {
        let held = seats::load_held_by(connection, event, &seat_nos, &ids).await?;
        let held: HashSet<SeatNo> = held.iter().map(|seat| seat.seat_no).collect();
        &held - &free.iter().map(|seat| seat.seat_no).collect()
    };
    let is_busy = |hold: &&Hold| hold.seat_nos.iter().any(|seat| busy.contains(seat));
    let (busy, ended): (Vec<&Hold>, Vec<&Hold>) = holds.iter().partition(is_busy);
    let ids_of = |holds: Vec<&Hold>| holds.iter().map(|hold| hold.id).collect::<Vec<HoldId>>();
    let (busy, ended) = (ids_of(busy), ids_of(ended));
    let free: Vec<ExpectedSeat> = free.iter().map(SeatState::expected).collect();
    let transition = Transition {
        from: FromState::Lapsed,
        to: ToState::Available,
        cause: Cause::Lapsed,
        actor: "system:sweeper".to_owned(),
    };
    let released = seats::transition(connection, event, &free, &transition).await?;
    holds::end(connection, event, &ended, HoldStatus::Lapsed).await?;
    Ok(Lapsed {
        holds: ended.len(),
        seats: released.len(),
        busy,
    })
}
