//! Forgetting idempotency keys that nobody retries under any more.

use crate::db::idempotency_keys;
use crate::domain::DomainError;
use chrono::TimeDelta;
use diesel_async::{AsyncConnection, AsyncPgConnection};

/// How long a key is kept.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);
/// Keys that one transaction deletes.
const BATCH: i64 = 1_000;

/// Deletes all keys that are old enough, in bounded batches; answers how many. Any
/// number of processes may do so at once: each takes keys that no other has locked.
///
/// # Errors
/// When the database fails.
pub async fn prune_idempotency_keys(
    connection: &mut AsyncPgConnection,
) -> Result<usize, DomainError> {
    let mut pruned = 0;
    loop {
        let batch = connection
            .transaction::<_, DomainError, _>(async |connection| {
                Ok(idempotency_keys::prune(connection, KEPT_FOR, BATCH).await?)
            })
            .await?;
        if batch == 0 {
            return Ok(pruned);
        }
        pruned += batch;
    }
}
