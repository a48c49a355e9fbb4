//! The lock that makes one usher process the owner of a data folder.
//!
//! Owns the file `usher.lock`. It is never removed: two processes could each
//! lock a different file of that name. The operating system lets go of the lock
//! when its holder dies, however it dies, and PostgreSQL never inherits it
//! (files are opened close-on-exec), so an orphaned server does not hold it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use super::error::EmbeddedError;

const FILE_NAME: &str = "usher.lock";

/// A tool that only looks ([`holder`]) holds the lock for an instant; an owner
/// that meets it tries again for this long before it believes in another owner.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// The exclusive right to a data folder, for as long as it lives.
#[derive(Debug)]
pub(super) struct FolderLock {
    /// Held, never read: closing it is what gives the lock back.
    _file: File,
}

impl FolderLock {
    /// Makes this process the folder's owner, or says who is.
    pub(super) async fn acquire(folder: &Path) -> Result<Self, EmbeddedError> {
        let path = folder.join(FILE_NAME);
        let failed = |source| EmbeddedError::Files {
            action: "lock the file",
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        for _ in 0..ATTEMPTS {
            match file.try_lock() {
                Ok(()) => {
                    write_process(&mut file).map_err(failed)?;
                    return Ok(Self { _file: file });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(EmbeddedError::Busy {
            folder: folder.to_path_buf(),
            process: read_process(&mut file),
        })
    }
}

/// The usher that owns a folder.
#[derive(Debug)]
pub(super) struct Holder {
    /// Its process, unless it is so new that it has not written that yet.
    pub(super) process: Option<u32>,
}

/// The folder's owner, if it has one.
pub(super) fn holder(folder: &Path) -> Result<Option<Holder>, EmbeddedError> {
    let path = folder.join(FILE_NAME);
    let failed = |source| EmbeddedError::Files {
        action: "read the lock file",
        path: path.clone(),
        source,
    };
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    // Shared, so that two tools that look at once do not take each other for an owner.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(Holder {
            process: read_process(&mut file),
        })),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn write_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn read_process(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
