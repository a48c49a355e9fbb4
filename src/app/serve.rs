//! `usher serve`: from the settings to a running server, and from a signal to its end. What that
//! server is made of is in `app::running`.

use crate::app::authentication::{Authentication, KeysError, StaffToken};
use crate::app::background::TaskEnded;
use crate::app::banner::Banner;
use crate::app::running::{Running, Setup, StartError};
use crate::app::stopping::StopSignals;
use crate::app::storage::{self, Storage, StorageError};
use crate::app::{open_files, output, workers};
use crate::auth::data_folder::StaffTokenError;
use crate::config::{RateLimitSettings, Settings, WebSettings};
use crate::db::embedded::EmbeddedError;
use crate::db::redis::{BadRedisUrl, Redis};
use crate::db::{Database, events};
use crate::http::{SocketLimits, StreamLimits};
use crate::limits;
use crate::model::causes::in_full;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;

/// Why the server did not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is no database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The private PostgreSQL ended by itself or did not stop.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A background task panicked or returned.
    #[error(transparent)]
    Background(#[from] TaskEnded),
    /// Others could reach it, and nobody has said by which key they are known.
    #[error(
        "{0} can be reached from other machines, and no key is configured to know staff by: set \
         USHER_JWT_SECRET, USHER_JWT_SECRET_FILE or USHER_JWT_KEYS, or listen on a loopback \
         address, such as 127.0.0.1"
    )]
    ReachableWithoutKey(SocketAddr),
    /// The keys of tokens cannot be had, or not be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The staff token cannot be had.
    #[error(transparent)]
    StaffToken(#[from] StaffTokenError),
    /// The Redis that is named cannot be.
    #[error(transparent)]
    Redis(#[from] BadRedisUrl),
    /// What serves could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: choose another with --listen or USHER_LISTEN")]
    Listen {
        /// Where usher was to listen.
        address: SocketAddr,
        /// Why it cannot.
        #[source]
        source: io::Error,
    },
    /// The server itself failed.
    #[error("the server failed")]
    Io(#[from] io::Error),
}

/// Serves until SIGINT, SIGTERM or SIGHUP, or until the private PostgreSQL ends.
///
/// A background task that panics stops the server as gracefully as a signal, but
/// is an error: the exit code is what makes an orchestrator start usher again.
/// Going on without the task would look healthy and silently publish nothing.
///
/// Everything that serves is on the workers; what starts and stops it is not, so
/// that it stops also when all of them are busy for ever. After the first signal it
/// drains, and then it finishes what runs; a second one ends the waiting, whatever
/// for.
///
/// # Errors
/// When something that it needs is not to be had; see [`ServeError`].
pub async fn run(settings: &Settings, workers: &Handle) -> Result<(), ServeError> {
    let server = &settings.server;
    // A key that usher makes up for itself is for whoever tries it out on their own machine.
    let is_local = server.listen.ip().to_canonical().is_loopback();
    if !is_local && !settings.authentication.has_key() {
        return Err(ServeError::ReachableWithoutKey(server.listen));
    }
    // Before anything is started for it.
    let address = server.listen;
    let listener = workers::run(workers, async move { listen(address) })
        .await
        .map_err(|source| ServeError::Listen {
            address: server.listen,
            source,
        })?;
    let mut signals = StopSignals::new()?;
    // Dropped half-way, what was started is stopped again.
    let started = tokio::select! {
        started = start(listener, settings, workers) => started?,
        signal = signals.next() => {
            tracing::info!(signal, "stopping before the start was done");
            return Ok(());
        }
    };
    let Started {
        mut storage,
        mut running,
    } = started;

    let mut ended: Result<(), ServeError> = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, drain_delay = ?server.drain_delay, "stopping");
            Ok(())
        }
        error = failed(&mut storage, &mut running) => Err(error),
    };
    let leaving = async {
        // Who cannot serve any more has no use for a delay.
        if ended.is_ok() {
            running.draining.begin(server.drain_delay);
            ended = tokio::select! {
                () = tokio::time::sleep(server.drain_delay) => Ok(()),
                error = failed(&mut storage, &mut running) => Err(error),
            };
        }
        running.stop(server.shutdown_timeout).await;
    };
    tokio::select! {
        () = leaving => {}
        signal = signals.next() => {
            tracing::warn!(signal, "told to stop once more: what still runs is cut off");
        }
    }
    storage.close().await?;
    ended
}

/// Has the system queue as many connections as it may while there is no place for them. From a
/// queue that is full a connection can be lost without its client's knowing.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    const QUEUE: u32 = 4096;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that is started again need not wait for connections of the last one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

struct Started {
    storage: Storage,
    running: Running,
}

/// Starts everything, and says where.
async fn start(
    listener: TcpListener,
    settings: &Settings,
    workers: &Handle,
) -> Result<Started, ServeError> {
    let server = &settings.server;
    let redis = settings.redis.clone();
    let redis = workers::run(workers, async move { Redis::open(&redis).await }).await?;
    let storage = storage::open(settings, workers).await?;
    let authentication = Authentication::open(&settings.storage, &settings.authentication)?;
    let connections = open_files::room_for(settings.web.max_connections);
    let setup = Setup {
        database: storage.database.clone(),
        authenticator: authentication.authenticator.clone(),
        demo: !server.no_demo && (server.demo || storage.data_dir.is_some()),
        sockets: SocketLimits::default(),
        streams: StreamLimits::default(),
        concurrency: settings.storage.database.concurrency,
        feed: settings.feed.clone(),
        retention: settings.retention,
        redis,
        batch: settings.batch.clone(),
        documents: settings.documents.clone(),
        rate_limits: RateLimitSettings {
            max_sockets: settings
                .rate_limits
                .max_sockets
                .min(room_for_sockets(connections)),
            ..settings.rate_limits.clone()
        },
        limit_clock: limits::Clock::default(),
        web: WebSettings {
            max_connections: connections,
            connections_per_address: open_files::room_for_one_address(connections, &settings.web),
            ..settings.web.clone()
        },
    };
    let running = workers::run(workers, Running::start(listener, setup)).await?;
    let staff_token = match &storage.data_dir {
        Some(data_dir) => {
            let token = authentication.staff_token(data_dir)?;
            token.to_print(output::is_terminal())
        }
        None => StaffToken::None,
    };
    let banner = Banner {
        address: running.address,
        staff_token: &staff_token,
        has_playground: settings.documents.graphiql,
        data_dir: storage.data_dir.as_deref(),
        database: storage.database.place(),
        has_key: authentication.has_key,
        has_event: workers::run(workers, has_event(storage.database.clone())).await,
    };
    if let Err(error) = output::write(banner) {
        // No reason not to serve.
        tracing::warn!(error = in_full(&error), address = %running.address, "usher is ready");
    }
    Ok(Started { storage, running })
}

/// Sockets are connections that stay: some places are kept for requests that come and go, those
/// of health checks among them.
const fn room_for_sockets(connections: u32) -> u32 {
    connections - connections / 10
}

/// Resolves when something ends by itself that has to run, and says so at once: a
/// graceful stop may take its time.
async fn failed(storage: &mut Storage, running: &mut Running) -> ServeError {
    let error = tokio::select! {
        error = postgres_ended(storage) => error.into(),
        error = running.failed() => error.into(),
    };
    tracing::error!(error = in_full(&error), "stopping");
    error
}

/// Resolves when the private PostgreSQL ends by itself; never without one.
async fn postgres_ended(storage: &mut Storage) -> EmbeddedError {
    match &mut storage.embedded {
        Some(embedded) => embedded.exited().await,
        None => std::future::pending().await,
    }
}

/// Whether there is an event, or nobody can tell: then nothing is said about it.
async fn has_event(database: Database) -> bool {
    let Ok(mut connection) = database.connection().await else {
        return true;
    };
    events::any(&mut connection).await.unwrap_or(true)
}
