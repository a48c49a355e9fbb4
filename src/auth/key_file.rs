//! The file of public keys, and how it changes while the server runs.
//!
//! It must never be without keys: what replaces them is read whole before it counts, and a
//! file that is gone or broken leaves those that were there.

use super::keys::{BadKeys, Key, read_keys};
use crate::model::causes::in_full;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// More than any set of keys has.
const LARGEST: u64 = 256 * 1024;

/// How often the file is looked at. A new key is to be published before it signs.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The keys in a file, as they were when it was last good.
pub struct KeyFile {
    path: PathBuf,
    keys: RwLock<Arc<Vec<Key>>>,
    /// What the keys were read from.
    content: Vec<u8>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("the key file {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is no file of keys.
    #[error("the key file {path} cannot be used")]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BadKeys,
    },
}

impl KeyFile {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, or something is wrong with a key in it.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let content = read(path)?;
        Ok(Self {
            keys: RwLock::new(Arc::new(keys_in(path, &content)?)),
            path: path.to_owned(),
            content,
        })
    }

    /// The keys that are believed now.
    pub fn keys(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what the file has become, again and again. The content is compared and
    /// not its time: a file of a few kilobytes is read sooner than the ways are thought of
    /// in which another one comes to stand at its path.
    pub async fn follow(self: Arc<Self>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = Ok(self.content.clone());
        loop {
            looks.tick().await;
            let path = self.path.clone();
            let found = tokio::task::spawn_blocking(move || read(&path)).await;
            // The runtime ends, and this with it.
            let Ok(found) = found else { continue };
            // An error is said once.
            let found = found.map_err(|error| in_full(&error));
            if found != seen {
                self.take_over(&found);
                seen = found;
            }
        }
    }

    fn take_over(&self, found: &Result<Vec<u8>, String>) {
        let keys = found.as_ref().map_err(ToOwned::to_owned);
        let keys =
            keys.and_then(|content| keys_in(&self.path, content).map_err(|error| in_full(&error)));
        match keys {
            Ok(keys) => {
                let count = keys.len();
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                tracing::info!(file = %self.path.display(), count, "the keys of tokens were read again");
            }
            Err(error) => {
                tracing::error!(error, "the keys of tokens stay what they were");
            }
        }
    }
}

fn keys_in(path: &Path, content: &[u8]) -> Result<Vec<Key>, KeyFileError> {
    read_keys(content).map_err(|source| KeyFileError::Bad {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content));
    let read = read.and_then(|length| {
        if length as u64 > LARGEST {
            Err(io::Error::from(io::ErrorKind::FileTooLarge))
        } else {
            Ok(content)
        }
    });
    read.map_err(|source| KeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
