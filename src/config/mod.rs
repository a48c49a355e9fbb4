//! The one configuration: flags and variables, read once by clap, handed down
//! in small structs. Nothing below reads the environment.

mod authentication;
mod batch;
mod database_urls;
mod documents;
mod rate_limits;
mod redis;
mod retention;
pub mod secret;
mod trusted_proxies;
mod web;

pub use authentication::{AuthenticationSettings, Visitors};
pub use batch::BatchSettings;
pub use database_urls::DatabaseUrls;
pub use documents::DocumentSettings;
pub use rate_limits::{BadRate, Rate, RateLimit, RateLimitSettings};
pub use redis::RedisSettings;
pub use retention::{RetentionSettings, RetentionTooShort};
pub use trusted_proxies::{BadNetwork, TrustedProxies};
pub use web::{AllowedOrigins, NotAnOrigin, Origin, WebSettings};

use clap::Args;
use nix::unistd::{Uid, geteuid};
use secrecy::SecretString;
use secret::SecretError;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All that is configured, except the log.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// How the server listens and stops.
    #[command(flatten)]
    pub server: ServerSettings,
    /// Which database.
    #[command(flatten)]
    pub storage: StorageSettings,
    /// How long things are kept.
    #[command(flatten)]
    pub retention: RetentionSettings,
    /// Who is believed to be whom.
    #[command(flatten)]
    pub authentication: AuthenticationSettings,
    /// How live maps are kept.
    #[command(flatten)]
    pub feed: FeedSettings,
    /// Which Redis is shared.
    #[command(flatten)]
    pub redis: RedisSettings,
    /// How commands share transactions.
    #[command(flatten)]
    pub batch: BatchSettings,
    /// What an operation may ask for.
    #[command(flatten)]
    pub documents: DocumentSettings,
    /// How much one caller may ask.
    #[command(flatten)]
    pub rate_limits: RateLimitSettings,
    /// Which pages may use the API, and how long a client may take.
    #[command(flatten)]
    pub web: WebSettings,
}

impl Settings {
    /// Reads the secrets that are given in files.
    ///
    /// # Errors
    /// When one holds no secret, or is given beside the secret itself.
    pub fn read_secret_files(&mut self) -> Result<(), SecretError> {
        self.storage.urls.read_files()?;
        self.redis.read_file()?;
        self.authentication.read_file()
    }
}

/// How the server listens and stops.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub struct ServerSettings {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(global = true, long, env = "USHER_LISTEN", value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8080", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Load the demo halls into an empty database, which has no venue, no plan and
    /// no event. The private PostgreSQL gets them anyway; one that `DATABASE_URL`
    /// names gets them only when asked.
    #[arg(global = true, long, env = "USHER_DEMO")]
    #[arg(value_parser = switch)]
    pub demo: bool,
    /// Leave an empty private PostgreSQL empty.
    #[arg(global = true, long, env = "USHER_NO_DEMO")]
    #[arg(value_parser = switch)]
    pub no_demo: bool,
    /// How long everything is still served when the server is told to stop, while
    /// /readyz says that it drains. Behind a load balancer: twice the time in which
    /// that takes a server out. Sockets are closed in the second half.
    #[arg(global = true, long, env = "USHER_DRAIN_DELAY", value_name = "TIME")]
    #[arg(default_value = "0s", value_parser = time_or_none)]
    pub drain_delay: Duration,
    /// How long running work may take to finish when the server is stopped.
    #[arg(
        global = true,
        long,
        env = "USHER_SHUTDOWN_TIMEOUT",
        value_name = "TIME"
    )]
    #[arg(default_value = "10s", value_parser = some_time)]
    pub shutdown_timeout: Duration,
}

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
    #[arg(value_parser = folder)]
    data_dir: Option<PathBuf>,
    /// Folder of PostgreSQL's programs, if usher does not find them itself.
    #[arg(global = true, long, env = "USHER_POSTGRES_BIN", value_name = "FOLDER")]
    #[arg(value_parser = folder)]
    postgres_bin: Option<PathBuf>,
    /// How the database is used.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// How two who want the same seat are kept apart. All three answer the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Concurrency {
    /// Version checks in READ COMMITTED transactions: nobody waits before writing.
    Optimistic,
    /// The same checks, after the rows have been locked in the order of their key.
    Pessimistic,
    /// SERIALIZABLE transactions, run again when the database sends them back.
    Serializable,
}

/// How the database is used.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// How two who want the same seat are kept apart.
    #[arg(global = true, long, env = "USHER_CONCURRENCY", value_enum)]
    #[arg(default_value_t = Concurrency::Optimistic, value_name = "STRATEGY")]
    pub concurrency: Concurrency,
    /// Connections in the pool.
    #[arg(
        global = true,
        long = "database-connections",
        env = "USHER_DATABASE_CONNECTIONS"
    )]
    #[arg(default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    #[arg(value_name = "COUNT")]
    pub connections: u32,
    /// Requests that wait for a free connection at most; more are refused at once.
    #[arg(
        global = true,
        long = "database-queue",
        env = "USHER_DATABASE_QUEUE",
        id = "database_queue"
    )]
    #[arg(default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    #[arg(value_name = "COUNT")]
    pub queue: u32,
    /// How long a request waits for a free connection, or for its batch.
    #[arg(global = true, long = "database-acquire-timeout", value_name = "TIME")]
    #[arg(env = "USHER_DATABASE_ACQUIRE_TIMEOUT", default_value = "5s")]
    #[arg(value_parser = some_time)]
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    #[arg(
        global = true,
        long,
        env = "USHER_STATEMENT_TIMEOUT",
        value_name = "TIME"
    )]
    #[arg(default_value = "10s", value_parser = some_time)]
    pub statement_timeout: Duration,
    /// How long a statement waits for a row that another transaction has locked. Batches wait
    /// for 100 ms at most.
    #[arg(global = true, long, env = "USHER_LOCK_TIMEOUT", value_name = "TIME")]
    #[arg(default_value = "2s", value_parser = some_time)]
    pub lock_timeout: Duration,
    /// How long a transaction may stand idle. One that does holds the feed back.
    #[arg(
        global = true,
        long,
        env = "USHER_IDLE_TRANSACTION_TIMEOUT",
        value_name = "TIME"
    )]
    #[arg(default_value = "10s", value_parser = some_time)]
    pub idle_transaction_timeout: Duration,
}

/// How live maps are kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Live maps")]
pub struct FeedSettings {
    /// Seats of all maps in memory together, at up to 8 bytes each, and up to 40 KiB for each
    /// map beside them. Maps that nobody watches make room for others.
    #[arg(global = true, long = "live-map-seats", env = "USHER_LIVE_MAP_SEATS")]
    #[arg(default_value_t = 4_000_000, value_name = "COUNT")]
    pub max_seats: usize,
    /// How long a map stays in memory that nobody watches or asks for.
    #[arg(
        global = true,
        long = "live-map-idle-time",
        env = "USHER_LIVE_MAP_IDLE_TIME"
    )]
    #[arg(default_value = "1m", value_parser = some_time, value_name = "TIME")]
    pub idle_time: Duration,
    /// How long a request waits for the change that a cursor stands for.
    #[arg(global = true, long = "cursor-timeout", env = "USHER_CURSOR_TIMEOUT")]
    #[arg(default_value = "2s", value_parser = some_time, value_name = "TIME")]
    pub cursor_timeout: Duration,
    /// How long a request without a cursor waits for what this process itself has
    /// changed; then it is answered all the same.
    #[arg(
        global = true,
        long = "own-changes-wait",
        env = "USHER_OWN_CHANGES_WAIT"
    )]
    #[arg(default_value = "100ms", value_parser = some_time, value_name = "TIME")]
    pub own_changes_wait: Duration,
}

/// What is written about what happens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// What is logged, in tracing's filter language, such as `info,usher=debug`.
    /// What is bound to SQL statements only when it names `tokio_postgres`.
    #[arg(global = true, long = "log", env = "USHER_LOG", default_value = "info")]
    #[arg(value_name = "FILTER")]
    pub filter: String,
    /// A file that the security log goes to, as JSON, one object a line, beside the log: who
    /// was refused what, and what staff have done. It is added to.
    #[arg(global = true, long, env = "USHER_SECURITY_LOG", value_name = "FILE")]
    #[arg(value_parser = folder)]
    security_log: Option<PathBuf>,
    /// How it is written.
    #[arg(
        global = true,
        long = "log-format",
        env = "USHER_LOG_FORMAT",
        value_enum
    )]
    #[arg(default_value_t = LogFormat::Text, value_name = "FORMAT")]
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

impl StorageSettings {
    /// The database to use, if one is named.
    pub fn database_url(&self) -> Option<&SecretString> {
        self.urls.run()
    }

    /// Where PostgreSQL's programs are, if that was said.
    pub fn postgres_bin(&self) -> Option<&Path> {
        self.postgres_bin
            .as_deref()
            .filter(|folder| !folder.as_os_str().is_empty())
    }

    /// The data folder: the one that was given, or the default.
    ///
    /// # Errors
    /// When there is none by default because the user has no home.
    pub fn data_dir(&self) -> Result<PathBuf, NoDataDir> {
        let given = self
            .data_dir
            .as_deref()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(given) = given {
            return std::path::absolute(given).map_err(|_| NoDataDir);
        }
        default_data_dir(geteuid(), dirs::data_dir())
    }
}

impl LogSettings {
    /// The file of the security log, if one is named. An empty variable names none.
    pub fn security_log(&self) -> Option<&Path> {
        self.security_log
            .as_deref()
            .filter(|file| !file.as_os_str().is_empty())
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

/// Takes an empty variable, which then counts as none; clap's own does not.
#[allow(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
fn folder(text: &str) -> Result<PathBuf, NoDataDir> {
    Ok(PathBuf::from(text))
}

/// Yes or no, in the words that clap knows. An empty variable is no, which clap's
/// own parser refuses; what is no word is a mistake.
fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
        "" | "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err("give true or false".to_owned()),
    }
}

/// A time of up to a year, or none at all.
fn time_or_none(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Ok(Duration::ZERO),
        _ => some_time(text),
    }
}

/// A time of a millisecond to a year: none at all, or for ever, is a mistake.
///
/// # Errors
/// When the text is no such time.
pub fn some_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(1)..=Duration::from_hours(365 * 24)).contains(&time) {
        Ok(time)
    } else {
        Err("give a time from 1ms to 365days".to_owned())
    }
}

/// An address and port; a host's name is looked up.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let found = text
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| "give an address and a port, such as 127.0.0.1:8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_neither_nothing_nor_for_ever() {
        assert_eq!(some_time("1m 30s"), Ok(Duration::from_secs(90)));
        for bad in [
            "0s",
            "1ns",
            "366days",
            "18446744073709551615s",
            "soon",
            "-1s",
            "",
        ] {
            assert!(some_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delay_may_be_none_but_not_for_ever() {
        assert_eq!(time_or_none("0s"), Ok(Duration::ZERO));
        assert_eq!(time_or_none("10s"), Ok(Duration::from_secs(10)));
        for bad in ["1ns", "366days", "soon", "-1s", ""] {
            assert!(time_or_none(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_default_folder_goes_by_the_user_and_not_by_the_home() {
        let home = || Some(PathBuf::from("/root/.local/share"));
        let folder = |user, data| default_data_dir(Uid::from_raw(user), data).unwrap();
        assert_eq!(folder(0, home()), Path::new("/var/lib/usher"));
        assert_eq!(folder(0, None), Path::new("/var/lib/usher"));
        assert_eq!(folder(7, home()), Path::new("/root/.local/share/usher"));
        assert!(default_data_dir(Uid::from_raw(7), None).is_err());
    }

    #[test]
    fn a_listening_address_may_have_a_host_name_but_needs_a_port() {
        assert_eq!(listen_address("[::1]:80").unwrap().port(), 80);
        assert!(listen_address("localhost:8080").unwrap().ip().is_loopback());
        for bad in ["8080", "127.0.0.1", "", "127.0.0.1:65536"] {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }
}
