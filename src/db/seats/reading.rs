//! Reading seats, with and without locking them.

use super::{Accepted, FromState, SeatRow, SeatState, is_accepted};
use crate::db::array_statement::array_statement;
use crate::db::schema::seats;
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::SeatStatus;
use diesel::dsl::{AsSelect, max};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// Every seat of an event, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn load_all(
    connection: &mut AsyncPgConnection,
    event: EventId,
) -> QueryResult<Vec<SeatState>> {
    seats::table
        .filter(seats::event_id.eq(event))
        .order(seats::seat_no)
        .select(SeatState::as_select())
        .load(connection)
        .await
}

/// How many seats an event has: one more than the last one's number, which takes one look at
/// the key's index and not one for each seat.
///
/// # Errors
/// When the database fails.
pub async fn count(connection: &mut AsyncPgConnection, event: EventId) -> QueryResult<usize> {
    let last: Option<SeatNo> = seats::table
        .filter(seats::event_id.eq(event))
        .select(max(seats::seat_no))
        .get_result(connection)
        .await?;
    let count = last.map_or(0, |last| i64::from(last) + 1);
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Those of `seat_nos` that exist, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn load(
    connection: &mut AsyncPgConnection,
    event: EventId,
    seat_nos: &[SeatNo],
) -> QueryResult<Vec<SeatState>> {
    named(event, seat_nos).load(connection).await
}

/// The first seats of an event from `from` on whose rows say this status, at most `limit`, in the
/// plan's order; only those of `among`, if it is given. One statement, though it may have to look
/// at every seat: no index has the status, which every change of a seat writes.
///
/// # Errors
/// When the database fails.
pub async fn load_in_status(
    connection: &mut AsyncPgConnection,
    event: EventId,
    status: SeatStatus,
    from: SeatNo,
    among: Option<&[SeatNo]>,
    limit: i64,
) -> QueryResult<Vec<SeatState>> {
    let mut found = seats::table
        .filter(seats::event_id.eq(event))
        .filter(seats::seat_no.ge(from))
        .filter(seats::status.eq(status))
        .order(seats::seat_no)
        .limit(limit)
        .select(SeatState::as_select())
        .into_boxed();
    if let Some(among) = among {
        found = found.filter(seats::seat_no.eq_any(among));
    }
    found.load(connection).await
}

/// As [`load`], and locks them, in that order.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &mut AsyncPgConnection,
    event: EventId,
    seat_nos: &[SeatNo],
) -> QueryResult<Vec<SeatState>> {
    named(event, seat_nos).for_update().load(connection).await
}

/// Those of `seat_nos` that a transition from `from` may start with, whatever their
/// versions, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn load_in(
    connection: &mut AsyncPgConnection,
    event: EventId,
    seat_nos: &[SeatNo],
    from: FromState,
) -> QueryResult<Vec<SeatState>> {
    named(event, seat_nos)
        .filter(is_accepted(from.accepted()))
        .load(connection)
        .await
}

/// Declares a statement that finds seats of any events by their keys; `$tail` is what else is asked of
/// them, and whether they are locked.
macro_rules! seats_by_key {
    ($(#[$doc:meta])* struct $name:ident; $tail:literal) => {
        array_statement! {
            $(#[$doc])*
            struct $name returns RowColumns;
            "SELECT seats.event_id, seats.seat_no, version, status, owner_id, held_until \
             FROM seats, unnest(",
            events: BigInt = EventId, ", ",
            seat_nos: Integer = SeatNo,
            concat!(
                ") AS wanted (event_id, seat_no) \
                 WHERE seats.event_id = wanted.event_id AND seats.seat_no = wanted.seat_no",
                $tail
            )
        }

        impl FromIterator<(EventId, SeatNo)> for $name {
            fn from_iter<Keys: IntoIterator<Item = (EventId, SeatNo)>>(keys: Keys) -> Self {
                let (events, seat_nos) = keys.into_iter().unzip();
                Self { events, seat_nos }
            }
        }
    };
}

seats_by_key! {
    /// All of them.
    struct SeatRows;
    ""
}

seats_by_key! {
    /// Those of them that are available.
    struct AvailableRows;
    " AND status = 'AVAILABLE'"
}

seats_by_key! {
    /// All of them, locked in the order of their keys.
    struct LockedSeatRows;
    " ORDER BY seats.event_id, seats.seat_no FOR UPDATE OF seats"
}

array_statement! {
    /// Those that may be taken and are at their versions, locked; nobody is waited for.
    struct LockedTakeableRows returns RowColumns;
    "SELECT seats.event_id, seats.seat_no, seats.version, status, owner_id, held_until \
     FROM seats, unnest(",
    events: BigInt = EventId, ", ",
    seat_nos: Integer = SeatNo, ", ",
    versions: Integer = i32,
    ") AS wanted (event_id, seat_no, version) \
     WHERE seats.event_id = wanted.event_id AND seats.seat_no = wanted.seat_no \
         AND seats.version = wanted.version \
         AND (status = 'AVAILABLE' OR (status = 'HELD' AND held_until <= now())) \
     FOR UPDATE OF seats SKIP LOCKED"
}

/// The columns of a [`SeatRow`].
type RowColumns = (
    BigInt,
    Integer,
    Integer,
    Text,
    Nullable<diesel::sql_types::Uuid>,
    Nullable<Timestamptz>,
);

/// Those of these seats of any events that exist, in no order.
///
/// # Errors
/// When the database fails.
pub async fn load_rows(
    mut connection: &AsyncPgConnection,
    keys: impl IntoIterator<Item = (EventId, SeatNo)>,
) -> QueryResult<Vec<SeatRow>> {
    let statement: SeatRows = keys.into_iter().collect();
    statement.load(&mut connection).await
}

/// Those of these seats of any events that are available, in no order.
///
/// # Errors
/// When the database fails.
pub async fn load_available_rows(
    mut connection: &AsyncPgConnection,
    keys: impl IntoIterator<Item = (EventId, SeatNo)>,
) -> QueryResult<Vec<SeatRow>> {
    let statement: AvailableRows = keys.into_iter().collect();
    statement.load(&mut connection).await
}

/// As [`load_rows`], and locks them, in the order of their keys.
///
/// # Errors
/// When the database fails.
pub async fn lock_rows(
    mut connection: &AsyncPgConnection,
    keys: impl IntoIterator<Item = (EventId, SeatNo)>,
) -> QueryResult<Vec<SeatRow>> {
    let statement: LockedSeatRows = keys.into_iter().collect();
    statement.load(&mut connection).await
}

/// Those of these seats of any events that may be taken and still are at these versions,
/// locked. Those that another transaction has locked are left to it: nobody is waited for.
///
/// # Errors
/// When the database fails.
pub async fn lock_takeable_rows(
    mut connection: &AsyncPgConnection,
    seats: impl IntoIterator<Item = (EventId, SeatNo, i32)>,
) -> QueryResult<Vec<SeatRow>> {
    let (events, seat_nos, versions) = seats.into_iter().collect();
    LockedTakeableRows {
        events,
        seat_nos,
        versions,
    }
    .load(&mut connection)
    .await
}

/// All seats of these events that are available, in no order.
///
/// # Errors
/// When the database fails.
pub async fn load_all_available_rows(
    connection: &AsyncPgConnection,
    events: &[EventId],
) -> QueryResult<Vec<SeatRow>> {
    let available = Accepted {
        status: Some(SeatStatus::Available),
        owned: None,
        lapsed: false,
    };
    load_rows_in(connection, events, available).await
}

/// All seats of these events that may be taken, in no order.
///
/// # Errors
/// When the database fails.
pub async fn load_takeable_rows(
    connection: &AsyncPgConnection,
    events: &[EventId],
) -> QueryResult<Vec<SeatRow>> {
    load_rows_in(connection, events, FromState::Takeable.accepted()).await
}

async fn load_rows_in(
    mut connection: &AsyncPgConnection,
    events: &[EventId],
    accepted: Accepted,
) -> QueryResult<Vec<SeatRow>> {
    seats::table
        .filter(seats::event_id.eq_any(events))
        .filter(is_accepted(accepted))
        .select((
            seats::event_id,
            seats::seat_no,
            seats::version,
            seats::status,
            seats::owner_id,
            seats::held_until,
        ))
        .load(&mut connection)
        .await
}

/// Those of `seat_nos` that one of `holds` has, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn load_held_by(
    connection: &mut AsyncPgConnection,
    event: EventId,
    seat_nos: &[SeatNo],
    holds: &[HoldId],
) -> QueryResult<Vec<SeatState>> {
    held_by(event, seat_nos, holds).load(connection).await
}

/// As [`load_held_by`], and locks them; those that another transaction has
/// locked are left out.
///
/// # Errors
/// When the database fails.
pub async fn lock_held_by(
    connection: &mut AsyncPgConnection,
    event: EventId,
    seat_nos: &[SeatNo],
    holds: &[HoldId],
) -> QueryResult<Vec<SeatState>> {
    held_by(event, seat_nos, holds)
        .for_update()
        .skip_locked()
        .load(connection)
        .await
}

#[diesel::dsl::auto_type]
#[expect(
    clippy::elidable_lifetime_names,
    reason = "the macro wants the lifetime to have a name"
)]
fn named<'a>(event: EventId, seat_nos: &'a [SeatNo]) -> _ {
    let state: AsSelect<SeatState, Pg> = SeatState::as_select();
    seats::table
        .filter(seats::event_id.eq(event))
        .filter(seats::seat_no.eq_any(seat_nos))
        .order(seats::seat_no)
        .select(state)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn held_by<'a>(event: EventId, seat_nos: &'a [SeatNo], holds: &'a [HoldId]) -> _ {
    let held: SeatStatus = SeatStatus::Held;
    let owners: Vec<Uuid> = holds.iter().map(|hold| hold.0).collect();
    let named: named<'a> = named(event, seat_nos);
    named
        .filter(seats::status.eq(held))
        .filter(seats::owner_id.eq_any(owners))
}
