//! `usher migrate`.

use crate::app::output::{self, OutputError};
use crate::app::storage::{self, StorageError};
use crate::config::Settings;
use crate::db::embedded::EmbeddedError;
use tokio::runtime::Handle;

/// Why migrations did not run, or nobody learnt which.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// There is no database, or it refused a migration.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The private PostgreSQL did not stop.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// They ran, but could not be printed.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs pending migrations and says which.
///
/// # Errors
/// When there is no database, or it refuses a migration.
pub async fn run(settings: &Settings, workers: &Handle) -> Result<(), MigrateError> {
    let by_owner = storage::migrate_as_owner(settings, workers).await?;
    let migrated = if let Some(migrated) = by_owner {
        migrated
    } else {
        let mut storage = storage::open_shared(settings, workers).await?;
        let migrated = std::mem::take(&mut storage.migrated);
        storage.close().await?;
        migrated
    };
    if migrated.is_empty() {
        output::write("the database is up to date\n")?;
    }
    for migration in migrated {
        output::write(format_args!("migrated: {migration}\n"))?;
    }
    Ok(())
}
