//! The one configuration: flags and variables, read once by clap, handed down
//! in small structs. Nothing below reads the environment.

mod authentication;
mod batch;
mod database;
mod database_urls;
mod documents;
mod feed;
mod log;
mod rate_limits;
mod reading;
mod redis;
mod retention;
pub mod secret;
mod server;
mod storage;
mod trusted_proxies;
mod web;

pub use authentication::{AuthenticationSettings, Visitors};
pub use batch::BatchSettings;
pub use database::{Concurrency, DatabaseSettings};
pub use database_urls::DatabaseUrls;
pub use documents::DocumentSettings;
pub use feed::FeedSettings;
pub use log::{LogFormat, LogSettings};
pub use rate_limits::{BadRate, Rate, RateLimit, RateLimitSettings};
pub use reading::some_time;
pub use redis::RedisSettings;
pub use retention::{RetentionSettings, RetentionTooShort};
pub use server::ServerSettings;
pub use storage::{NoDataDir, StorageSettings};
pub use trusted_proxies::{BadNetwork, TrustedProxies};
pub use web::{AllowedOrigins, NotAnOrigin, Origin, WebSettings};

use clap::Args;
use secret::SecretError;

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
