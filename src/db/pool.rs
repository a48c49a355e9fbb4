//! Connections: how one is opened, and the fair queue before the pool.

use crate::config::DatabaseSettings;
use crate::db::database_url::{ConnectFailed, OpenError};
use crate::db::server::{self, Server};
use crate::model::seldom::Seldom;
use bb8::{Builder, QueueStrategy};
use diesel::ConnectionError;
use diesel::result::DatabaseErrorKind;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::bb8::{Pool, PooledConnection, RunError};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
};
use futures_util::FutureExt;
use secrecy::SecretString;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What opens connections, and knows which of them are broken.
type Manager = AsyncDieselConnectionManager<AsyncPgConnection>;

/// How old a connection gets: then another takes its place, so that none grows without end by
/// what a server keeps for it, and all come to lead to where a name has come to lead.
const LIFETIME: Duration = Duration::from_mins(30);

/// How long a connection stays that nobody needs. What a rush has opened goes after it.
const IDLE_TIME: Duration = Duration::from_mins(10);

/// How often it is said that requests are sent away.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// The database, for any number of users; a clone is the same pool.
#[derive(Clone)]
pub struct Database {
    pool: Pool<AsyncPgConnection>,
    // bb8 serves its waiters in no order, so that under overload some wait many
    // times longer than others; the semaphore is first come, first served.
    turns: Arc<Semaphore>,
    /// The places of requests that wait for a turn.
    line: Arc<Semaphore>,
    shed: Arc<Seldom>,
    settings: DatabaseSettings,
    server: Arc<Server>,
}

/// No connection could be had in time; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUnavailable {
    /// More is asked for than can be done: it was surely not done.
    #[error("too many wait for the database, or for too long")]
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
        let server = Arc::new(Server::new(&url, &settings)?);
        drop(server.connect_first().await?);
        let pool = pool_of(&settings).min_idle(1).build(manager_of(&server));
        let pool = pool
            .await
            .map_err(|error| server.failed(ConnectFailed::new(error)))?;
        Ok(Self::over(pool, settings, server))
    }

    /// The same, but nothing is opened before it is asked for: for what serves without a
    /// database, such as the checks that are given hostile input. Needs a runtime, as `open`
    /// does.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn unopened(url: &SecretString, settings: DatabaseSettings) -> Result<Self, OpenError> {
        let server = Arc::new(Server::new(url, &settings)?);
        let pool = pool_of(&settings).build_unchecked(manager_of(&server));
        Ok(Self::over(pool, settings, server))
    }

    fn over(
        pool: Pool<AsyncPgConnection>,
        settings: DatabaseSettings,
        server: Arc<Server>,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(settings.connections as usize));
        let line = Arc::new(Semaphore::new(settings.queue as usize));
        Self {
            pool,
            turns,
            line,
            shed: Arc::new(Seldom::every(SAID_EVERY)),
            settings,
            server,
        }
    }

    /// A connection for a request, when it is its turn. Never ask for a second one
    /// while holding one: two that do so can wait for one another.
    ///
    /// # Errors
    /// At once when too many requests wait already, and when none is to be had within the
    /// configured time.
    pub async fn connection_for_request(&self) -> Result<Connection, DatabaseUnavailable> {
        // Nobody is overtaken: while somebody waits, no turn is free.
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return self.connection_in(turn).await;
        }
        let Ok(place) = self.line.try_acquire() else {
            return Err(self.say_busy("database_queue"));
        };
        let turn = self.turn().await?;
        drop(place);
        self.connection_in(turn).await
    }

    /// Whether one more request may wait for its turn. While none may, whoever needs the
    /// database is better sent away before anything is begun.
    pub fn has_room(&self) -> bool {
        self.line.available_permits() > 0
    }

    /// How many requests wait for their turn.
    pub fn waiting(&self) -> usize {
        self.settings.queue as usize - self.line.available_permits()
    }

    /// Says that somebody was sent away before anything was begun.
    pub fn say_no_room(&self) {
        self.say_busy("database_queue");
    }

    /// A connection for usher's own work, such as a batch, of which there is a bounded amount:
    /// it is not refused because many requests wait, and waits for its turn among them.
    ///
    /// # Errors
    /// When none is to be had within the configured time.
    pub async fn connection(&self) -> Result<Connection, DatabaseUnavailable> {
        let turn = self.turn().await?;
        self.connection_in(turn).await
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, DatabaseUnavailable> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(self.settings.acquire_timeout, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(self.say_busy("database_wait")),
        }
    }

    /// Counts one that is sent away, and says so, but not for each.
    fn say_busy(&self, reason: &'static str) -> DatabaseUnavailable {
        metrics::counter!("usher_shed_total", "reason" => reason).increment(1);
        if let Some(times) = self.shed.now() {
            tracing::warn!(
                reason,
                waiting = self.waiting(),
                times,
                "overloaded: requests are sent away that need a database connection"
            );
        }
        DatabaseUnavailable::Busy
    }

    async fn connection_in(
        &self,
        turn: OwnedSemaphorePermit,
    ) -> Result<Connection, DatabaseUnavailable> {
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

    /// The role that `url` names.
    ///
    /// # Errors
    /// When the URL cannot be read, or names none.
    pub fn role(url: &SecretString) -> Result<String, OpenError> {
        server::role(url)
    }

    /// A single connection to `url`, without a pool: for migrations.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn connect_once(
        url: &SecretString,
        settings: &DatabaseSettings,
    ) -> Result<AsyncPgConnection, OpenError> {
        Server::new(url, settings)?.connect_first().await
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
        self.server.place()
    }

    /// How many connections the pool has, and how many of them are idle.
    pub fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }
}

fn pool_of(settings: &DatabaseSettings) -> Builder<Manager> {
    Pool::builder()
        .max_size(settings.connections)
        // The one that was used last knows the tables and the statements best.
        .queue_strategy(QueueStrategy::Lifo)
        .max_lifetime(LIFETIME)
        .idle_timeout(IDLE_TIME)
        .connection_timeout(settings.acquire_timeout)
}

/// Opens the connections of a pool.
fn manager_of(server: &Arc<Server>) -> Manager {
    let mut manager = ManagerConfig::default();
    let shared = Arc::clone(server);
    // The manager passes the URL it was given; the real one is a secret
    // that does not go through its hands.
    manager.custom_setup = Box::new(move |_| {
        let server = Arc::clone(&shared);
        let opened = async move { server.connect().await };
        opened
            .map(|opened| opened.map_err(|error| ConnectionError::BadConnection(error.to_string())))
            .boxed()
    });
    // Whether the server has closed it is known without asking the server:
    // after a restart of it no request pays for a dead connection.
    manager.recycling_method = RecyclingMethod::CustomFunction(Box::new(|connection| {
        let broken = connection.is_broken();
        let answer = if broken { Err(closed()) } else { Ok(()) };
        std::future::ready(answer).boxed()
    }));
    AsyncDieselConnectionManager::new_with_config("", manager)
}

fn closed() -> diesel::result::Error {
    let message = "the server has closed the connection".to_owned();
    diesel::result::Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(message))
}
