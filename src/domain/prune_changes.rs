//! Forgetting changes that nobody resumes from or asks for any more.

use crate::config::RetentionSettings;
use crate::db::old_changes::{self, Limits};
use crate::db::{advisory_locks, clock};
use crate::domain::DomainError;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use std::time::Duration;

/// Changes that one transaction deletes. While it runs the feed stands still, because
/// readers take nothing of transactions that began after it: tens of milliseconds.
const BATCH: i64 = 5_000;

/// Deletes some of the changes that are not kept any more, the oldest first; answers how
/// many. None when all that are left are kept, or when somebody else is at it.
///
/// # Errors
/// When the database fails.
pub async fn prune_some_changes(
    connection: &mut AsyncPgConnection,
    retention: &RetentionSettings,
) -> Result<usize, DomainError> {
    let now = clock::read(connection).await?;
    let limits = Limits {
        made_before: ago(now, retention.history_retention),
        beyond_made_before: ago(now, retention.resume_window),
        newest_beyond: match retention.history_changes {
            // Numbers are given in the order of time; some are lost to transactions that
            // were rolled back, so that these are at most as many changes.
            Some(count) => old_changes::newest(connection).await?.saturating_sub(count),
            None => i64::MIN,
        },
    };
    connection
        .transaction::<_, DomainError, _>(async |connection| {
            if !advisory_locks::try_lock_pruning(connection).await? {
                return Ok(0);
            }
            Ok(old_changes::prune(connection, &limits, BATCH).await?)
        })
        .await
}

fn ago(now: DateTime<Utc>, age: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(age)
        .ok()
        .and_then(|age| now.checked_sub_signed(age))
        .unwrap_or(DateTime::UNIX_EPOCH)
}
