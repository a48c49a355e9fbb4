//! `usher serve`: everything running together, from start to stop.

use crate::app::authentication::{Authentication, KeysError, StaffToken};
use crate::app::background::{BackgroundTasks, TaskEnded};
use crate::app::banner::Banner;
use crate::app::demo::{self, DemoError};
use crate::app::stopping::StopSignals;
use crate::app::storage::{self, Storage, StorageError};
use crate::app::{open_files, output, workers};
use crate::app::{pruner, sweeper};
use crate::auth::Authenticator;
use crate::auth::data_folder::StaffTokenError;
use crate::batcher::Batcher;
use crate::config::{
    BatchSettings, Concurrency, DocumentSettings, FeedSettings, RateLimitSettings,
    RetentionSettings, Settings, WebSettings,
};
use crate::db::embedded::EmbeddedError;
use crate::db::redis::{BadRedisUrl, Redis};
use crate::db::{Database, events, feed_origin, old_changes};
use crate::domain::Environment;
use crate::domain::plan_cache::PlanCache;
use crate::feed::{Feed, FeedError};
use crate::graphql::{self, Services, Watching};
use crate::http::{
    self, ConnectionLimits, Documents, Draining, GraphqlState, RateLimits, SocketLimits,
    StreamLimits, TrustedDocumentsError, WrittenAnswer,
};
use crate::limits::{self, Limiter};
use crate::model::causes::in_full;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    /// The demo could not be loaded.
    #[error("the demo could not be loaded")]
    Demo(#[from] DemoError),
    /// The Redis that is named cannot be.
    #[error(transparent)]
    Redis(#[from] BadRedisUrl),
    /// The trusted documents cannot be.
    #[error(transparent)]
    TrustedDocuments(#[from] TrustedDocumentsError),
    /// The feed cannot be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
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
            ..settings.web.clone()
        },
    };
    let running = workers::run(workers, Running::start(listener, setup)).await?;
    let staff_token = match &storage.data_dir {
        Some(data_dir) => authentication.staff_token(data_dir)?,
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

/// What a server is made of, beside the socket it listens on.
pub struct Setup {
    /// What it serves; migrated.
    pub database: Database,
    /// Knows who is asking.
    pub authenticator: Authenticator,
    /// Whether the demo is loaded into an empty database.
    pub demo: bool,
    /// What one WebSocket may use.
    pub sockets: SocketLimits,
    /// What one event stream may use, and how long a client may take nothing of any answer.
    pub streams: StreamLimits,
    /// How two who want the same seat are kept apart.
    pub concurrency: Concurrency,
    /// How live maps are kept.
    pub feed: FeedSettings,
    /// How long changes of seats are kept.
    pub retention: RetentionSettings,
    /// What maps are shared through with other processes, if they are.
    pub redis: Option<Redis>,
    /// How commands share transactions.
    pub batch: BatchSettings,
    /// What an operation may ask for.
    pub documents: DocumentSettings,
    /// How much one caller may ask.
    pub rate_limits: RateLimitSettings,
    /// Which pages may use the API, and how long a client may take.
    pub web: WebSettings,
    /// What budgets are filled by.
    pub limit_clock: limits::Clock,
}

/// A server that runs in the background until it is stopped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its resolvers work with.
    pub services: Services,
    /// Ends the sweeper alone: what lapses is then published by other processes.
    pub sweeper: AbortHandle,
    /// Begun by whoever is about to stop it, if there is time.
    pub draining: Draining,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    /// The serving itself, which `tasks` waits for, and what ends last: changes of
    /// the last requests are still told to others.
    background: BackgroundTasks,
}

impl Running {
    /// Starts everything that serves on `listener`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start(listener: TcpListener, setup: Setup) -> Result<Self, ServeError> {
        let Setup {
            database,
            authenticator,
            demo,
            sockets,
            streams,
            concurrency,
            feed,
            retention,
            redis,
            batch,
            documents,
            rate_limits,
            web,
            limit_clock,
        } = setup;
        let documents = Documents::new(documents)?;
        http::metrics::start();
        let address = listener.local_addr()?;
        say_what_is_not_as_configured(&database, &retention).await?;
        let environment = Environment {
            plans: PlanCache::default(),
            concurrency,
        };
        let services = Services {
            feed: Feed::open(database.clone(), feed, redis.clone()).await?,
            batcher: Batcher::new(database.clone(), environment.clone(), batch),
            environment,
            database: database.clone(),
        };
        if demo && demo::load_into_empty(&database, &services.environment.plans).await? {
            tracing::info!("the demo halls are loaded: three events are on sale");
        }
        let (draining, shutdown) = (Draining::default(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let mut background = BackgroundTasks::default();
        background.spawn("feed's follower", services.feed.clone().follow());
        background.spawn("feed's listener", services.feed.clone().listen());
        background.spawn("feed's announcer", services.feed.clone().tell_others());
        for lane in services.batcher.lanes() {
            background.spawn("lane of batches", lane);
        }
        let limiter = Limiter::new(&rate_limits, redis.clone(), &limit_clock);
        let sweeper = background.spawn("sweeper", sweeper::run(services.clone()));
        if let Some(redis) = redis {
            background.spawn("connection to Redis", redis.keep());
            background.spawn("feed's storing of maps", services.feed.clone().store_maps());
        }
        if let Some(keys) = authenticator.key_file() {
            background.spawn("reading of the key file", keys.follow());
        }
        let schema = graphql::schema(services.clone(), documents.settings().introspection);
        let limits = ConnectionLimits {
            connections: web.max_connections,
            head_timeout: web.request_timeout,
            idle_timeout: web.idle_timeout,
            send_timeout: streams.send_timeout,
        };
        background.spawn("pruner", pruner::run(database.clone(), retention));
        let state = GraphqlState {
            watching: Watching::new(schema.clone(), WrittenAnswer::new),
            schema,
            documents,
            authenticator,
            database: database.clone(),
            limits: RateLimits::new(limiter, &rate_limits),
            sockets,
            streams,
            request_timeout: web.request_timeout,
            draining: draining.clone(),
            shutdown: shutdown.clone(),
            tracker: tasks.clone(),
        };
        let router = http::router(
            state,
            services.batcher.clone(),
            database,
            services.environment.plans.clone(),
            rate_limits.trusted_proxies,
            web.allowed_origins,
        );
        let serving = http::serve(listener, router, limits, shutdown.clone());
        background.spawn("HTTP server", tasks.track_future(serving));
        Ok(Self {
            address,
            services,
            sweeper,
            draining,
            shutdown,
            tasks,
            background,
        })
    }

    /// Resolves when something that serves in the background ends by itself.
    pub async fn failed(&mut self) -> TaskEnded {
        self.background.ended().await
    }

    /// Takes no new requests, closes the sockets and streams, and waits for what runs, but
    /// no longer than `timeout`.
    pub async fn stop(self, timeout: Duration) {
        self.draining.begin(Duration::ZERO);
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(timeout, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                ?timeout,
                "some requests did not end in time and are cut off"
            );
        }
        self.background.stop().await;
    }
}

async fn say_what_is_not_as_configured(
    database: &Database,
    retention: &RetentionSettings,
) -> Result<(), FeedError> {
    let mut connection = database.connection().await?;
    feed_origin::warn_if_incomplete(&mut connection).await?;
    Ok(old_changes::warn_if_kept_longer(&mut connection, retention).await?)
}

/// Whether there is an event, or nobody can tell: then nothing is said about it.
async fn has_event(database: Database) -> bool {
    let Ok(mut connection) = database.connection().await else {
        return true;
    };
    events::any(&mut connection).await.unwrap_or(true)
}
