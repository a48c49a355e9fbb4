//! The change feed: reading what the database wrote, in commit order.
//!
//! **Invariant:** usher never writes `seat_changes`; the trigger on `seats` does.
//! **Invariant:** a reader of many seats takes no change of a transaction at or above
//! the horizon of its snapshot. A lower transaction may still be running and commit
//! rows that sort before what was read, and those would be skipped for good.

use crate::db::feed_state;
use crate::db::schema::seat_changes;
use crate::db::transaction_id::{TransactionId, pg_current_snapshot, pg_snapshot_xmax};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::{Cause, SeatStatus};
use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// A place in the feed of all events. The order of positions is the order in which
/// readers take changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// A transaction.
    pub transaction: TransactionId,
    /// The last change of it that lies before; 0 for none of them.
    pub id: i64,
}

impl Position {
    /// Before everything.
    pub const START: Self = Self::before(TransactionId(0));

    /// Before every change of this transaction.
    pub const fn before(transaction: TransactionId) -> Self {
        Self { transaction, id: 0 }
    }

    /// After every change of this transaction.
    pub const fn after(transaction: TransactionId) -> Self {
        Self::before(TransactionId(transaction.0.saturating_add(1)))
    }
}

/// Whether a change lies after a position.
#[diesel::dsl::auto_type(no_type_alias)]
fn lies_after(position: Position) -> _ {
    let transaction: TransactionId = position.transaction;
    let number: i64 = position.id;
    seat_changes::transaction_id.ge(transaction).and(
        seat_changes::transaction_id
            .gt(transaction)
            .or(seat_changes::id.gt(number)),
    )
}

/// Whether a change lies before a position or at it.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn lies_up_to(position: Position) -> _ {
    let transaction: TransactionId = position.transaction;
    let number: i64 = position.id;
    seat_changes::transaction_id.le(transaction).and(
        seat_changes::transaction_id
            .lt(transaction)
            .or(seat_changes::id.le(number)),
    )
}

/// One step of one seat's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = seat_changes, check_for_backend(diesel::pg::Pg))]
pub struct Change {
    /// Of which event.
    pub event_id: EventId,
    /// The transaction that made it.
    pub transaction_id: TransactionId,
    /// Its number in the order of writing.
    pub id: i64,
    /// Which seat.
    pub seat_no: SeatNo,
    /// The version it came to.
    pub version: i32,
    /// The status it came to.
    pub status: SeatStatus,
    /// When, by the database's clock.
    pub changed_at: DateTime<Utc>,
}

impl Change {
    /// Where it is in the feed.
    pub fn position(&self) -> Position {
        Position {
            transaction: self.transaction_id,
            id: self.id,
        }
    }
}

/// One step of one seat's version, with why and by whom.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = seat_changes, check_for_backend(diesel::pg::Pg))]
pub struct SeatStep {
    /// The version it came to.
    pub version: i32,
    /// The status it came to.
    pub status: SeatStatus,
    /// Why.
    pub cause: Cause,
    /// By whom.
    pub actor: String,
    /// The hold or the booking that has had the seat since.
    pub owner_id: Option<Uuid>,
    /// When, by the database's clock.
    pub changed_at: DateTime<Utc>,
}

/// The next changes of all events after a position, in order, at most `limit`; all of
/// transactions below `horizon`, which must be one that [`feed_state`] has answered: whatever
/// such a transaction wrote can be seen.
///
/// # Errors
/// When the database fails.
pub async fn page(
    connection: &mut AsyncPgConnection,
    after: Position,
    horizon: TransactionId,
    limit: usize,
) -> QueryResult<Vec<Change>> {
    use seat_changes::{id, transaction_id};
    seat_changes::table
        .filter(lies_after(after))
        .filter(transaction_id.lt(horizon))
        .order((transaction_id, id))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select(Change::as_select())
        .load(connection)
        .await
}

/// The newest changes of an event up to and including `up_to`, at most `limit`, newest
/// first.
///
/// # Errors
/// When the database fails.
pub async fn newest(
    connection: &mut AsyncPgConnection,
    event: EventId,
    up_to: Position,
    limit: usize,
) -> QueryResult<Vec<Change>> {
    use seat_changes::{event_id, id, transaction_id};
    seat_changes::table
        .filter(event_id.eq(event))
        .filter(lies_up_to(up_to))
        .order((transaction_id.desc(), id.desc()))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select(Change::as_select())
        .load(connection)
        .await
}

/// The newest changes of an event that can be seen, at most `limit`, newest first; also
/// those above the horizon, before which others may still appear.
///
/// # Errors
/// When the database fails.
pub async fn newest_committed(
    connection: &mut AsyncPgConnection,
    event: EventId,
    limit: usize,
) -> QueryResult<Vec<Change>> {
    use seat_changes::{event_id, id, transaction_id};
    seat_changes::table
        .filter(event_id.eq(event))
        // What is above came with a restored dump.
        .filter(transaction_id.lt(pg_snapshot_xmax(pg_current_snapshot())))
        .order((transaction_id.desc(), id.desc()))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select(Change::as_select())
        .load(connection)
        .await
}

/// The seats of an event that have changed after `after`, up to and including `up_to`,
/// each once; nothing when some of these changes may have been pruned. The positions are
/// of the feed's present epoch.
///
/// # Errors
/// When the database fails.
pub async fn seats_changed_after(
    connection: &mut AsyncPgConnection,
    event: EventId,
    after: Position,
    up_to: Position,
) -> QueryResult<Option<Vec<SeatNo>>> {
    use seat_changes::{event_id, seat_no};
    let seats = seat_changes::table
        .filter(event_id.eq(event))
        .filter(lies_after(after))
        .filter(lies_up_to(up_to))
        .select(seat_no)
        .distinct()
        .load(connection)
        .await?;
    // Only now: see the invariant of `feed_state`.
    let is_whole = after.transaction >= feed_state::read(connection).await?.pruned_before;
    Ok(is_whole.then_some(seats))
}

/// Somebody whose transaction holds the feed back.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Holder {
    /// The process of the server.
    #[diesel(sql_type = Integer)]
    pub pid: i32,
    /// What it calls itself.
    #[diesel(sql_type = Text)]
    pub application_name: String,
    /// How long its transaction has been running, in milliseconds.
    #[diesel(sql_type = BigInt)]
    pub milliseconds: i64,
}

/// Whose writing transaction is the oldest that runs, if the role may see it.
///
/// # Errors
/// When the database fails.
pub async fn oldest_writer(connection: &mut AsyncPgConnection) -> QueryResult<Option<Holder>> {
    // Transaction numbers of 32 bits have no order, only an age.
    diesel::sql_query(
        "SELECT pid, coalesce(application_name, '') AS application_name, \
           coalesce(1000 * extract(epoch FROM clock_timestamp() - xact_start), 0)::bigint \
             AS milliseconds \
         FROM pg_stat_activity WHERE backend_xid IS NOT NULL \
         ORDER BY age(backend_xid) DESC LIMIT 1",
    )
    .get_result(connection)
    .await
    .optional()
}

/// The first `limit` steps of a seat after `version`, in order of version. Its row is
/// locked by whoever changes it, so a lower version never follows a higher one: this
/// reader needs no horizon.
///
/// # Errors
/// When the database fails.
pub async fn of_seat(
    connection: &mut AsyncPgConnection,
    event: EventId,
    seat_no: SeatNo,
    after: i32,
    limit: i64,
) -> QueryResult<Vec<SeatStep>> {
    seat_changes::table
        .filter(seat_changes::event_id.eq(event))
        .filter(seat_changes::seat_no.eq(seat_no))
        .filter(seat_changes::version.gt(after))
        .order(seat_changes::version)
        .limit(limit)
        .select(SeatStep::as_select())
        .load(connection)
        .await
}

/// A change that a transaction makes: there, once it is committed, and of no other transaction.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// The event.
    pub event: EventId,
    /// Which seat of it.
    pub seat_no: SeatNo,
    /// The version that the seat comes to.
    pub version: i32,
    /// Whose it becomes.
    pub owner: Option<Uuid>,
    /// The number of the transaction. Alone it says nothing: those of transactions that a crash
    /// has undone are given again.
    pub transaction: TransactionId,
}

/// Whether a transaction has left this behind.
///
/// # Errors
/// When the database fails.
pub async fn is_there(connection: &mut AsyncPgConnection, trace: Trace) -> QueryResult<bool> {
    use seat_changes::{event_id, owner_id, seat_no, transaction_id, version};
    let found = seat_changes::table
        .filter(event_id.eq(trace.event))
        .filter(seat_no.eq(trace.seat_no))
        .filter(version.eq(trace.version))
        .filter(owner_id.is_not_distinct_from(trace.owner))
        .filter(transaction_id.eq(trace.transaction));
    diesel::select(exists(found)).get_result(connection).await
}
