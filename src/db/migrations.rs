//! The migrations, embedded in the binary and run without libpq.

use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::error::Error;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// A migration failed; what it did is rolled back.
#[derive(Debug, thiserror::Error)]
#[error("the database could not be migrated")]
pub struct MigrationFailed(#[source] Box<dyn Error + Send + Sync>);

/// Runs what is pending and answers the versions that ran. Any number of
/// processes may call it at once: an advisory lock, which ends with the
/// connection that is handed in, lets them pass one by one.
///
/// Needs tokio's multi-thread runtime: Diesel's harness blocks.
///
/// # Errors
/// When the database refuses a migration.
pub async fn run_pending(
    mut connection: AsyncPgConnection,
) -> Result<Vec<String>, MigrationFailed> {
    connection
        .batch_execute(
            "SET statement_timeout = 0; SET lock_timeout = 0; \
             SELECT pg_advisory_lock(hashtext('usher migrations'))",
        )
        .await
        .map_err(|error| MigrationFailed(error.into()))?;
    let mut harness = AsyncMigrationHarness::new(connection);
    let ran = harness
        .run_pending_migrations(MIGRATIONS)
        .map_err(MigrationFailed)?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

/// Reverts every migration, newest first, and answers how many there were. All
/// data is lost: for tests of the migrations themselves.
///
/// # Errors
/// When the database refuses one.
pub async fn revert_all(connection: AsyncPgConnection) -> Result<usize, MigrationFailed> {
    let mut harness = AsyncMigrationHarness::new(connection);
    let reverted = harness
        .revert_all_migrations(MIGRATIONS)
        .map_err(MigrationFailed)?;
    Ok(reverted.len())
}
