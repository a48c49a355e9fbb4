//! Connections: how one is opened, and the fair queue before the pool.

use crate::config::DatabaseSettings;
use crate::db::database_url::{self, ConnectFailed, OpenError};
use crate::db::encryption;
use bb8::QueueStrategy;
use diesel::ConnectionError;
use diesel::result::DatabaseErrorKind;
use diesel_async::pooled_connection::bb8::{Pool, PooledConnection, RunError};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use rustls::{ClientConfig, RootCertStore};
use secrecy::SecretString;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How old a connection gets: then another takes its place, so that none grows without end by
/// what a server keeps for it, and all come to lead to where a name has come to lead.
const LIFETIME: Duration = Duration::from_mins(30);

/// How long a connection stays that nobody needs. What a rush has opened goes after it.
const IDLE_TIME: Duration = Duration::from_mins(10);

/// How long what was sent may stay without an acknowledgement, and silence without a probe.
/// A host that is gone without a word, as after a failover, is given up after half a
/// minute; the system alone would take a quarter of an hour, or two hours for a listener.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How often a probe is sent again, and how many times.
const PROBES: (Duration, u32) = (Duration::from_secs(10), 3);

/// What tokio-postgres has unless a URL says otherwise.
const NO_PROBES_FOR: Duration = Duration::from_hours(2);

/// The database, for any number of users; a clone is the same pool.
#[derive(Clone)]
pub struct Database {
    pool: Pool<AsyncPgConnection>,
    // bb8 serves its waiters in no order, so that under overload some wait many
    // times longer than others; the semaphore is first come, first served.
    turns: Arc<Semaphore>,
    settings: DatabaseSettings,
    server: Arc<Server>,
}

/// Where connections lead, and with what they are opened.
struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    place: String,
}

/// No connection could be had in time; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUnavailable {
    /// Everybody else's work took too long.
    #[error("no database connection became free in time")]
    Busy,
    /// The database could not be reached.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One connection of the pool, back in it when dropped.
pub struct Connection {
    // Dropped before the turn, so that the next in the queue finds it free.
    connection: PooledConnection<'static, AsyncPgConnection>,
    _turn: OwnedSemaphorePermit,
}

impl Deref for Connection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl Database {
    /// A pool on `url`; opens its first connection, so that a wrong URL is
    /// found out at once, and missing encryption is warned of once.
    ///
    /// # Errors
    /// When the URL cannot be read or that connection cannot be opened.
    pub async fn open(url: SecretString, settings: DatabaseSettings) -> Result<Self, OpenError> {
        let config = database_url::read(&url).map_err(OpenError::Url)?;
        let place = database_url::place(&config);
        let failed = |source| OpenError::Connect {
            place: place.clone(),
            source,
        };
        let tls = tls_connector().map_err(|error| failed(ConnectFailed::new(error)))?;
        let server = Arc::new(Server {
            config: with_settings(config, &settings),
            tls,
            place: place.clone(),
        });
        let mut manager = ManagerConfig::default();
        let shared = Arc::clone(&server);
        // The manager passes the URL it was given; the real one is a secret
        // that does not go through its hands.
        manager.custom_setup = Box::new(move |_| {
            let server = Arc::clone(&shared);
            let opened = async move { server.connect().await };
            opened
                .map(|opened| {
                    opened.map_err(|error| ConnectionError::BadConnection(error.to_string()))
                })
                .boxed()
        });
        // Whether the server has closed it is known without asking the server:
        // after a restart of it no request pays for a dead connection.
        manager.recycling_method = RecyclingMethod::CustomFunction(Box::new(|connection| {
            let broken = connection.is_broken();
            let answer = if broken { Err(closed()) } else { Ok(()) };
            std::future::ready(answer).boxed()
        }));
        let manager = AsyncDieselConnectionManager::new_with_config("", manager);
        let mut first = server.connect().await.map_err(failed)?;
        encryption::warn_if_missing(&server.config, &mut first).await;
        drop(first);
        let pool = Pool::builder()
            .max_size(settings.connections)
            .min_idle(1)
            // The one that was used last knows the tables and the statements best.
            .queue_strategy(QueueStrategy::Lifo)
            .max_lifetime(LIFETIME)
            .idle_timeout(IDLE_TIME)
            .connection_timeout(settings.acquire_timeout)
            .build(manager)
            .await
            .map_err(|error| failed(ConnectFailed::new(error)))?;
        let turns = Arc::new(Semaphore::new(settings.connections as usize));
        Ok(Self {
            pool,
            turns,
            settings,
            server,
        })
    }

    /// A connection, when it is this caller's turn. Never ask for a second one
    /// while holding one: two that do so can wait for one another.
    ///
    /// # Errors
    /// When none is to be had within the configured time.
    pub async fn connection(&self) -> Result<Connection, DatabaseUnavailable> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(self.settings.acquire_timeout, turn)
            .await
            .map_err(|_| DatabaseUnavailable::Busy)?
            .map_err(|_| DatabaseUnavailable::Busy)?;
        let connection = self.pool.get_owned().await.map_err(|error| match error {
            RunError::TimedOut => {
                DatabaseUnavailable::Unreachable("no connection could be opened in time".into())
            }
            RunError::User(error) => DatabaseUnavailable::Unreachable(error.into()),
        })?;
        Ok(Connection {
            connection,
            _turn: turn,
        })
    }

    /// A connection of its own, outside the pool: for LISTEN and for migrations.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn dedicated_connection(&self) -> Result<AsyncPgConnection, DatabaseUnavailable> {
        let connected = self.server.connect().await;
        connected.map_err(|error| DatabaseUnavailable::Unreachable(error.into()))
    }

    /// How long a connection is waited for.
    pub fn acquire_timeout(&self) -> Duration {
        self.settings.acquire_timeout
    }

    /// How long a statement waits for a lock.
    pub fn lock_timeout(&self) -> Duration {
        self.settings.lock_timeout
    }

    /// How many connections the pool may have.
    pub fn capacity(&self) -> u32 {
        self.settings.connections
    }

    /// Where it is: host, port and database, for people. Nothing in it is secret.
    pub fn place(&self) -> &str {
        &self.server.place
    }

    /// How many connections the pool has, and how many of them are idle.
    pub fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }
}

fn closed() -> diesel::result::Error {
    let message = "the server has closed the connection".to_owned();
    diesel::result::Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(message))
}

/// What the settings say, where the URL does not say it itself.
fn with_settings(mut config: Config, settings: &DatabaseSettings) -> Config {
    if config.get_application_name().is_none() {
        config.application_name("usher");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(5));
    }
    // tokio-postgres itself sees to it that nothing waits for company (TCP_NODELAY).
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if config.get_keepalives_idle() == NO_PROBES_FOR {
        config.keepalives_idle(UNACKNOWLEDGED);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(PROBES.0);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(PROBES.1);
    }
    // With the start-up packet, so that no statement ever runs without them.
    let timeouts = format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
        settings.statement_timeout.as_millis(),
        settings.lock_timeout.as_millis(),
        settings.idle_transaction_timeout.as_millis(),
    );
    let options = config
        .get_options()
        .map_or(timeouts.clone(), |own| format!("{timeouts} {own}"));
    config.options(options);
    config
}

impl Server {
    async fn connect(&self) -> Result<AsyncPgConnection, ConnectFailed> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(ConnectFailed::new)?;
        let mut connection = AsyncPgConnection::try_from_client_and_connection(client, connection)
            .await
            .map_err(ConnectFailed::new)?;
        // Lets `failure` know a deadlock by its message. A role that may not set it
        // has the server's language, where deadlocks are then reported, not retried.
        let _ = connection.batch_execute("SET lc_messages = 'C'").await;
        Ok(connection)
    }
}

/// TLS by rustls with the system's root certificates: where the URL's `sslmode`
/// leads to TLS, the server's certificate is always verified.
fn tls_connector() -> Result<MakeRustlsConnect, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(%error, "a root certificate of the system could not be read");
    }
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Concurrency;

    fn configured(url: &str) -> Config {
        let settings = DatabaseSettings {
            concurrency: Concurrency::Optimistic,
            connections: 1,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
            idle_transaction_timeout: Duration::from_secs(1),
        };
        with_settings(url.parse().unwrap(), &settings)
    }

    #[test]
    fn a_host_that_is_gone_is_given_up_soon() {
        let config = configured("postgres://host/usher");
        assert!(config.get_keepalives());
        assert_eq!(config.get_keepalives_idle(), UNACKNOWLEDGED);
        assert_eq!(config.get_keepalives_interval(), Some(PROBES.0));
        assert_eq!(config.get_keepalives_retries(), Some(PROBES.1));
        assert_eq!(config.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED));
    }

    #[test]
    fn what_the_url_says_itself_counts() {
        let config = configured(
            "postgres://host/usher?tcp_user_timeout=7&keepalives_idle=8\
             &keepalives_interval=9&keepalives_retries=1&connect_timeout=2&application_name=a",
        );
        let seconds = Duration::from_secs;
        assert_eq!(config.get_tcp_user_timeout(), Some(&seconds(7)));
        assert_eq!(config.get_keepalives_idle(), seconds(8));
        assert_eq!(config.get_keepalives_interval(), Some(seconds(9)));
        assert_eq!(config.get_keepalives_retries(), Some(1));
        assert_eq!(config.get_connect_timeout(), Some(&seconds(2)));
        assert_eq!(config.get_application_name(), Some("a"));
    }
}
