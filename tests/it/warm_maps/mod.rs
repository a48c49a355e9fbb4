//! Maps in a real Redis: a process that has none reads one key, and whatever becomes of
//! Redis, every map is right.

mod catching_up;
mod garbage;
mod outages;
mod stored;

use crate::support::program::Server;
use crate::support::redis::Redis;
use crate::support::{Event, House, eventually};
use diesel::QueryableByName;
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use stored::Stored;

/// A house that knows nothing of Redis, an event in it, and a Redis.
struct Scene {
    house: House,
    event: Event,
    redis: Redis,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    status: String,
}

impl Scene {
    /// Nothing is stored yet.
    async fn new() -> Self {
        let house = House::open().await;
        let event = house.event(10, 20).await;
        let redis = Redis::start().await;
        Self {
            house,
            event,
            redis,
        }
    }

    /// The map of the event is stored.
    async fn with_a_warm_map() -> Self {
        let scene = Self::new().await;
        let first = scene.replica().await;
        scene.shows_the_truth(&first).await;
        scene.is_stored().await;
        first.stop().await;
        scene
    }

    /// A process that uses this Redis and has no map yet.
    async fn replica(&self) -> Server {
        self.replica_with(&[]).await
    }

    /// As `replica`, with these flags. Redis has as long as it takes where they do not say
    /// otherwise: one operation that is given up on a busy machine, and every count is wrong.
    async fn replica_with(&self, flags: &[&str]) -> Server {
        let environment = [
            ("REDIS_URL", self.redis.url.as_str()),
            ("USHER_REDIS_TIMEOUT", "1m"),
        ];
        Server::beside_with(&self.house, flags, &environment).await
    }

    /// The key of the event's map, when it is stored.
    async fn is_stored(&self) -> String {
        eventually("the map is stored", async || {
            self.redis.keys().await.into_iter().next()
        })
        .await
    }

    /// The event's map as it is stored.
    async fn stored(&self) -> (String, Stored) {
        let key = self.is_stored().await;
        let stored = Stored::read(&self.redis.get(&key).await);
        (key, stored)
    }

    /// Every seat as the database has it.
    async fn truth(&self) -> Vec<(i64, String)> {
        let mut sql = self.house.sql().await;
        let rows: Vec<Row> =
            diesel::sql_query("SELECT version, status FROM seats ORDER BY event_id, seat_no")
                .load(&mut sql)
                .await
                .unwrap();
        rows.into_iter()
            .map(|row| (row.version.into(), row.status))
            .collect()
    }

    /// Waits until this server shows every seat as it is.
    async fn shows_the_truth(&self, server: &Server) {
        let truth = self.truth().await;
        eventually("the map is right", async || {
            (self.shown(server).await == truth).then_some(())
        })
        .await;
    }

    /// Every seat as this server shows it.
    async fn shown(&self, server: &Server) -> Vec<(i64, String)> {
        let map = server.visitor().seat_map(&self.event.id).await;
        let seats = map["seats"].as_array().unwrap();
        let state = |seat: &Value| {
            let status = seat["status"].as_str().unwrap().to_owned();
            (seat["version"].as_i64().unwrap(), status)
        };
        seats.iter().map(state).collect()
    }
}

/// How often this server has looked for warm maps, by what came of it; these must be all.
async fn assert_outcomes(server: &Server, expected: &[(&str, f64)]) {
    for outcome in ["hit", "miss", "stale", "invalid", "failed"] {
        let sample = format!("usher_warm_maps_total{{outcome=\"{outcome}\"}}");
        let wanted = expected.iter().find(|(name, _)| *name == outcome);
        let wanted = wanted.map_or(0.0, |(_, count)| *count);
        let found = server.sample(&sample).await;
        assert!((found - wanted).abs() < 0.5, "{outcome}: {found}");
    }
}
