//! `usher plan import`.

use crate::app::output::{self, OutputError};
use crate::app::storage::{self, StorageError};
use crate::config::Settings;
use crate::db::DatabaseUnavailable;
use crate::domain::plan_document::{PlanDocument, PlanRefused};
use crate::domain::{DomainError, import_plan};
use crate::model::Caller;
use crate::model::global_id::GlobalId;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Read};
use std::path::Path;
use tokio::runtime::Handle;

/// Why the plan was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{file} cannot be read")]
    File {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The plan has mistakes.
    #[error("{file} was refused, nothing was stored:\n{refused}")]
    Refused {
        /// The file it is in.
        file: String,
        /// Every mistake.
        refused: PlanRefused,
    },
    /// There is no database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The database cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The database failed.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The plan was imported, but its id could not be printed.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Imports the plan of `file`, or of standard input if that is `-`, and prints its
/// id.
///
/// # Errors
/// When the file cannot be read, the plan has mistakes, or there is no database.
pub async fn run(settings: &Settings, workers: &Handle, file: &Path) -> Result<(), ImportError> {
    let name = if is_standard_input(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    // Before a database is started for it.
    let json = read(file).await.map_err(|source| ImportError::File {
        file: name.clone(),
        source,
    })?;
    let document = PlanDocument::parse(&json).map_err(|refused| ImportError::Refused {
        file: name,
        refused,
    })?;
    let storage = storage::open_shared(settings, workers).await?;
    let imported = import(&storage.database, &document).await;
    storage.close().await.map_err(StorageError::from)?;
    let id = imported?;
    let (name, seats) = (&document.name, document.seats.len());
    Ok(output::write(format_args!(
        "{name} has {seats} seats: {id}\n"
    ))?)
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// What is in the file. Standard input and a named pipe may take for ever, and
/// meanwhile usher still hears that it is to stop.
async fn read(file: &Path) -> io::Result<Vec<u8>> {
    let file = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        if !is_standard_input(&file) {
            return std::fs::read(file);
        }
        let mut json = Vec::new();
        io::stdin().lock().read_to_end(&mut json)?;
        Ok(json)
    });
    reading.await?
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
