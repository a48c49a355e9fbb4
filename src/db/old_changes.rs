//! Pruning the feed, from its oldest change on.
//!
//! **Invariant:** the horizon moves in the transaction that deletes, so that whoever can
//! see that a change is gone can see the horizon behind it.
//!
//! The database does it, by a function with the rights of the tables' owner: usher's own role
//! may not be allowed to delete anything from the feed. The migrations have it.

use crate::config::RetentionSettings;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Nullable};
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

/// Says once, in the log, when changes will be kept for longer than these settings say, because
/// the owner of the tables wants them kept.
///
/// # Errors
/// When the database fails.
pub async fn warn_if_kept_longer(
    connection: &mut AsyncPgConnection,
    kept: &RetentionSettings,
) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Answer {
        #[diesel(sql_type = Bool)]
        is_longer: bool,
    }
    let question = "SELECT (resume_window_seconds > $1 OR history_retention_seconds > $2 \
           OR ($3 IS NOT NULL AND coalesce(history_changes > $3, true))) \
         AND NOT pg_has_role(session_user, \
           (SELECT relowner FROM pg_class WHERE oid = 'seat_changes'::regclass), 'USAGE') \
           AS is_longer \
         FROM retention";
    let Answer { is_longer } = diesel::sql_query(question)
        .bind::<Double, _>(kept.resume_window.as_secs_f64())
        .bind::<Double, _>(kept.history_retention.as_secs_f64())
        .bind::<Nullable<BigInt>, _>(kept.history_changes)
        .get_result(connection)
        .await?;
    if is_longer {
        tracing::warn!(
            "old changes are kept for longer than the settings of this server say, because \
             `usher migrate` was told other ones: run it with the same USHER_RESUME_WINDOW, \
             USHER_HISTORY_RETENTION and USHER_HISTORY_CHANGES"
        );
    }
    Ok(())
}
