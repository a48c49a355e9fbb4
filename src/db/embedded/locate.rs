//! Finds PostgreSQL's programs, `postgres` and `initdb`.
//!
//! Owns the order of the places looked at and the versions accepted. Never
//! installs anything, and never falls back when a folder was named explicitly.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::error::EmbeddedError;
use super::owner::Owner;

/// The oldest major version of PostgreSQL that usher runs on.
const OLDEST: u32 = 14;

const SERVER: &str = "postgres";
const INITDB: &str = "initdb";

/// Where systems install PostgreSQL: what stands before the version and what
/// follows the folder whose name starts so. All folders are tried, newest first.
const INSTALLED: [(&str, &str); 12] = [
    ("/usr/lib/postgresql/", "bin"),
    ("/usr/pgsql-", "bin"),
    ("/usr/lib/postgresql", "bin"),
    ("/usr/lib64/postgresql-", "bin"),
    ("/usr/libexec/postgresql", ""),
    ("/opt/homebrew/opt/postgresql@", "bin"),
    ("/usr/local/opt/postgresql@", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt/postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions/", "bin"),
    ("/opt/local/lib/postgresql", "bin"),
    ("/usr/local/pgsql", "bin"),
    ("/opt/postgresql", "bin"),
];

/// PostgreSQL's programs of one version.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
    /// The major version.
    pub(super) major: u32,
}

impl Programs {
    /// The folder that they are in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server program.
    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join(SERVER)
    }

    /// The program that makes a cluster.
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join(INITDB)
    }
}

/// Where to look. A value, so that a test can look elsewhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The one folder that counts, when it was named explicitly.
    pub(super) explicit: Option<PathBuf>,
    /// The folders to try otherwise, in order.
    pub(super) folders: Vec<PathBuf>,
}

impl Places {
    /// The places of this machine.
    pub(super) async fn of_this_machine(explicit: Option<&Path>, owner: &Owner) -> Self {
        if let Some(folder) = explicit {
            return Self {
                explicit: Some(folder.to_path_buf()),
                folders: Vec::new(),
            };
        }
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = on_search_path(&search_path);
        folders.extend(told_by_pg_config(owner).await);
        for (start, rest) in INSTALLED {
            folders.extend(installed(start, rest));
        }
        Self {
            explicit: None,
            folders,
        }
    }

    /// The first usable programs; those of the wanted version before any other.
    ///
    /// The wanted version is the one that wrote the cluster. Where it is not to
    /// be found, the programs of another one are the answer, so that the caller
    /// can name both.
    pub(super) async fn find(
        &self,
        owner: &Owner,
        wanted: Option<u32>,
    ) -> Result<Programs, EmbeddedError> {
        if let Some(folder) = &self.explicit {
            if let Some(missing) = missing_in(folder) {
                return Err(EmbeddedError::ProgramsIncomplete {
                    folder: folder.clone(),
                    missing,
                });
            }
            return examine(folder, owner).await;
        }
        let mut fallback = None;
        let mut first_error = None;
        for folder in &self.folders {
            if missing_in(folder).is_some() {
                continue;
            }
            match examine(folder, owner).await {
                Ok(programs) if wanted.is_none_or(|major| major == programs.major) => {
                    return Ok(programs);
                }
                Ok(programs) => {
                    fallback.get_or_insert(programs);
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        fallback.ok_or_else(|| first_error.unwrap_or(EmbeddedError::ProgramsMissing))
    }
}

fn missing_in(folder: &Path) -> Option<&'static str> {
    [SERVER, INITDB]
        .into_iter()
        .find(|program| !folder.join(program).is_file())
}

/// Asks the programs in a folder for their version, as the user who will run them.
async fn examine(given: &Path, owner: &Owner) -> Result<Programs, EmbeddedError> {
    // The folder may have been named relative to usher's; the programs run elsewhere.
    let failed = |source| EmbeddedError::ProgramFailed {
        program: given.join(SERVER),
        user: owner.name().to_owned(),
        source,
    };
    let folder = fs::canonicalize(given).map_err(failed)?;
    let program = folder.join(SERVER);
    let mut command = owner.command(&program, Path::new("/"));
    command.arg("--version");
    let output = tokio::process::Command::from(command)
        .output()
        .await
        .map_err(failed)?;
    let answer = String::from_utf8_lossy(&output.stdout);
    let Some(major) = major_version(&answer) else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let said = format!("{} {}", answer.trim(), complaint.trim());
        return Err(EmbeddedError::VersionUnknown {
            program,
            answer: said.split_whitespace().collect::<Vec<_>>().join(" "),
        });
    };
    if major < OLDEST {
        return Err(EmbeddedError::TooOld {
            folder,
            found: major,
            oldest: OLDEST,
        });
    }
    Ok(Programs { folder, major })
}

/// 15 of "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
fn major_version(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("(PostgreSQL)")?;
    leading_number(version.trim_start())
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The folders on the search path that lead to a server program. A symbolic
/// link is followed: often only some of the programs are linked from there.
fn on_search_path(search_path: &OsStr) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in std::env::split_paths(search_path) {
        if let Ok(program) = fs::canonicalize(folder.join(SERVER)) {
            folders.extend(program.parent().map(Path::to_path_buf));
            folders.push(folder);
        }
    }
    folders
}

/// Where PostgreSQL's own `pg_config` says that the programs are.
async fn told_by_pg_config(owner: &Owner) -> Option<PathBuf> {
    let mut command = owner.command(Path::new("pg_config"), Path::new("/"));
    command.arg("--bindir");
    let output = tokio::process::Command::from(command).output().await.ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    let folder = answer.trim();
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}

/// The existing folders whose path starts so, newest version first.
fn installed(start: &str, rest: &str) -> Vec<PathBuf> {
    let (parent, prefix) = start.rsplit_once('/').unwrap_or(("/", start));
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| name.to_str().is_some_and(|name| name.starts_with(prefix)));
    names.sort_by_key(|name| {
        let version = name.to_str().and_then(|name| name.strip_prefix(prefix));
        std::cmp::Reverse(version.and_then(leading_number))
    });
    names
        .into_iter()
        .map(|name| Path::new(parent).join(name).join(rest))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_kind_of_release() {
        for (answer, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", 15),
            ("postgres (PostgreSQL) 18beta1\n", 18),
            ("postgres (PostgreSQL) 9.6.24\n", 9),
        ] {
            assert_eq!(major_version(answer), Some(major), "{answer}");
        }
        assert_eq!(major_version("BusyBox v1.36\n"), None);
    }

    #[test]
    fn installed_versions_are_ordered_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["pg-9", "pg-15", "pg-14", "other-16"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let start = format!("{}/pg-", folder.path().display());
        let expected: Vec<_> = ["pg-15/bin", "pg-14/bin", "pg-9/bin"]
            .map(|name| folder.path().join(name))
            .into();
        assert_eq!(installed(&start, "bin"), expected);
    }
}
