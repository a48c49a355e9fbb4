//! `usher migrate`.

use crate::app::storage::{self, StorageError};
use crate::config::StorageSettings;

/// Runs pending migrations and says which.
///
/// # Errors
/// When there is no database, or it refuses a migration.
pub async fn run(settings: &StorageSettings) -> Result<(), StorageError> {
    let storage = storage::open_shared(settings).await?;
    if storage.migrated.is_empty() {
        println!("the database is up to date");
    }
    for migration in &storage.migrated {
        println!("migrated: {migration}");
    }
    Ok(storage.close().await?)
}
