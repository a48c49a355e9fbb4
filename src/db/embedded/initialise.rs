//! Makes a new cluster, once.
//!
//! Owns what a cluster is made with. A cluster appears under its name complete
//! or not at all: it is made beside that name and renamed. Never touches a
//! folder of that name which is there already.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::EmbeddedError;
use super::folder::Place;
use super::locate::Programs;
use super::{log, socket};

/// `initdb` takes seconds; minutes on a disk that flushes slowly.
const LIMIT: Duration = Duration::from_mins(5);

/// What the name of a cluster's folder starts with until the cluster is complete.
const UNFINISHED: &str = "postgres.unfinished-";

/// Text sorts by its bytes, everywhere alike and fast. What is a letter follows
/// the first of these locales that the system has; macOS lacks C.UTF-8.
const CHARACTER_TYPES: [&str; 2] = ["C.UTF-8", "C"];

/// The major version that wrote the cluster, or nothing when there is none yet.
pub(super) fn version_of(cluster: &Path) -> Result<Option<u32>, EmbeddedError> {
    let failed = |source| EmbeddedError::Files {
        action: "read the cluster in",
        path: cluster.to_path_buf(),
        source,
    };
    let invalid = || EmbeddedError::NotACluster {
        path: cluster.to_path_buf(),
    };
    match fs::read_to_string(cluster.join("PG_VERSION")) {
        Ok(version) => version.trim().parse().map(Some).map_err(|_| invalid()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_dir(cluster) {
            // Renaming a folder onto an empty one replaces it.
            Ok(mut entries) => entries.next().map_or(Ok(None), |_| Err(invalid())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(source)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(invalid()),
        Err(source) => Err(failed(source)),
    }
}

/// Makes the cluster.
pub(super) async fn initialise(place: &Place, programs: &Programs) -> Result<(), EmbeddedError> {
    tracing::info!(
        folder = %place.cluster.display(),
        version = programs.major,
        user = place.owner.name(),
        "making usher's own PostgreSQL cluster"
    );
    let mut complaint = Vec::new();
    for character_type in CHARACTER_TYPES {
        remove_unfinished(&place.data);
        let unfinished = make_unfinished(place)?;
        let output = run(place, &unfinished, character_type, programs).await?;
        if output.status.success() {
            return publish(&unfinished, place);
        }
        complaint = output.stderr;
        if !String::from_utf8_lossy(&complaint).contains("invalid locale") {
            break;
        }
    }
    remove_unfinished(&place.data);
    Err(EmbeddedError::InitdbFailed {
        folder: place.cluster.clone(),
        excerpt: log::excerpt(&complaint),
    })
}

/// A new, empty folder for `initdb`.
///
/// No two have the same name: an `initdb` that was left running by an usher that
/// was killed must not write into the next one's folder.
fn make_unfinished(place: &Place) -> Result<PathBuf, EmbeddedError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let moment = now.unwrap_or_default().as_nanos();
    let path = place.data.join(format!("{UNFINISHED}{moment}"));
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(|source| EmbeddedError::Files {
            action: "create the folder",
            path: path.clone(),
            source,
        })?;
    place.owner.take(&path)?;
    Ok(path)
}

/// Removes what an interrupted `initdb` left. What resists is left for the next
/// time: it takes space, and nothing else.
fn remove_unfinished(data_folder: &Path) {
    let Ok(entries) = fs::read_dir(data_folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            let folder = entry.path();
            tracing::warn!(folder = %folder.display(), %error, "cannot remove an unfinished cluster");
        }
    }
}

async fn run(
    place: &Place,
    unfinished: &Path,
    character_type: &str,
    programs: &Programs,
) -> Result<Output, EmbeddedError> {
    let mut command = place.owner.command(&programs.initdb(), &place.data);
    command
        .arg("--pgdata")
        .arg(unfinished)
        .arg(format!("--username={}", socket::NAME))
        // Whoever reaches the private socket is trusted; the network is not even asked.
        .args(["--auth-local=trust", "--auth-host=reject"])
        .args(["--encoding=UTF8", "--locale=C", "--data-checksums"])
        .arg(format!("--lc-ctype={character_type}"))
        .arg("--no-instructions");
    if cfg!(test) {
        // Flushing a cluster that is about to be thrown away is most of a test's time.
        command.arg("--no-sync");
    }
    let output = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(LIMIT, output).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(source)) => Err(EmbeddedError::ProgramFailed {
            program: programs.initdb(),
            user: place.owner.name().to_owned(),
            source,
        }),
        Err(_) => Err(EmbeddedError::InitdbTimeout {
            folder: PathBuf::from(unfinished),
            seconds: LIMIT.as_secs(),
        }),
    }
}

/// Gives the cluster its name, and makes that last through a power failure.
fn publish(unfinished: &Path, place: &Place) -> Result<(), EmbeddedError> {
    fs::rename(unfinished, &place.cluster)
        .and_then(|()| File::open(&place.data)?.sync_all())
        .map_err(|source| EmbeddedError::Files {
            action: "name the new cluster",
            path: place.cluster.clone(),
            source,
        })
}
