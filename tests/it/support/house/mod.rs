//! A house: a server on a database of its own, with events in it.

mod event;
mod settings;

pub use event::{Event, Seat, plan};
pub use settings::{Limits, ServerRole, concurrency, feed_settings, retention, settings};

use crate::support::actor::Actor;
use crate::support::cluster::{self, Cluster};
use crate::support::tokens::{believing, token_signed_with};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use settings::server_role;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use usher::app::running::{Running, Setup};
use usher::auth::Authenticator;
use usher::config::{BatchSettings, DatabaseSettings, DocumentSettings, Visitors};
use usher::db::Database;
use usher::db::schema::events;
use usher::db::transaction_id::{self, TransactionId};
use usher::http::{SocketLimits, StreamLimits};
use usher::model::Role;
use usher::model::ids::EventId;

/// What the houses sign tokens with.
pub const SECRET: &str = "a secret that only the tests know, 32+";

/// A server on a database of its own.
pub struct House {
    pub running: Running,
    pub url: String,
    /// As the owner of the tables.
    pub database_url: String,
    /// As whom the server works.
    pub server_url: String,
    // The last one stops PostgreSQL.
    cluster: Arc<Cluster>,
}

#[derive(QueryableByName)]
struct Blocked {
    #[diesel(sql_type = BigInt)]
    event_id: i64,
    #[diesel(sql_type = BigInt)]
    transaction: i64,
}

impl House {
    /// A house with nothing in it.
    pub async fn open() -> Self {
        Self::open_with(SocketLimits::default()).await
    }

    /// A house whose sockets have these limits.
    pub async fn open_with(sockets: SocketLimits) -> Self {
        Self::open_with_all(Limits {
            sockets,
            ..Limits::default()
        })
        .await
    }

    /// A house whose event streams have these limits.
    pub async fn open_with_streams(streams: StreamLimits) -> Self {
        Self::open_with_all(Limits {
            streams,
            ..Limits::default()
        })
        .await
    }

    /// A house whose commands share transactions so.
    pub async fn open_with_batches(batch: BatchSettings) -> Self {
        Self::open_with_all(Limits {
            batch,
            ..Limits::default()
        })
        .await
    }

    /// A house that believes these.
    pub async fn open_believing(authenticator: Authenticator) -> Self {
        Self::open_with_all(Limits {
            authenticator: Some(authenticator),
            ..Limits::default()
        })
        .await
    }

    /// A house whose server works as the role that may do just what usher needs, as all do with
    /// `USHER_TEST_ROLE=run`.
    pub async fn open_as_run_role() -> Self {
        Self::open_with_all(Limits {
            role: Some(ServerRole::Run),
            ..Limits::default()
        })
        .await
    }

    /// A house in which operations may cost as much as they like.
    pub async fn open_without_costs(limits: Limits) -> Self {
        let documents = DocumentSettings {
            max_cost: u32::MAX,
            max_aliases: u32::MAX,
            ..limits.documents
        };
        Self::open_with_all(Limits {
            documents,
            ..limits
        })
        .await
    }

    /// A house with these limits.
    pub async fn open_with_all(limits: Limits) -> Self {
        let cluster = Cluster::shared();
        let database_url = cluster.migrated_database().await;
        Self::on(cluster, database_url, limits, settings()).await
    }

    /// Another server on the same database: a replica.
    pub async fn replica(&self) -> Self {
        self.replica_at(&self.database_url).await
    }

    /// A replica that reaches the database by this URL.
    pub async fn replica_at(&self, database_url: &str) -> Self {
        self.replica_of(database_url, settings()).await
    }

    /// A replica that treats the database so.
    pub async fn replica_with(&self, settings: DatabaseSettings) -> Self {
        self.replica_of(&self.database_url, settings).await
    }

    /// A replica that reaches the database by this URL, and treats it so.
    pub async fn replica_of(&self, database_url: &str, settings: DatabaseSettings) -> Self {
        self.another(database_url, Limits::default(), settings)
            .await
    }

    /// A replica that treats the database so, and whose commands share transactions so.
    pub async fn replica_with_batches(
        &self,
        settings: DatabaseSettings,
        batch: BatchSettings,
    ) -> Self {
        let limits = Limits {
            batch,
            ..Limits::default()
        };
        self.another(&self.database_url, limits, settings).await
    }

    /// A replica whose visitors may only look.
    pub async fn where_visitors_look(&self) -> Self {
        let limits = Limits {
            authenticator: Some(believing(Visitors::Look)),
            ..Limits::default()
        };
        self.another(&self.database_url, limits, settings()).await
    }

    /// A replica that treats the database so, with these limits.
    pub async fn replica_with_all(&self, limits: Limits, settings: DatabaseSettings) -> Self {
        self.another(&self.database_url, limits, settings).await
    }

    async fn another(
        &self,
        database_url: &str,
        mut limits: Limits,
        settings: DatabaseSettings,
    ) -> Self {
        if self.server_url == cluster::as_run_role(&self.database_url) {
            limits.role = Some(ServerRole::Run);
        }
        let cluster = Arc::clone(&self.cluster);
        Self::on(cluster, database_url.to_owned(), limits, settings).await
    }

    async fn on(
        cluster: Arc<Cluster>,
        database_url: String,
        limits: Limits,
        settings: DatabaseSettings,
    ) -> Self {
        let Limits {
            authenticator,
            sockets,
            streams,
            batch,
            documents,
            rate_limits,
            web,
            role,
            limit_clock,
            redis,
        } = limits;
        let server_url = match role.unwrap_or_else(server_role) {
            ServerRole::Run if cluster.has(&database_url) => cluster::as_run_role(&database_url),
            // Elsewhere there is no such role.
            ServerRole::Owner | ServerRole::Run => database_url.clone(),
        };
        let database = Database::open(server_url.clone().into(), settings)
            .await
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let setup = Setup {
            database,
            authenticator: authenticator.unwrap_or_else(|| believing(Visitors::Buy)),
            demo: false,
            sockets,
            streams,
            concurrency: concurrency(),
            feed: feed_settings(),
            retention: retention(),
            redis,
            batch,
            documents,
            rate_limits,
            web,
            limit_clock,
        };
        let running = Running::start(listener, setup).await.unwrap();
        let url = format!("http://{}", running.address);
        Self {
            running,
            url,
            database_url,
            server_url,
            cluster,
        }
    }

    /// Blocks the available seats that the condition picks, by hand. The server is told, as
    /// of a change of its own: it shows it from now on.
    pub async fn block(&self, seats: &str) {
        let block = format!(
            "UPDATE seats SET status = 'BLOCKED', version = version + 1, cause = 'BLOCKED' \
             WHERE status = 'AVAILABLE' AND {seats} \
             RETURNING event_id, pg_current_xact_id()::text::bigint AS transaction"
        );
        let mut sql = self.sql().await;
        let blocked: Vec<Blocked> = diesel::sql_query(block).load(&mut sql).await.unwrap();
        for Blocked {
            event_id,
            transaction,
        } in blocked
        {
            let transaction = TransactionId(transaction.cast_unsigned());
            let feed = &self.running.services.feed;
            feed.announce_change(EventId(event_id), transaction);
        }
    }

    /// Somebody without a token.
    pub fn visitor(&self) -> Actor {
        Actor::new(&self.url, None)
    }

    /// Somebody who is signed in as a buyer.
    pub fn buyer(&self, name: &str) -> Actor {
        Actor::new(&self.url, Some(token(name, Role::Buyer)))
    }

    /// Somebody at the box office.
    pub fn box_office(&self) -> Actor {
        Actor::new(&self.url, Some(token("otto", Role::BoxOffice)))
    }

    /// Somebody who works here.
    pub fn staff(&self) -> Actor {
        Actor::new(&self.url, Some(token("tess", Role::Staff)))
    }

    /// Waits until the maps of this process show all that is in the database by now, also
    /// what it has told nobody of.
    pub async fn shows_what_is_there(&self) {
        let feed = &self.running.services.feed;
        let mut sql = self.sql().await;
        let transaction = transaction_id::current(&mut sql).await.unwrap();
        // Any event will do: one follower reads the changes of all.
        let event: Option<EventId> = events::table
            .select(events::id)
            .first(&mut sql)
            .await
            .optional()
            .unwrap();
        if let Some(event) = event {
            let cursor = feed.cursor_of_change(event, transaction);
            feed.seat_map(event, Some(cursor)).await.unwrap();
        }
    }

    /// A connection that goes past usher.
    pub async fn sql(&self) -> AsyncPgConnection {
        cluster::connect(&self.database_url).await
    }
}

/// A token that the houses believe.
pub fn token(name: &str, role: Role) -> String {
    token_signed_with(SECRET, name, role, Duration::from_hours(1))
}
