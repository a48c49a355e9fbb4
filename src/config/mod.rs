//! The one configuration: flags and variables, read once by clap, handed down
//! in small structs. Nothing below reads the environment.

use clap::Args;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where the database is, and how it is used.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// Connections in the pool.
    #[arg(long = "database-connections", env = "USHER_DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "COUNT")]
    pub connections: u32,
    /// How long a request waits for a free connection.
    #[arg(long = "database-acquire-timeout", env = "USHER_DATABASE_ACQUIRE_TIMEOUT", default_value = "5s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    #[arg(long = "statement-timeout", env = "USHER_STATEMENT_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub statement_timeout: Duration,
    /// How long a statement waits for a row that another transaction has locked.
    #[arg(long = "lock-timeout", env = "USHER_LOCK_TIMEOUT", default_value = "5s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub lock_timeout: Duration,
    /// How long a transaction may stand idle. One that does holds the feed back.
    #[arg(long = "idle-transaction-timeout", env = "USHER_IDLE_TRANSACTION_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub idle_transaction_timeout: Duration,
}

/// Which database: somebody's server, or usher's own.
#[derive(Args, Clone, Debug)]
pub struct StorageSettings {
    /// The PostgreSQL to use, as a URL. Without it usher runs a private one in
    /// its data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<SecretString>,
    /// Folder of the private PostgreSQL, of keys and of the staff token
    /// [default: /var/lib/usher for root, else the user's data folder].
    #[arg(long, env = "USHER_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Folder of PostgreSQL's programs, if usher does not find them itself.
    #[arg(long, env = "USHER_POSTGRES_BIN", value_name = "FOLDER")]
    pub postgres_bin: Option<PathBuf>,
    /// How the database is used.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// Who is believed to be whom.
#[derive(Args, Clone, Debug)]
pub struct AuthenticationSettings {
    /// The secret that bearer tokens are signed with (HS256, at least 32
    /// bytes). With the private PostgreSQL one is made and kept in the data
    /// folder; with `DATABASE_URL` and without this, no token is accepted.
    #[arg(
        long,
        env = "USHER_JWT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub jwt_secret: Option<SecretString>,
}

/// What is written about what happens.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// What is logged, in tracing's filter language, such as `info,usher=debug`.
    #[arg(
        long = "log",
        env = "USHER_LOG",
        default_value = "info",
        value_name = "FILTER",
        global = true
    )]
    pub filter: String,
    /// How it is written.
    #[arg(long = "log-format", env = "USHER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT", global = true)]
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How the server listens and stops.
#[derive(Args, Clone, Debug)]
pub struct ServerSettings {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "USHER_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// Load the demo halls into an empty database. The private PostgreSQL gets
    /// them anyway; one that `DATABASE_URL` names gets them only when asked.
    #[arg(long, env = "USHER_DEMO", conflicts_with = "no_demo")]
    pub demo: bool,
    /// Leave an empty private PostgreSQL empty.
    #[arg(long, env = "USHER_NO_DEMO")]
    pub no_demo: bool,
    /// How long running work may take to finish when the server is stopped.
    #[arg(long, env = "USHER_SHUTDOWN_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub shutdown_timeout: Duration,
}

impl StorageSettings {
    /// The data folder: the one that was given, or the default. Root's is one
    /// that PostgreSQL's unprivileged user can reach, which root's home is not.
    ///
    /// # Errors
    /// When there is none by default because the user has no home.
    pub fn data_dir(&self) -> Result<PathBuf, NoDataDir> {
        if let Some(given) = &self.data_dir {
            return std::path::absolute(given).map_err(|_| NoDataDir);
        }
        let home = dirs::home_dir();
        if home.as_deref() == Some(std::path::Path::new("/root")) {
            return Ok(PathBuf::from("/var/lib/usher"));
        }
        Ok(dirs::data_dir().ok_or(NoDataDir)?.join("usher"))
    }
}

/// There is no folder to keep data in by default.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there is no home folder to keep data in: name one with USHER_DATA_DIR or --data-dir")]
pub struct NoDataDir;
