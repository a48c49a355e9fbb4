//! Which PostgreSQL, and as which roles.

use super::reading::path;
use super::secret::{self, Secret, SecretError};
use clap::Args;
use secrecy::SecretString;
use std::path::PathBuf;

/// The URL of the database that usher works with, and the one for its migrations.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct DatabaseUrls {
    /// The PostgreSQL to use, as a URL. Without it usher runs a private one in
    /// its data folder.
    #[arg(global = true, long, env = "DATABASE_URL", hide_env_values = true)]
    #[arg(value_name = "URL")]
    database_url: Option<Secret>,
    /// A file with that URL, in place of it.
    #[arg(global = true, long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    #[arg(value_parser = path)]
    database_url_file: Option<PathBuf>,
    /// The same database as a role that owns usher's tables: for migrations only, after which
    /// the role of `DATABASE_URL` is given just what usher needs.
    #[arg(global = true, long, env = "USHER_MIGRATION_DATABASE_URL")]
    #[arg(hide_env_values = true, value_name = "URL")]
    migration_database_url: Option<Secret>,
    /// A file with that URL, in place of it.
    #[arg(global = true, long, env = "USHER_MIGRATION_DATABASE_URL_FILE")]
    #[arg(value_name = "FILE", value_parser = path)]
    migration_database_url_file: Option<PathBuf>,
}

impl DatabaseUrls {
    /// Reads what is given in files.
    ///
    /// # Errors
    /// When one holds no secret, or is given beside the secret itself.
    pub(super) fn read_files(&mut self) -> Result<(), SecretError> {
        self.database_url = secret::given(
            "DATABASE_URL",
            self.database_url.as_ref(),
            self.database_url_file.take().as_deref(),
        )?;
        self.migration_database_url = secret::given(
            "USHER_MIGRATION_DATABASE_URL",
            self.migration_database_url.as_ref(),
            self.migration_database_url_file.take().as_deref(),
        )?;
        Ok(())
    }

    /// The one that usher works with, if one is named.
    pub fn run(&self) -> Option<&SecretString> {
        self.database_url.as_ref().and_then(Secret::get)
    }

    /// The one for migrations, if it is another.
    pub fn migration(&self) -> Option<&SecretString> {
        self.migration_database_url.as_ref().and_then(Secret::get)
    }
}
