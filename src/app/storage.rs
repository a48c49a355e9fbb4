//! Opening the database: somebody's server, or usher's own.

use crate::app::workers;
use crate::config::{NoDataDir, StorageSettings};
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
}

/// Opens the database for a server. The private PostgreSQL is started, and must
/// not be another usher's. Its process is the caller's; what is connected to the
/// database is the workers'.
///
/// # Errors
/// When there is no database to be had.
pub async fn open(settings: &StorageSettings, workers: &Handle) -> Result<Storage, StorageError> {
    if let Some(url) = settings.database_url() {
        return match connect(url.clone(), settings, workers, None, None).await {
            Err(StorageError::Open(error)) => Err(error.named_by("DATABASE_URL").into()),
            connected => connected,
        };
    }
    let options = embedded_options(settings)?;
    let embedded = EmbeddedPostgres::start(&options).await?;
    let url = SecretString::from(embedded.database_url().to_owned());
    let data_dir = Some(options.data_dir);
    connect(url, settings, workers, Some(embedded), data_dir).await
}

/// Opens the database for a command: a private PostgreSQL that another usher is
/// running is used as it is.
///
/// # Errors
/// When there is no database to be had.
pub async fn open_shared(
    settings: &StorageSettings,
    workers: &Handle,
) -> Result<Storage, StorageError> {
    if settings.database_url().is_none() {
        let options = embedded_options(settings)?;
        if let Some(url) = embedded::running_url(&options).await? {
            let data_dir = Some(options.data_dir);
            return connect(url.into(), settings, workers, None, data_dir).await;
        }
    }
    open(settings, workers).await
}

async fn connect(
    url: SecretString,
    settings: &StorageSettings,
    workers: &Handle,
    embedded: Option<EmbeddedPostgres>,
    data_dir: Option<PathBuf>,
) -> Result<Storage, StorageError> {
    let settings = settings.database.clone();
    let opening = async move {
        let database = Database::open(url, settings).await?;
        let migrated = migrations::run_pending(database.dedicated_connection().await?).await?;
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
