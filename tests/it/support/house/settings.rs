//! How the houses' servers are set up: as by default, but patient, and for whoever runs the tests.

use crate::support::PATIENCE;
use clap::ValueEnum;
use std::time::Duration;
use usher::auth::Authenticator;
use usher::config::{
    BatchSettings, Concurrency, DatabaseSettings, DocumentSettings, FeedSettings,
    RateLimitSettings, RetentionSettings, WebSettings,
};
use usher::db::redis::Redis;
use usher::http::{SocketLimits, StreamLimits};
use usher::limits::Clock;

/// What may be used of a server, and how commands share transactions.
pub struct Limits {
    /// Who is believed; without it, who has a token of the tests' secret, and everybody may buy.
    pub authenticator: Option<Authenticator>,
    pub sockets: SocketLimits,
    pub streams: StreamLimits,
    pub batch: BatchSettings,
    pub documents: DocumentSettings,
    pub rate_limits: RateLimitSettings,
    pub web: WebSettings,
    pub limit_clock: Clock,
    pub redis: Option<Redis>,
    /// As whom the server works; without it, as all do.
    pub role: Option<ServerRole>,
}

/// As whom a server works.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ServerRole {
    /// As the owner of the tables, as on the private PostgreSQL.
    Owner,
    /// As the one that may do just what usher needs.
    Run,
}

/// As the server's, but nobody is limited: all of a test come from one address.
impl Default for Limits {
    fn default() -> Self {
        Self {
            authenticator: None,
            sockets: SocketLimits::default(),
            streams: StreamLimits::default(),
            batch: BatchSettings::default(),
            documents: DocumentSettings::default(),
            rate_limits: RateLimitSettings::off(),
            web: WebSettings::default(),
            limit_clock: Clock::default(),
            redis: None,
            role: None,
        }
    }
}

/// As the server's, but patient: a test machine is slow and full.
pub fn settings() -> DatabaseSettings {
    DatabaseSettings {
        concurrency: concurrency(),
        connections: 16,
        queue: 100_000,
        acquire_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        lock_timeout: PATIENCE,
        idle_transaction_timeout: PATIENCE,
    }
}

/// As the server's, but patient: the tests share one PostgreSQL, and what one of them leaves
/// open for a moment holds back the feeds of all.
pub fn feed_settings() -> FeedSettings {
    FeedSettings {
        max_seats: 1_000_000,
        idle_time: Duration::from_mins(1),
        cursor_timeout: PATIENCE,
        own_changes_wait: PATIENCE,
    }
}

/// Everything is kept: a test that prunes does so itself, when it wants to.
pub fn retention() -> RetentionSettings {
    RetentionSettings {
        resume_window: Duration::from_hours(24),
        history_retention: Duration::from_hours(100 * 365 * 24),
        history_changes: None,
    }
}

/// The strategy that is tested: all pass the same tests.
pub fn concurrency() -> Concurrency {
    let named = std::env::var("USHER_CONCURRENCY").unwrap_or_default();
    match named.as_str() {
        "" => Concurrency::Optimistic,
        named => Concurrency::from_str(named, true).unwrap(),
    }
}

/// As whom servers work where a test does not say it: all tests pass as either.
pub(super) fn server_role() -> ServerRole {
    match std::env::var("USHER_TEST_ROLE")
        .unwrap_or_default()
        .as_str()
    {
        "" | "owner" => ServerRole::Owner,
        "run" => ServerRole::Run,
        other => panic!("USHER_TEST_ROLE is owner or run, not {other}"),
    }
}
