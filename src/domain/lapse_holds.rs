//! Publishing holds that have lapsed.
//!
//! A lapsed hold needs nobody to end it: whoever asks next takes its seats. The
//! sweeper only makes it visible, by moving the seats to `AVAILABLE`.

use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::domain::DomainError;
use crate::domain::transaction::{self, Abort, UnitOfWork};
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::Cause;
use diesel_async::AsyncPgConnection;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Holds that one transaction ends.
const BATCH: i64 = 500;

/// What one batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lapsed {
    /// Holds that were ended.
    pub holds: usize,
    /// Seats that became available.
    pub seats: usize,
}

/// Ends a bounded batch of lapsed holds. Any number of processes may do so at
/// once: each takes holds that no other has locked.
///
/// # Errors
/// When the database fails.
pub async fn lapse_holds(connection: &mut AsyncPgConnection) -> Result<Lapsed, DomainError> {
    let settled = transaction::run(connection, &Work).await?;
    Ok(settled
        .result
        .unwrap_or_else(|never: Infallible| match never {}))
}

struct Work;

impl UnitOfWork for Work {
    type Success = Lapsed;
    type Refusal = Infallible;

    async fn run(&self, connection: &mut AsyncPgConnection) -> Result<Lapsed, Abort<Infallible>> {
        let mut by_event: BTreeMap<EventId, Vec<Hold>> = BTreeMap::new();
        for hold in holds::lock_lapsed(connection, BATCH).await? {
            by_event.entry(hold.event_id).or_default().push(hold);
        }
        let mut lapsed = Lapsed::default();
        for (event, holds) in by_event {
            lapsed.holds += holds.len();
            lapsed.seats += end(connection, event, &holds).await?;
        }
        Ok(lapsed)
    }
}

/// Ends locked holds of one event; answers how many seats became available. A
/// seat that somebody else has taken meanwhile is simply not theirs any more.
async fn end(
    connection: &mut AsyncPgConnection,
    event: EventId,
    holds: &[Hold],
) -> Result<usize, Abort<Infallible>> {
    let ids: Vec<HoldId> = holds.iter().map(|hold| hold.id).collect();
    let seat_nos: Vec<SeatNo> = holds
        .iter()
        .flat_map(|hold| hold.seat_nos.iter().copied())
        .collect();
    let expected: Vec<ExpectedSeat> = seats::load_held_by(connection, event, &seat_nos, &ids)
        .await?
        .iter()
        .map(SeatState::expected)
        .collect();
    let transition = Transition {
        from: FromState::Lapsed,
        to: ToState::Available,
        cause: Cause::Lapsed,
        actor: "system:sweeper".to_owned(),
    };
    let released = seats::transition(connection, event, &expected, &transition).await?;
    holds::mark_lapsed(connection, event, &ids).await?;
    Ok(released.len())
}
