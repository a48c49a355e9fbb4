//! Deletes what is kept for a time only: idempotency keys.

use crate::db::{Database, DatabaseUnavailable};
use crate::domain::DomainError;
use crate::domain::prune_idempotency_keys::prune_idempotency_keys;
use crate::model::causes::in_full;
use std::time::Duration;

/// A day is kept for at least; a minute more or less is nobody's concern.
const PAUSE: Duration = Duration::from_mins(1);

/// Prunes for good, at once and then every minute. Safe in any number of processes.
pub async fn run(database: Database) {
    loop {
        match prune(&database).await {
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

/// The pruner could not work.
#[derive(Debug, thiserror::Error)]
enum PruneError {
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    #[error(transparent)]
    Domain(#[from] DomainError),
}

async fn prune(database: &Database) -> Result<usize, PruneError> {
    let mut connection = database.connection().await?;
    Ok(prune_idempotency_keys(&mut connection).await?)
}
