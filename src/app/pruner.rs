//! Deletes what is kept for a time only: idempotency keys, and changes of seats.

use crate::config::RetentionSettings;
use crate::db::{Database, DatabaseUnavailable};
use crate::domain::DomainError;
use crate::domain::prune_changes::prune_some_changes;
use crate::domain::prune_idempotency_keys::prune_idempotency_keys;
use crate::model::causes::in_full;
use std::time::Duration;

/// A day is kept for at least; a minute more or less is nobody's concern.
const PAUSE: Duration = Duration::from_mins(1);
/// Between two batches of changes, so that the feed and everybody's writing come first:
/// tens of thousands a second are faster than any sale.
const BREATH: Duration = Duration::from_millis(100);

/// Prunes for good, at once and then every minute. Safe in any number of processes.
pub async fn run(database: Database, retention: RetentionSettings) {
    // Side by side: years of changes may take a while to go.
    tokio::join!(
        forget_keys(&database),
        forget_changes(&database, &retention)
    );
}

async fn forget_keys(database: &Database) {
    loop {
        match prune_keys(database).await {
            Ok(0) => {}
            Ok(keys) => tracing::info!(keys, "idempotency keys were forgotten"),
            Err(error) => {
                let error = in_full(&error);
                tracing::warn!(error, "idempotency keys could not be pruned");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn forget_changes(database: &Database, retention: &RetentionSettings) {
    loop {
        let mut changes = 0;
        let ended = loop {
            match prune_changes(database, retention).await {
                Ok(0) => break Ok(()),
                Ok(some) => changes += some,
                Err(error) => break Err(error),
            }
            tokio::time::sleep(BREATH).await;
        };
        if changes > 0 {
            tracing::info!(changes, "old changes of seats were pruned");
        }
        if let Err(error) = ended {
            let error = in_full(&error);
            tracing::warn!(error, "old changes of seats could not be pruned");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The pruner could not work.
#[derive(Debug, thiserror::Error)]
enum PruneError {
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    #[error(transparent)]
    Domain(#[from] DomainError),
}

async fn prune_keys(database: &Database) -> Result<usize, PruneError> {
    let mut connection = database.connection().await?;
    Ok(prune_idempotency_keys(&mut connection).await?)
}

/// One batch: between two of them the connection is somebody else's.
async fn prune_changes(
    database: &Database,
    retention: &RetentionSettings,
) -> Result<usize, PruneError> {
    let mut connection = database.connection().await?;
    let pruned = prune_some_changes(&mut connection, retention).await?;
    metrics::counter!("usher_feed_changes_pruned_total").increment(pruned as u64);
    Ok(pruned)
}
