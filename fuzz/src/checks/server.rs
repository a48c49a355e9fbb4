//! All routes of usher on a clock that runs ahead while everybody waits, and without a database:
//! the schema has no services, and who asks for a connection finds nobody there.
//!
//! It must never open a socket: what is served comes and goes in memory.

use axum::Router;
use chrono::Utc;
use secrecy::SecretString;
use std::cell::OnceCell;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use usher::auth::{Authenticator, NewToken, SigningKey, TokenRules, mint};
use usher::batcher::Batcher;
use usher::config::{
    BatchSettings, Concurrency, DatabaseSettings, RateLimitSettings, Visitors, WebSettings,
};
use usher::db::Database;
use usher::domain::Environment;
use usher::domain::plan_cache::PlanCache;
use usher::graphql::{Watching, schema_without_services};
use usher::http::{
    self, BodyRoom, Documents, Draining, GraphqlState, RateLimits, SocketLimits, StreamLimits,
    WrittenAnswer,
};
use usher::limits::{Clock, Limiter};
use usher::model::Role;

/// What the input has in place of a token that is believed.
const TOKENS: [(&str, Role); 2] = [("STAFF-TOKEN", Role::Staff), ("BUYER-TOKEN", Role::Buyer)];

/// Nobody listens there.
const NOWHERE: &str = "postgres://usher@%2Fnowhere/usher";

/// A server and what it runs on.
pub struct Server {
    runtime: Runtime,
    pub router: Router,
    /// What of the server is still going on.
    pub tasks: TaskTracker,
    tokens: Vec<(&'static str, String)>,
}

impl Server {
    /// Gives `check` the one server of this thread, and answers when all is done.
    pub fn with<Work: Future<Output = ()>>(check: impl FnOnce(&'static Self) -> Work) {
        thread_local! {
            static SERVER: OnceCell<&'static Server> = const { OnceCell::new() };
        }
        let server: &'static Self =
            SERVER.with(|server| *server.get_or_init(|| Box::leak(Box::new(Self::start()))));
        server.runtime.block_on(check(server));
    }

    fn start() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let tasks = TaskTracker::new();
        let router = runtime.block_on(async { router(tasks.clone()) });
        let key = SigningKey::from_secret(&secret()).expect("a key");
        let tokens = TOKENS.map(|(word, role)| {
            let token = NewToken {
                subject: "somebody",
                role,
                valid_for: Duration::from_hours(24 * 365),
            };
            let token = mint(&key, &TokenRules::default(), &token, Utc::now());
            (word, token.expect("a token"))
        });
        Self {
            runtime,
            router,
            tasks,
            tokens: tokens.to_vec(),
        }
    }

    /// The same text with real tokens where it names them.
    pub fn with_tokens(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, token) in &self.tokens {
            text = text.replace(word, token);
        }
        text
    }
}

fn secret() -> SecretString {
    SecretString::from("a secret that only the fuzzer knows, 32+")
}

fn router(tasks: TaskTracker) -> Router {
    let settings = DatabaseSettings {
        concurrency: Concurrency::Optimistic,
        connections: 1,
        queue: 1,
        acquire_timeout: Duration::from_millis(100),
        statement_timeout: Duration::from_secs(1),
        lock_timeout: Duration::from_secs(1),
        idle_transaction_timeout: Duration::from_secs(1),
    };
    let database = Database::unopened(&SecretString::from(NOWHERE), settings).expect("a URL");
    let environment = Environment {
        plans: PlanCache::default(),
        concurrency: Concurrency::Optimistic,
    };
    let batcher = Batcher::new(database.clone(), environment, BatchSettings::default());
    let authenticator =
        Authenticator::new(Some(&secret()), None, TokenRules::default(), Visitors::Buy);
    let nobody_is_limited = RateLimitSettings::off();
    let limiter = Limiter::new(&nobody_is_limited, None, &Clock::default());
    let schema = schema_without_services();
    let web = WebSettings::default();
    let state = GraphqlState {
        watching: Watching::new(schema.clone(), WrittenAnswer::new),
        schema,
        documents: Documents::default(),
        authenticator: authenticator.expect("a secret that is long enough"),
        database: database.clone(),
        limits: RateLimits::new(limiter, &nobody_is_limited, &Clock::default()),
        sockets: SocketLimits::default(),
        streams: StreamLimits::default(),
        request_timeout: web.request_timeout,
        bodies: BodyRoom::new(web.max_bodies_bytes),
        draining: Draining::default(),
        shutdown: CancellationToken::new(),
        tracker: tasks,
    };
    let origins = "https://shop.example".parse().expect("an origin");
    let proxies = "192.0.2.0/24".parse().expect("a network");
    http::metrics::start();
    http::router(
        state,
        batcher,
        database,
        PlanCache::default(),
        proxies,
        origins,
    )
}
