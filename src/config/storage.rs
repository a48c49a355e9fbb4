//! Where things are kept: in which database, and in which folder.

use super::database::DatabaseSettings;
use super::database_urls::DatabaseUrls;
use super::reading::{path, unless_empty};
use clap::Args;
use nix::unistd::{Uid, geteuid};
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// Which database: somebody's server, or usher's own.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct StorageSettings {
    /// Somebody's server.
    #[command(flatten)]
    pub urls: DatabaseUrls,
    /// Folder of the private PostgreSQL, of keys and of the staff token
    /// [default: /var/lib/usher for user id 0, else usher in the user's data folder].
    #[arg(global = true, long, env = "USHER_DATA_DIR", value_name = "FOLDER")]
    #[arg(value_parser = path)]
    data_dir: Option<PathBuf>,
    /// Folder of PostgreSQL's programs, if usher does not find them itself.
    #[arg(global = true, long, env = "USHER_POSTGRES_BIN", value_name = "FOLDER")]
    #[arg(value_parser = path)]
    postgres_bin: Option<PathBuf>,
    /// How the database is used.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

impl StorageSettings {
    /// The database to use, if one is named.
    pub fn database_url(&self) -> Option<&SecretString> {
        self.urls.run()
    }

    /// Where PostgreSQL's programs are, if that was said.
    pub fn postgres_bin(&self) -> Option<&Path> {
        unless_empty(self.postgres_bin.as_deref())
    }

    /// The data folder: the one that was given, or the default.
    ///
    /// # Errors
    /// When there is none by default because the user has no home.
    pub fn data_dir(&self) -> Result<PathBuf, NoDataDir> {
        match unless_empty(self.data_dir.as_deref()) {
            Some(given) => std::path::absolute(given).map_err(|_| NoDataDir),
            None => default_data_dir(geteuid(), dirs::data_dir()),
        }
    }
}

/// There is no folder to keep data in by default.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there is no home folder to keep data in: name one with USHER_DATA_DIR or --data-dir")]
pub struct NoDataDir;

/// Root's is one that PostgreSQL's unprivileged user can reach, which root's home is
/// not. Whoever has root's rights is root, wherever the home is said to be.
fn default_data_dir(user: Uid, data: Option<PathBuf>) -> Result<PathBuf, NoDataDir> {
    if user.is_root() {
        return Ok(PathBuf::from("/var/lib/usher"));
    }
    Ok(data.ok_or(NoDataDir)?.join("usher"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_folder_goes_by_the_user_and_not_by_the_home() {
        let home = || Some(PathBuf::from("/root/.local/share"));
        let folder = |user, data| default_data_dir(Uid::from_raw(user), data).unwrap();
        assert_eq!(folder(0, home()), Path::new("/var/lib/usher"));
        assert_eq!(folder(0, None), Path::new("/var/lib/usher"));
        assert_eq!(folder(7, home()), Path::new("/root/.local/share/usher"));
        assert!(default_data_dir(Uid::from_raw(7), None).is_err());
    }
}
