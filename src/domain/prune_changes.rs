//! Forgetting changes that nobody resumes from or asks for any more.

use crate::config::RetentionSettings;
use crate::db::{advisory_locks, old_changes};
use crate::domain::DomainError;
use diesel_async::{AsyncConnection, AsyncPgConnection};

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
    connection
        .transaction::<_, DomainError, _>(async |connection| {
            if !advisory_locks::try_lock_pruning(connection).await? {
                return Ok(0);
            }
            Ok(old_changes::prune(connection, retention, BATCH).await?)
        })
        .await
}
