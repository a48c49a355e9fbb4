//! The migrations, embedded in the binary and run without libpq.
//!
//! Who may not run them need not: a role that does not own the tables only looks whether
//! all have run, and says so if not.

use crate::config::RetentionSettings;
use crate::db::privileges;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::error::Error;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The database is not as this usher needs it.
#[derive(Debug, thiserror::Error)]
pub enum MigrationFailed {
    /// A migration failed; what it did is rolled back.
    #[error("the database could not be migrated")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// Migrations are pending, and the role is not one that could run them.
    #[error(
        "this usher needs migrations that have not run ({pending} of them), and the role {role} \
         may not run them: run `usher migrate` with USHER_MIGRATION_DATABASE_URL, as the owner of \
         the tables"
    )]
    NotOurs {
        /// Who may not.
        role: String,
        /// How many there are.
        pending: usize,
    },
    /// All have run, but the role was not given what it needs.
    #[error(
        "the role {role} may not use the tables ({missing} …): run `usher migrate` with \
         USHER_MIGRATION_DATABASE_URL, which gives it what it needs"
    )]
    NotGranted {
        /// Who may not.
        role: String,
        /// The first thing that it may not do.
        missing: String,
    },
    /// The role could not be given what it needs.
    #[error("the role {role} could not be given what usher needs")]
    Grant {
        /// Who.
        role: String,
        /// Why not.
        #[source]
        source: diesel::result::Error,
    },
}

impl From<diesel::result::Error> for MigrationFailed {
    fn from(error: diesel::result::Error) -> Self {
        Self::Refused(error.into())
    }
}

/// Sees to it that all migrations have run: runs what is pending, if the role owns the
/// tables or there are none yet. Answers the versions that ran.
///
/// Needs tokio's multi-thread runtime: Diesel's harness blocks.
///
/// # Errors
/// When the database refuses a migration, or the role can neither run what is pending nor use
/// what is there.
pub async fn bring_up_to_date(
    mut connection: AsyncPgConnection,
) -> Result<Vec<String>, MigrationFailed> {
    if owns_the_tables(&mut connection).await? {
        return run_pending(connection).await;
    }
    let role = privileges::current_role(&mut connection).await?;
    let pending = pending(&mut connection).await?;
    if pending > 0 {
        return Err(MigrationFailed::NotOurs { role, pending });
    }
    let missing = privileges::missing(&mut connection).await?;
    match missing.into_iter().next() {
        None => Ok(Vec::new()),
        Some(missing) => Err(MigrationFailed::NotGranted { role, missing }),
    }
}

/// Runs what is pending and answers the versions that ran. Any number of
/// processes may call it at once: an advisory lock, which ends with the
/// connection that is handed in, lets them pass one by one.
///
/// Needs tokio's multi-thread runtime: Diesel's harness blocks.
///
/// # Errors
/// When the database refuses a migration.
pub async fn run_pending(connection: AsyncPgConnection) -> Result<Vec<String>, MigrationFailed> {
    let (_, ran) = run_locked(connection).await?;
    Ok(ran)
}

/// The same as the owner of the tables, who then gives `role` what usher needs; answers also what
/// that role can do and should not.
///
/// # Errors
/// As [`run_pending`], and when there is no such role.
pub async fn run_pending_for(
    connection: AsyncPgConnection,
    role: &str,
    kept: &RetentionSettings,
) -> Result<(Vec<String>, Vec<&'static str>), MigrationFailed> {
    // Still locked: two who grant at once are in each other's way.
    let (mut connection, ran) = run_locked(connection).await?;
    if privileges::current_role(&mut connection).await? == role {
        return Ok((ran, Vec::new()));
    }
    let failed = |source| MigrationFailed::Grant {
        role: role.to_owned(),
        source,
    };
    let granted = privileges::grant(&mut connection, role, kept).await;
    granted.map_err(failed)?;
    let too_much = privileges::too_much(&mut connection, role).await;
    Ok((ran, too_much.map_err(failed)?))
}

async fn run_locked(
    mut connection: AsyncPgConnection,
) -> Result<(AsyncPgConnection, Vec<String>), MigrationFailed> {
    connection
        .batch_execute(
            "SET statement_timeout = 0; SET lock_timeout = 0; \
             SELECT pg_advisory_lock(hashtext('usher migrations'))",
        )
        .await?;
    let mut harness = AsyncMigrationHarness::new(connection);
    let ran = harness
        .run_pending_migrations(MIGRATIONS)
        .map_err(MigrationFailed::Refused)?;
    let ran = ran.iter().map(ToString::to_string).collect();
    Ok((harness.into_inner(), ran))
}

/// How many migrations have not run. Those of a newer usher that have run do no harm.
async fn pending(connection: &mut AsyncPgConnection) -> Result<usize, MigrationFailed> {
    let known = known()?;
    let readable = diesel::dsl::sql::<Nullable<Bool>>(
        "SELECT has_table_privilege(to_regclass('__diesel_schema_migrations'), 'SELECT')",
    );
    match readable.get_result(connection).await? {
        Some(true) => {}
        // What is missing is the privilege.
        Some(false) => return Ok(0),
        None => return Ok(known.len()),
    }
    let ran = "SELECT ARRAY(SELECT version::text FROM __diesel_schema_migrations)";
    let ran: Vec<String> = diesel::dsl::sql::<Array<Text>>(ran)
        .get_result(connection)
        .await?;
    Ok(known.iter().filter(|known| !ran.contains(known)).count())
}

/// The versions of all migrations.
fn known() -> Result<Vec<String>, MigrationFailed> {
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(MigrationFailed::Refused)?;
    let versions = known.iter().map(|known| known.name().version().to_string());
    Ok(versions.collect())
}

/// Whether the role of this connection is one that owns the tables, or may make them.
async fn owns_the_tables(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    diesel::dsl::sql::<Bool>(
        "SELECT coalesce(CASE \
             WHEN to_regclass('venues') IS NULL \
             THEN has_schema_privilege(current_schema(), 'CREATE') \
             ELSE pg_has_role((SELECT relowner FROM pg_class WHERE oid = to_regclass('venues')), \
                              'USAGE') END, false)",
    )
    .get_result(connection)
    .await
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
        .map_err(MigrationFailed::Refused)?;
    Ok(reverted.len())
}
