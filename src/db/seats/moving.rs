//! The statement that changes seats: any number of them, of any events, each to a state of
//! its own.

use super::{Accepted, SeatState, Transition};
use crate::db::array_statement::array_statement;
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::{Cause, SeatStatus};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::sync::Arc;
use uuid::Uuid;

/// A seat that is to change, and the version that this was decided on.
#[derive(Clone, Debug)]
pub struct SeatMove {
    /// The event.
    pub event: EventId,
    /// Which seat of it.
    pub seat_no: SeatNo,
    /// The version it was seen at.
    pub version: i32,
    /// What it becomes, from what, why and by whom.
    pub transition: Arc<Transition>,
}

array_statement! {
    /// Diesel has no `UPDATE … FROM unnest`, and never keeps an UPDATE prepared.
    struct ChangeSeats returns (BigInt, Integer, Integer, Text);
    "UPDATE seats SET version = seats.version + 1, status = wanted.status, \
         owner_id = wanted.owner_id, held_until = wanted.held_until, cause = wanted.cause, \
         actor = wanted.actor \
     FROM unnest(",
    events: BigInt = EventId, ", ",
    seat_nos: Integer = SeatNo, ", ",
    versions: Integer = i32, ", ",
    accepted: Nullable<Text> = Option<SeatStatus>, ", ",
    owned_as: Nullable<Text> = Option<SeatStatus>, ", ",
    owned_by: Nullable<diesel::sql_types::Uuid> = Option<Uuid>, ", ",
    lapsed: Bool = bool, ", ",
    statuses: Text = SeatStatus, ", ",
    owners: Nullable<diesel::sql_types::Uuid> = Option<Uuid>, ", ",
    held_until: Nullable<Timestamptz> = Option<DateTime<Utc>>, ", ",
    causes: Text = Cause, ", ",
    actors: Text = String,
    ") AS wanted (event_id, seat_no, version, accepted, owned_as, owned_by, lapsed, \
         status, owner_id, held_until, cause, actor) \
     WHERE seats.event_id = wanted.event_id AND seats.seat_no = wanted.seat_no \
         AND seats.version = wanted.version \
         AND (seats.status = wanted.accepted \
              OR (seats.status = wanted.owned_as AND seats.owner_id = wanted.owned_by) \
              OR (wanted.lapsed AND seats.status = 'HELD' AND seats.held_until <= now())) \
     RETURNING seats.event_id, seats.seat_no, seats.version, seats.status"
}

/// The version-checked UPDATE: makes each of `moves` whose seat is still at the expected
/// version and in the state to start from, and answers those seats with their events as they
/// became. A seat that is missing from the answer was not touched; whether
/// that undoes the others is the caller's to decide, by rolling back.
///
/// `moves` names each seat once. Rows are locked in the order of their key: two transactions
/// that wait for one another all the same are parted by PostgreSQL, and the loser is run
/// again.
///
/// # Errors
/// When the database fails.
pub async fn change(
    mut connection: &AsyncPgConnection,
    moves: &[SeatMove],
) -> QueryResult<Vec<(EventId, SeatState)>> {
    let mut sorted: Vec<&SeatMove> = moves.iter().collect();
    sorted.sort_unstable_by_key(|one| (one.event, one.seat_no));
    let mut statement = ChangeSeats::default();
    for SeatMove {
        event,
        seat_no,
        version,
        transition,
    } in sorted
    {
        statement.events.push(*event);
        statement.seat_nos.push(*seat_no);
        statement.versions.push(*version);
        let Accepted {
            status,
            owned,
            lapsed,
        } = transition.from.accepted();
        statement.accepted.push(status);
        statement.owned_as.push(owned.map(|(status, _)| status));
        statement.owned_by.push(owned.map(|(_, owner)| owner));
        statement.lapsed.push(lapsed);
        let (status, owner, held_until) = transition.to.columns();
        statement.statuses.push(status);
        statement.owners.push(owner);
        statement.held_until.push(held_until);
        statement.causes.push(transition.cause);
        statement.actors.push(transition.actor.clone());
    }
    let changed: Vec<(EventId, SeatNo, i32, SeatStatus)> = statement.load(&mut connection).await?;
    let state = |(event, seat_no, version, status)| {
        let state = SeatState {
            seat_no,
            version,
            status,
        };
        (event, state)
    };
    Ok(changed.into_iter().map(state).collect())
}
