//! Opening the database: somebody's server, or usher's own.

use crate::app::workers;
use crate::config::{DatabaseSettings, NoDataDir, RetentionSettings, Settings, StorageSettings};
use crate::db::embedded::{self, EmbeddedError, EmbeddedOptions, EmbeddedPostgres};
use crate::db::migrations::{self, MigrationFailed};
use crate::db::{Database, DatabaseUnavailable, OpenError};
use secrecy::SecretString;
use std::path::PathBuf;
use tokio::runtime::Handle;

/// An open database, migrated.
pub struct Storage {
    /// The database.
    pub database: Database,
    /// The private PostgreSQL behind it, if this process runs one.
    pub embedded: Option<EmbeddedPostgres>,
    /// The data folder of the embedded default; `None` with `DATABASE_URL`.
    pub data_dir: Option<PathBuf>,
    /// The migrations that ran.
    pub migrated: Vec<String>,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no folder to keep it in.
    #[error(transparent)]
    NoDataDir(#[from] NoDataDir),
    /// The private PostgreSQL does not run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The database cannot be connected to.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database cannot be reached any more.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The database cannot be used.
    #[error(transparent)]
    Migration(#[from] MigrationFailed),
    /// Nobody is named for whom the migrations would be run.
    #[error(
        "USHER_MIGRATION_DATABASE_URL is given without DATABASE_URL: that names the role which \
         usher works as, in the same database"
    )]
    NobodyToMigrateFor,
}

const RUN: &str = "DATABASE_URL";
const MIGRATION: &str = "USHER_MIGRATION_DATABASE_URL";

/// Opens the database for a server. The private PostgreSQL is started, and must
/// not be another usher's. Its process is the caller's; what is connected to the
/// database is the workers'.
///
/// # Errors
/// When there is no database to be had.
pub async fn open(settings: &Settings, workers: &Handle) -> Result<Storage, StorageError> {
    let storage = &settings.storage;
    let database = storage.database.clone();
    if let Some(url) = storage.database_url() {
        let migrated = migrate_as_owner(settings, workers).await?;
        return match connect(url.clone(), database, workers, None, None).await {
            Err(StorageError::Open(error)) => Err(error.named_by(RUN).into()),
            Err(error) => Err(error),
            Ok(connected) => Ok(Storage {
                migrated: migrated.unwrap_or(connected.migrated),
                ..connected
            }),
        };
    }
    if storage.urls.migration().is_some() {
        return Err(StorageError::NobodyToMigrateFor);
    }
    let options = embedded_options(storage)?;
    let embedded = EmbeddedPostgres::start(&options).await?;
    let url = SecretString::from(embedded.database_url().to_owned());
    let data_dir = Some(options.data_dir);
    connect(url, database, workers, Some(embedded), data_dir).await
}

/// Opens the database for a command: a private PostgreSQL that another usher is
/// running is used as it is.
///
/// # Errors
/// When there is no database to be had.
pub async fn open_shared(settings: &Settings, workers: &Handle) -> Result<Storage, StorageError> {
    let storage = &settings.storage;
    if storage.database_url().is_none() && storage.urls.migration().is_none() {
        let options = embedded_options(storage)?;
        if let Some(url) = embedded::running_url(&options).await? {
            let data_dir = Some(options.data_dir);
            return connect(
                url.into(),
                storage.database.clone(),
                workers,
                None,
                data_dir,
            )
            .await;
        }
    }
    open(settings, workers).await
}

/// Runs pending migrations as the role that is there for that, if one is named, and gives the
/// one that usher works as what it needs. That one need not be able to connect from here.
/// Answers what ran.
///
/// # Errors
/// When the database refuses it.
pub async fn migrate_as_owner(
    settings: &Settings,
    workers: &Handle,
) -> Result<Option<Vec<String>>, StorageError> {
    let urls = &settings.storage.urls;
    let Some(url) = urls.migration().cloned() else {
        return Ok(None);
    };
    let run = urls.run().ok_or(StorageError::NobodyToMigrateFor)?;
    let role = Database::role(run).map_err(|error| error.named_by(RUN))?;
    let (database, kept) = (settings.storage.database.clone(), settings.retention);
    workers::run(workers, run_migrations(url, role, database, kept))
        .await
        .map(Some)
}

async fn run_migrations(
    url: SecretString,
    role: String,
    settings: DatabaseSettings,
    kept: RetentionSettings,
) -> Result<Vec<String>, StorageError> {
    let owner = Database::connect_once(&url, &settings).await;
    let owner = owner.map_err(|error| error.named_by(MIGRATION))?;
    let (migrated, too_much) = migrations::run_pending_for(owner, &role, &kept).await?;
    for too_much in too_much {
        tracing::warn!("the role {role} {too_much}: it can do more than usher needs");
    }
    Ok(migrated)
}

async fn connect(
    url: SecretString,
    settings: DatabaseSettings,
    workers: &Handle,
    embedded: Option<EmbeddedPostgres>,
    data_dir: Option<PathBuf>,
) -> Result<Storage, StorageError> {
    let opening = async move {
        let database = Database::open(url, settings).await?;
        let connection = database.dedicated_connection().await?;
        let migrated = migrations::bring_up_to_date(connection).await?;
        Ok::<_, StorageError>((database, migrated))
    };
    let (database, migrated) = workers::run(workers, opening).await?;
    Ok(Storage {
        database,
        embedded,
        data_dir,
        migrated,
    })
}

impl Storage {
    /// Stops the private PostgreSQL, if this process runs one.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn close(self) -> Result<(), EmbeddedError> {
        drop(self.database);
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
}

fn embedded_options(settings: &StorageSettings) -> Result<EmbeddedOptions, NoDataDir> {
    Ok(EmbeddedOptions {
        data_dir: settings.data_dir()?,
        postgres_bin: settings.postgres_bin().map(ToOwned::to_owned),
        settings: Vec::new(),
    })
}
