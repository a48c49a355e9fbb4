//! `usher plan import`.

use crate::app::storage::{self, StorageError};
use crate::config::StorageSettings;
use crate::db::DatabaseUnavailable;
use crate::domain::plan_document::{PlanDocument, PlanRefused};
use crate::domain::{DomainError, import_plan};
use crate::model::Caller;
use crate::model::global_id::GlobalId;
use indicatif::{ProgressBar, ProgressStyle};
use std::io;
use std::path::{Path, PathBuf};

/// Why the plan was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The plan has mistakes.
    #[error("the plan was refused, nothing was stored:\n{0}")]
    Refused(PlanRefused),
    /// There is no database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The database failed.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// Imports the plan of `file` and prints its id.
///
/// # Errors
/// When the file cannot be read, the plan has mistakes, or there is no database.
pub async fn run(settings: &StorageSettings, file: &Path) -> Result<(), ImportError> {
    let json = std::fs::read(file).map_err(|source| ImportError::File {
        path: file.to_owned(),
        source,
    })?;
    // Before a database is started for it.
    let document = PlanDocument::parse(&json).map_err(ImportError::Refused)?;
    let storage = storage::open_shared(settings).await?;
    let imported = import(&storage.database, &document).await;
    storage.close().await.map_err(StorageError::from)?;
    let id = imported?;
    println!("{} has {} seats: {id}", document.name, document.seats.len());
    Ok(())
}

async fn import(
    database: &crate::db::Database,
    document: &PlanDocument,
) -> Result<GlobalId, ImportError> {
    let progress = progress_bar(document.seats.len());
    let staff = Caller::Staff {
        subject: "command line".to_owned(),
    };
    let mut connection = database.connection().await?;
    let id = import_plan::import_plan(&mut connection, &staff, document, |written| {
        progress.set_position(written as u64);
    })
    .await?;
    progress.finish_and_clear();
    Ok(GlobalId::SeatingPlan(id))
}

/// On a terminal only: elsewhere nothing is drawn.
fn progress_bar(seats: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seats, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(seats as u64).with_style(style)
}
