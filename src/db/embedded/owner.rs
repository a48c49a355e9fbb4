//! Which user of the operating system PostgreSQL runs as, and how.
//!
//! PostgreSQL refuses to run as root, so a root usher starts it as somebody
//! unprivileged. Every one of PostgreSQL's programs is started through
//! [`Owner::command`], never with a bare `Command`: it alone drops root's
//! rights and keeps usher's secrets out of the program's environment.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

use super::error::EmbeddedError;

/// Whom a root usher runs PostgreSQL as: the first of these that exists.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// All that PostgreSQL's programs get of usher's environment. The rest holds
/// secrets that are not theirs, and PG… variables that would change what they do.
const KEPT_VARIABLES: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// The user of the operating system that PostgreSQL runs as.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    user_id: u32,
    group_id: u32,
    name: String,
    /// Whether usher is root and has to become that user.
    switches: bool,
}

impl Owner {
    /// The user for the cluster in this folder, which need not exist yet.
    pub(super) fn of(cluster: &Path) -> Result<Self, EmbeddedError> {
        let current = Uid::effective();
        let written_by = match fs::metadata(cluster) {
            Ok(metadata) => Some(metadata.uid()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(EmbeddedError::Files {
                    action: "look at the cluster's folder",
                    path: cluster.to_path_buf(),
                    source,
                });
            }
        };
        let wrong = |owner: u32, user: &str, advice: String| EmbeddedError::WrongOwner {
            path: cluster.to_path_buf(),
            owner: name_of(owner),
            user: user.to_owned(),
            advice,
        };
        if !current.is_root() {
            let owner = Self {
                user_id: current.as_raw(),
                group_id: nix::unistd::getegid().as_raw(),
                name: name_of(current.as_raw()),
                switches: false,
            };
            return match written_by {
                Some(other) if other != owner.user_id => {
                    let advice = "run usher as that user or as root, or set USHER_DATA_DIR";
                    Err(wrong(other, &owner.name, advice.to_owned()))
                }
                _ => Ok(owner),
            };
        }
        match written_by {
            Some(0) => {
                let owner = Self::unprivileged()?;
                let path = cluster.display();
                let advice = format!("chown -R {} {path}", owner.name);
                Err(wrong(0, &owner.name, advice))
            }
            // A cluster's own user stays its user, even when a better one came later.
            Some(user_id) => Self::with_id(user_id),
            None => Self::unprivileged(),
        }
    }

    fn unprivileged() -> Result<Self, EmbeddedError> {
        for name in UNPRIVILEGED {
            let found = User::from_name(name).map_err(|error| EmbeddedError::UserLookup {
                user: name.to_owned(),
                source: error.into(),
            })?;
            if let Some(user) = found {
                return Ok(user.into());
            }
        }
        Err(EmbeddedError::NoUnprivilegedUser)
    }

    fn with_id(user_id: u32) -> Result<Self, EmbeddedError> {
        let failed = |source| EmbeddedError::UserLookup {
            user: user_id.to_string(),
            source,
        };
        match User::from_uid(Uid::from_raw(user_id)) {
            Ok(Some(user)) => Ok(user.into()),
            Ok(None) => Err(failed(io::ErrorKind::NotFound.into())),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The user's name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a file with this metadata belongs to the user.
    pub(super) fn owns(&self, metadata: &fs::Metadata) -> bool {
        metadata.uid() == self.user_id
    }

    /// Whether usher is root and PostgreSQL is not.
    pub(super) fn is_someone_else(&self) -> bool {
        self.switches
    }

    /// A program that runs as the user, in that folder, with nothing to read.
    ///
    /// It gets a process group of its own, so that a terminal's Ctrl-C reaches
    /// usher alone, which then drains and stops the database last.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir(folder)
            .stdin(Stdio::null())
            .process_group(0);
        for name in KEPT_VARIABLES {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if self.switches {
            // With a new user id the standard library also drops root's other groups.
            command.uid(self.user_id).gid(self.group_id);
        }
        command
    }

    /// Hands a file or folder to the user. Never follows a symbolic link.
    pub(super) fn take(&self, path: &Path) -> Result<(), EmbeddedError> {
        if !self.switches {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.user_id), Some(self.group_id)).map_err(|source| {
            EmbeddedError::Files {
                action: "change the owner of",
                path: path.to_path_buf(),
                source,
            }
        })
    }

    /// Fails unless the user can enter the folder.
    ///
    /// It is tried, not computed from modes: access lists and namespaces count too.
    /// The program is one that the user is known to be able to run.
    pub(super) async fn check_reaches(
        &self,
        folder: &Path,
        program: &Path,
    ) -> Result<(), EmbeddedError> {
        if !self.switches {
            return Ok(());
        }
        let mut command = self.command(program, folder);
        command.arg("--version").stdout(Stdio::null());
        match tokio::process::Command::from(command).status().await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(EmbeddedError::Unreachable {
                    user: self.name.clone(),
                    folder: folder.to_path_buf(),
                    obstacle: obstacle(folder),
                })
            }
            Err(source) => Err(EmbeddedError::ProgramFailed {
                program: program.to_path_buf(),
                user: self.name.clone(),
                source,
            }),
        }
    }
}

impl From<User> for Owner {
    fn from(user: User) -> Self {
        Self {
            user_id: user.uid.as_raw(),
            group_id: user.gid.as_raw(),
            name: user.name,
            switches: true,
        }
    }
}

/// A user's name, or its number where it has none.
fn name_of(user_id: u32) -> String {
    match User::from_uid(Uid::from_raw(user_id)) {
        Ok(Some(user)) => user.name,
        _ => user_id.to_string(),
    }
}

/// The outermost folder on the way that others may not enter, for the message.
fn obstacle(folder: &Path) -> PathBuf {
    let mut closed = folder;
    for ancestor in folder.ancestors() {
        if fs::metadata(ancestor).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 == 0) {
            closed = ancestor;
        }
    }
    closed.to_path_buf()
}
