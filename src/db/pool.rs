//! Connections: how one is opened, and the fair queue before the pool.
//!
//! ```text
//!   requests ──► line (bounded) ──► share: three quarters ──► turn ──► connection
//!   usher's own work: batches, sweeper, … ──────────────────► turn ──► connection
//! ```
//!
//! **Invariant:** requests never have all connections, so that no number of readers keeps a batch
//! waiting for longer than one of them reads.

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
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

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
    /// As many of the turns as requests may have at a time: asked for before a turn, never after
    /// it, so that nobody waits crosswise.
    share: Arc<Semaphore>,
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
    /// Of a request only.
    _share: Option<OwnedSemaphorePermit>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Gives this place back when it is given back itself.
    #[must_use]
    pub fn at(self, place: OwnedSemaphorePermit) -> Self {
        Self {
            _place: Some(place),
            ..self
        }
    }
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
        let share = Arc::new(Semaphore::new(for_requests(settings.connections) as usize));
        let line = Arc::new(Semaphore::new(settings.queue as usize));
        Self {
            pool,
            turns,
            share,
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
        // Nobody is overtaken: while somebody waits, there is nothing to be had.
        if let Ok(share) = Arc::clone(&self.share).try_acquire_owned()
            && let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned()
        {
            return self.connection_in(turn, Some(share)).await;
        }
        let Ok(place) = self.line.try_acquire() else {
            return Err(self.say_busy("database_queue"));
        };
        let both = async {
            let share = Arc::clone(&self.share).acquire_owned().await?;
            let turn = Arc::clone(&self.turns).acquire_owned().await?;
            Ok((share, turn))
        };
        let (share, turn) = self.in_time(both).await?;
        drop(place);
        self.connection_in(turn, Some(share)).await
    }

    /// As [`connection_for_request`](Self::connection_for_request), for one kind of work that
    /// requests can ask for without end: no more of it is done at a time, or waits in the line,
    /// than there are `places`.
    ///
    /// # Errors
    /// The same, and when no place is to be had within the configured time.
    pub async fn connection_at_one_of(
        &self,
        places: &Arc<Semaphore>,
    ) -> Result<Connection, DatabaseUnavailable> {
        let place = self.in_time(Arc::clone(places).acquire_owned()).await?;
        Ok(self.connection_for_request().await?.at(place))
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

    /// A connection for usher's own work, such as a batch, of which there is a bounded amount
    /// that no request can make more of. Requests that wait are not before it: at most those are
    /// whose turn has come.
    ///
    /// # Errors
    /// When none is to be had within the configured time.
    pub async fn connection(&self) -> Result<Connection, DatabaseUnavailable> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = self.in_time(turn).await?;
        self.connection_in(turn, None).await
    }

    /// What is waited for, if it is to be had within the configured time.
    async fn in_time<T>(
        &self,
        waiting: impl Future<Output = Result<T, AcquireError>>,
    ) -> Result<T, DatabaseUnavailable> {
        match tokio::time::timeout(self.settings.acquire_timeout, waiting).await {
            Ok(Ok(permits)) => Ok(permits),
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
        share: Option<OwnedSemaphorePermit>,
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
            _share: share,
            _place: None,
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

/// How many of so many connections requests may have at a time: three quarters, and one in any
/// case. Where there is only one, it is everybody's.
fn for_requests(connections: u32) -> u32 {
    let kept = (connections / 4).max(1);
    connections.saturating_sub(kept).max(1)
}

fn closed() -> diesel::result::Error {
    let message = "the server has closed the connection".to_owned();
    diesel::result::Error::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_a_quarter_to_what_usher_does_by_itself() {
        let shares = [
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 3),
            (8, 6),
            (16, 12),
            (1_000, 750),
        ];
        for (connections, share) in shares {
            assert_eq!(for_requests(connections), share, "of {connections}");
        }
    }
}
