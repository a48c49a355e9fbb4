//! Pruning the feed, from its oldest change on.
//!
//! **Invariant:** the horizon moves in the transaction that deletes, so that whoever can
//! see that a change is gone can see the horizon behind it.
//!
//! The database does it, by a function with the rights of the tables' owner: usher's own role
//! may not be allowed to delete anything from the feed. The migrations have it.

use crate::config::RetentionSettings;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

diesel::define_sql_function! {
    /// Deletes the oldest changes, at most so many, and moves the horizon behind them; answers
    /// how many. Never those that the owner of the tables wants kept.
    fn prune_seat_changes(
        window_seconds: Double,
        retention_seconds: Double,
        newest_changes: Nullable<BigInt>,
        at_most: BigInt,
    ) -> BigInt;
}

/// Deletes the oldest changes, at most `batch` of those that are not kept any more, and
/// moves the horizon behind them; answers how many. To be called in a transaction.
///
/// # Errors
/// When the database fails.
pub async fn prune(
    connection: &mut AsyncPgConnection,
    kept: &RetentionSettings,
    batch: i64,
) -> QueryResult<usize> {
    let pruned: i64 = diesel::select(prune_seat_changes(
        kept.resume_window.as_secs_f64(),
        kept.history_retention.as_secs_f64(),
        kept.history_changes,
        batch,
    ))
    .get_result(connection)
    .await?;
    Ok(usize::try_from(pruned).unwrap_or_default())
}
