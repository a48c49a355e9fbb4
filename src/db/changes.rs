//! The change feed: reading what the database wrote, in commit order.
//!
//! **Invariant:** usher never writes `seat_changes`; the trigger on `seats` does.
//! **Invariant:** a reader of many seats takes no change of a transaction at or above
//! the horizon of its snapshot. A lower transaction may still be running and commit
//! rows that sort before what was read, and those would be skipped for good.

use crate::db::schema::{feed, seat_changes};
use crate::db::transaction_id::{
    TransactionId, pg_current_snapshot, pg_snapshot_xmax, pg_snapshot_xmin, pg_visible_in_snapshot,
};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::{Cause, SeatStatus};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// One step of one seat's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = seat_changes, check_for_backend(diesel::pg::Pg))]
pub struct Change {
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

/// Changes in commit order.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most as many as were asked for.
    pub changes: Vec<Change>,
    /// Whether more are written already: past the limit, or still held back by
    /// a transaction that has not ended.
    pub more: bool,
}

/// Which feed this is, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct FeedState {
    /// Random for each database.
    pub epoch: i64,
    /// Changes of transactions before this one may have been pruned.
    pub pruned_before: TransactionId,
    /// All transactions before this one have ended.
    pub horizon: TransactionId,
    /// No transaction has this number yet, nor a higher one.
    pub next: TransactionId,
}

/// The feed as it stands. What is read after this shows at least every change
/// of a transaction below its horizon.
///
/// # Errors
/// When the database fails.
pub async fn state(connection: &mut AsyncPgConnection) -> QueryResult<FeedState> {
    feed::table
        .select((
            feed::epoch,
            feed::horizon,
            pg_snapshot_xmin(pg_current_snapshot()),
            pg_snapshot_xmax(pg_current_snapshot()),
        ))
        .first(connection)
        .await
}

/// Whether what `transaction` did can be seen; what is read after this sees it.
///
/// # Errors
/// When the database fails.
pub async fn is_visible(
    connection: &mut AsyncPgConnection,
    transaction: TransactionId,
) -> QueryResult<bool> {
    diesel::select(pg_visible_in_snapshot(transaction, pg_current_snapshot()))
        .get_result(connection)
        .await
}

/// The next changes of an event after (`transaction`, `id`), at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn page_after(
    connection: &mut AsyncPgConnection,
    event: EventId,
    (transaction, id): (TransactionId, i64),
    limit: usize,
) -> QueryResult<Page> {
    use seat_changes::{event_id, id as change_id, transaction_id};
    // One row more than asked for, and those above the horizon as well: they
    // tell that it is worth coming back soon. What can be seen was written by a
    // transaction below xmax; rows above it came with a restored dump.
    let rows: Vec<(Change, TransactionId)> = seat_changes::table
        .filter(event_id.eq(event))
        .filter(transaction_id.ge(transaction))
        .filter(transaction_id.gt(transaction).or(change_id.gt(id)))
        .filter(transaction_id.lt(pg_snapshot_xmax(pg_current_snapshot())))
        .order((transaction_id, change_id))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
        .select((Change::as_select(), pg_snapshot_xmin(pg_current_snapshot())))
        .load(connection)
        .await?;
    let found = rows.len();
    let changes: Vec<Change> = rows
        .into_iter()
        .take_while(|(change, horizon)| change.transaction_id < *horizon)
        .map(|(change, _)| change)
        .take(limit)
        .collect();
    Ok(Page {
        more: changes.len() < found,
        changes,
    })
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
