//! The change feed: reading what the database wrote, in commit order.
//!
//! **Invariant:** usher never writes `seat_changes`; the trigger on `seats` does.
//! **Invariant:** a reader of many seats takes no change of a transaction at or above
//! the horizon of its snapshot. A lower transaction may still be running and commit
//! rows that sort before what was read, and those would be skipped for good.
//! **Invariant:** whoever goes on from a position asks *after* reading whether the feed is
//! whole from there. The horizon moves in the transaction that deletes, so that a
//! reader who missed a change sees the horizon behind it; one who had asked before would
//! have missed what was deleted in between.

use crate::db::clock::clock_timestamp;
use crate::db::feed_origin::feed_identity;
use crate::db::schema::{feed, seat_changes};
use crate::db::transaction_id::{
    TransactionId, pg_current_snapshot, pg_snapshot_xmax, pg_snapshot_xmin,
};
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

/// Which feed this is, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// Another one for each database, for each copy of it, and after each failover or
    /// recovery to an earlier moment (`feed_origin`).
    pub epoch: i64,
    /// Changes of transactions before this one may have been pruned: positions of this
    /// epoch that are before it do not lead on. All events have the same.
    pub pruned_before: TransactionId,
    /// All transactions before this one have ended.
    pub horizon: TransactionId,
    /// No transaction has this number yet, nor a higher one.
    pub next: TransactionId,
    /// What the database's clock says.
    pub now: DateTime<Utc>,
}

/// The feed as it stands. What is read after this shows at least every change
/// of a transaction below its horizon.
///
/// # Errors
/// When the database fails.
pub async fn state(connection: &mut AsyncPgConnection) -> QueryResult<FeedState> {
    let (epoch, pruned_before, pruned_of, horizon, next, now) = feed::table
        .select((
            feed_identity(feed::epoch),
            feed::horizon,
            feed::horizon_of,
            pg_snapshot_xmin(pg_current_snapshot()),
            pg_snapshot_xmax(pg_current_snapshot()),
            clock_timestamp(),
        ))
        .first::<(
            i64,
            TransactionId,
            Option<i64>,
            TransactionId,
            TransactionId,
            DateTime<Utc>,
        )>(connection)
        .await?;
    Ok(FeedState {
        epoch,
        pruned_before: pruned_in(epoch, pruned_before, pruned_of),
        horizon,
        next,
        now,
    })
}

/// The next changes of all events after a position, in order, at most `limit`; all of
/// transactions below `horizon`, which must be one that [`state`] has answered: whatever
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

/// After the last change that readers may take below a horizon which [`state`] has
/// answered; where the feed begins when there is none.
///
/// **Invariant:** this, and not the horizon itself, is how far a reader may say to have come.
/// The numbers of transactions that were rolled back are written nowhere in time, so that a
/// server which crashes may give them again, to changes that whoever had passed them would
/// never see. A change that can be seen is written for good, and with it that all numbers
/// up to its own are gone. (This needs `synchronous_commit`, which is on by default.)
///
/// # Errors
/// When the database fails.
pub async fn tip(connection: &mut AsyncPgConnection, state: &FeedState) -> QueryResult<Position> {
    use seat_changes::{id, transaction_id};
    let last = seat_changes::table
        .filter(transaction_id.lt(state.horizon))
        .order((transaction_id.desc(), id.desc()))
        .select(transaction_id)
        .first(connection)
        .await
        .optional()?;
    Ok(match last {
        Some(last) => Position::after(last),
        None => Position::before(state.pruned_before),
    })
}

/// What a reader has to know after it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Afterwards {
    /// Whether a change is written and committed that readers may not take yet, because a
    /// transaction before it has not ended.
    pub is_held_back: bool,
    /// As [`FeedState::pruned_before`], now.
    pub pruned_before: TransactionId,
}

/// What a reader has to know after it has read what [`state`] let it read.
///
/// # Errors
/// When the database fails.
pub async fn afterwards(
    connection: &mut AsyncPgConnection,
    state: &FeedState,
) -> QueryResult<Afterwards> {
    // What can be seen was written by a transaction below `xmax`; rows above it came with a
    // restored dump.
    let held_back = seat_changes::table
        .filter(seat_changes::transaction_id.ge(state.horizon))
        .filter(seat_changes::transaction_id.lt(pg_snapshot_xmax(pg_current_snapshot())));
    let (is_held_back, pruned_before, pruned_of) = feed::table
        .select((exists(held_back), feed::horizon, feed::horizon_of))
        .first(connection)
        .await?;
    Ok(Afterwards {
        is_held_back,
        pruned_before: pruned_in(state.epoch, pruned_before, pruned_of),
    })
}

/// What came with a copy counts transactions of another database.
fn pruned_in(epoch: i64, pruned_before: TransactionId, pruned_of: Option<i64>) -> TransactionId {
    if pruned_of == Some(epoch) {
        pruned_before
    } else {
        TransactionId(0)
    }
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
    // Only now: see the invariant.
    let is_whole = after.transaction >= state(connection).await?.pruned_before;
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
