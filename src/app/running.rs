//! What serves: everything that runs in the background for as long as usher does, put together
//! and taken apart again.
//!
//! It is given its database, open and migrated, and its socket. Settings, signals and the private
//! PostgreSQL are the business of `app::serve`.

use crate::app::background::{BackgroundTasks, TaskEnded};
use crate::app::demo::{self, DemoError};
use crate::app::{pruner, sweeper};
use crate::auth::Authenticator;
use crate::batcher::Batcher;
use crate::config::{
    BatchSettings, Concurrency, DocumentSettings, FeedSettings, RateLimitSettings,
    RetentionSettings, WebSettings,
};
use crate::db::redis::Redis;
use crate::db::{Database, feed_origin, old_changes};
use crate::domain::Environment;
use crate::domain::plan_cache::PlanCache;
use crate::feed::{Feed, FeedError};
use crate::graphql::{self, Services, Watching};
use crate::http::{
    self, BodyRoom, ConnectionLimits, Documents, Draining, GraphqlState, RateLimits, SocketLimits,
    StreamLimits, TrustedDocumentsError, WrittenAnswer,
};
use crate::limits::{self, Limiter};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why what serves was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The demo could not be loaded.
    #[error("the demo could not be loaded")]
    Demo(#[from] DemoError),
    /// The trusted documents cannot be.
    #[error(transparent)]
    TrustedDocuments(#[from] TrustedDocumentsError),
    /// The feed cannot be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The socket is none any more.
    #[error("the server failed")]
    Io(#[from] io::Error),
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
    /// When something that it needs is not to be had; see [`StartError`].
    pub async fn start(listener: TcpListener, setup: Setup) -> Result<Self, StartError> {
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
            per_address: web.connections_per_address,
            trusted_proxies: rate_limits.trusted_proxies.clone(),
            head_timeout: web.request_timeout,
            idle_timeout: web.idle_timeout,
            send_timeout: streams.send_timeout,
            slowest_rate: streams.slowest_rate,
        };
        background.spawn("pruner", pruner::run(database.clone(), retention));
        let state = GraphqlState {
            watching: Watching::new(schema.clone(), WrittenAnswer::new),
            schema,
            documents,
            authenticator,
            database: database.clone(),
            limits: RateLimits::new(limiter, &rate_limits, &limit_clock),
            sockets,
            streams,
            request_timeout: web.request_timeout,
            bodies: BodyRoom::new(web.max_bodies_bytes),
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
