//! A house with the demo's halls in it.

use crate::support::house::{concurrency, feed_settings, retention};
use crate::support::tokens::believing;
use crate::support::{House, PATIENCE};
use tokio::net::TcpListener;
use usher::app::running::{Running, Setup};
use usher::config::{BatchSettings, DocumentSettings, RateLimitSettings, Visitors, WebSettings};
use usher::http::{SocketLimits, StreamLimits};
use usher::limits::Clock;

impl House {
    /// A house with three events on sale, as the first start of usher makes them.
    pub async fn with_demo() -> Self {
        let house = Self::open().await;
        // Another server loads the demo into the database, and is done.
        let setup = Setup {
            database: house.running.services.database.clone(),
            authenticator: believing(Visitors::Buy),
            demo: true,
            sockets: SocketLimits::default(),
            streams: StreamLimits::default(),
            concurrency: concurrency(),
            feed: feed_settings(),
            retention: retention(),
            redis: None,
            batch: BatchSettings::default(),
            documents: DocumentSettings::default(),
            rate_limits: RateLimitSettings::off(),
            web: WebSettings::default(),
            limit_clock: Clock::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let loader = Running::start(listener, setup).await.unwrap();
        loader.stop(PATIENCE).await;
        house
    }
}
