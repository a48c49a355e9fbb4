//! The data folder, and what of it is PostgreSQL's.
//!
//! Owns the data folder's making. It stays usher's own: PostgreSQL may pass
//! through it, and gets only the folders inside it that are made for it. The
//! mode of a folder that was there already is never changed.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::EmbeddedError;
use super::owner::Owner;
use super::socket::SocketFolder;

/// Where everything of one embedded PostgreSQL is, and whose it is.
#[derive(Debug)]
pub(super) struct Place {
    /// The data folder's real path.
    pub(super) data: PathBuf,
    /// The cluster's folder in it.
    pub(super) cluster: PathBuf,
    /// The folder of the socket.
    pub(super) socket: SocketFolder,
    /// The user that the two above belong to.
    pub(super) owner: Owner,
}

impl Place {
    /// The place in a data folder that [`prepare`] has opened.
    pub(super) fn in_data_folder(data: &Path) -> Result<Self, EmbeddedError> {
        let cluster = data.join("postgres");
        Ok(Self {
            data: data.to_path_buf(),
            socket: SocketFolder::of(data),
            owner: Owner::of(&cluster)?,
            cluster,
        })
    }
}

/// Makes the data folder if it is missing, and answers its real path.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, EmbeddedError> {
    let failed = |source| EmbeddedError::Files {
        action: "open the data folder",
        path: path.to_path_buf(),
        source,
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            return Err(EmbeddedError::NotAFolder {
                path: path.to_path_buf(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
        Err(source) => return Err(failed(source)),
    }
    fs::canonicalize(path).map_err(failed)
}

fn create(path: &Path) -> Result<(), EmbeddedError> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    for folder in missing.into_iter().rev() {
        make(folder).map_err(|source| EmbeddedError::Files {
            action: "create the data folder",
            path: folder.to_path_buf(),
            source,
        })?;
    }
    Ok(())
}

/// Others may pass through, because PostgreSQL may be one of them, but see
/// nothing: usher's key files lie here too.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o711).create(folder)?;
    // The umask may have taken away from that mode.
    fs::set_permissions(folder, Permissions::from_mode(0o711))
}

/// The real path of a data folder, unless there is none yet.
pub(super) fn existing(path: &Path) -> Result<Option<PathBuf>, EmbeddedError> {
    match fs::canonicalize(path) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EmbeddedError::Files {
            action: "open the data folder",
            path: path.to_path_buf(),
            source,
        }),
    }
}
