//! Pruning the feed, from its oldest change on.
//!
//! **Invariant:** the horizon moves in the transaction that deletes, so that whoever can
//! see that a change is gone can see the horizon behind it.
//!
//! Both the search and the deletion walk the index that is led by `transaction_id`, which
//! is about the order of age, and stop at the first change that is kept. There is no
//! index on `changed_at`: it would cost every change of a seat, and only the pruner would
//! ever read it.

use crate::db::changes::{Position, lies_up_to};
use crate::db::feed_state::{self, FeedState};
use crate::db::schema::{feed, seat_changes};
use crate::db::transaction_id::TransactionId;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use seat_changes::{changed_at, id, transaction_id};

/// Which changes are not kept any more.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Those made before this.
    pub made_before: DateTime<Utc>,
    /// And, if they are beyond the number of changes that are kept, those made before this.
    pub beyond_made_before: DateTime<Utc>,
    /// The newest change that is beyond that number.
    pub newest_beyond: i64,
}

/// The number of the newest change.
///
/// # Errors
/// When the database fails.
pub async fn newest(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Newest {
        #[diesel(sql_type = BigInt)]
        last_value: i64,
    }
    // Counting rows would read them all.
    let newest = diesel::sql_query("SELECT last_value FROM seat_changes_id_seq");
    Ok(newest.get_result::<Newest>(connection).await?.last_value)
}

/// Deletes the oldest changes, at most `batch` of those that are past the limits, and
/// moves the horizon behind them; answers how many. To be called in a transaction.
///
/// # Errors
/// When the database fails.
pub async fn prune(
    connection: &mut AsyncPgConnection,
    limits: &Limits,
    batch: i64,
) -> QueryResult<usize> {
    let state = feed_state::read(connection).await?;
    // The transaction before the horizon may be deleted in part.
    let first = TransactionId(state.pruned_before.0.saturating_sub(1));
    // Of transactions that have ended: before one that is old nothing will appear.
    let range = (first, state.horizon);
    if let Some(last) = last_to_prune(connection, range, limits, batch).await? {
        let after = Position::after(last.transaction);
        move_horizon(connection, &state, after.transaction).await?;
        return delete(connection, range, last, limits).await;
    }
    // What came with a dump from where the numbers were higher. No cursor of here is from
    // before the dump, so that the horizon says nothing about it.
    let range = (state.next, TransactionId(u64::MAX));
    match last_to_prune(connection, range, limits, batch).await? {
        Some(last) => delete(connection, range, last, limits).await,
        None => Ok(0),
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn is_past(limits: Limits) -> _ {
    let made_before: DateTime<Utc> = limits.made_before;
    let beyond_made_before: DateTime<Utc> = limits.beyond_made_before;
    let newest_beyond: i64 = limits.newest_beyond;
    changed_at
        .lt(made_before)
        .or(id.le(newest_beyond).and(changed_at.lt(beyond_made_before)))
}

/// The last of the changes that may go before the first one that is kept.
async fn last_to_prune(
    connection: &mut AsyncPgConnection,
    (first, end): (TransactionId, TransactionId),
    limits: &Limits,
    batch: i64,
) -> QueryResult<Option<Position>> {
    let oldest: Vec<(TransactionId, i64, bool)> = seat_changes::table
        .filter(transaction_id.ge(first))
        .filter(transaction_id.lt(end))
        .order((transaction_id, id))
        .limit(batch)
        .select((transaction_id, id, is_past(*limits)))
        .load(connection)
        .await?;
    let to_prune = oldest.iter().take_while(|(_, _, is_past)| *is_past);
    Ok(to_prune.last().map(|&(transaction, number, _)| Position {
        transaction,
        id: number,
    }))
}

/// Deletes what is past the limits from the start of the range up to and with `last`.
async fn delete(
    connection: &mut AsyncPgConnection,
    (first, _): (TransactionId, TransactionId),
    last: Position,
    limits: &Limits,
) -> QueryResult<usize> {
    let old = seat_changes::table
        .filter(transaction_id.ge(first))
        .filter(lies_up_to(last))
        // Asked again: in a range of numbers that were still to come, something may have.
        .filter(is_past(*limits));
    diesel::delete(old).execute(connection).await
}

/// Moves the horizon on, never back; one that came with a copy of another database is
/// none.
async fn move_horizon(
    connection: &mut AsyncPgConnection,
    state: &FeedState,
    horizon: TransactionId,
) -> QueryResult<()> {
    let behind = feed::horizon_of
        .is_distinct_from(state.epoch)
        .or(feed::horizon.lt(horizon));
    diesel::update(feed::table.filter(behind))
        .set(feed::horizon.eq(horizon))
        .execute(connection)
        .await?;
    Ok(())
}
