//! Maps that are kept in Redis, so that a process which has none reads one key and catches
//! up from the feed instead of reading every seat.
//!
//! **Invariant:** a warm map is never wrong, only older. It is of the feed that the process
//! follows, whole, and at a position from which the feed leads on without a gap; where any of this is
//! not certain the seats are read from PostgreSQL (`loading`).
//! **Invariant:** nobody waits for Redis with a connection to the database in hand, and the
//! follower never waits for it at all.
//!
//! Any process may store any map, and the last one wins. One that is behind may so replace a
//! newer map by an older one, which costs whoever reads it a few more changes and is mended by
//! the next one who stores it. Comparing positions would take a script in Redis, which not
//! every server allows, for no more than that.

mod storing;
mod warm_map;

pub(super) use storing::run;
pub(super) use warm_map::WarmMap;

use crate::db::redis::{Redis, RedisFailed};
use crate::model::causes::in_full;
use crate::model::ids::EventId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a map stays that nobody stores again.
const KEPT: Duration = Duration::from_hours(6);

/// The maps in Redis.
pub(super) struct WarmMaps {
    redis: Redis,
    /// A value that is longer than that of so many seats cannot be a map.
    max_seats: usize,
    /// Something was found that is no map, and no map since.
    is_garbage_said: AtomicBool,
    /// Redis would not store one, and has stored none since.
    is_refusal_said: AtomicBool,
    /// Tells that a map was loaded that others might want.
    loaded: Notify,
}

/// What became of looking a warm map up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Lookup {
    /// The map is made of it.
    Hit,
    /// There is none.
    Miss,
    /// It is so old that the feed does not lead on from it, or that reading the seats takes
    /// no longer.
    Stale,
    /// It is no map of this event in this feed.
    Invalid,
    /// Redis is away.
    Failed,
}

impl WarmMaps {
    pub(super) fn new(redis: Redis, max_seats: usize) -> Self {
        Self {
            redis,
            max_seats,
            is_garbage_said: AtomicBool::new(false),
            is_refusal_said: AtomicBool::new(false),
            loaded: Notify::new(),
        }
    }

    /// The map of an event, if there is a whole one of this feed.
    pub(super) async fn find(&self, epoch: i64, event: EventId) -> Result<WarmMap, Lookup> {
        let longest = WarmMap::longest(self.max_seats);
        let mut command = redis::cmd("GETRANGE");
        // One more than the longest, so that a longer one is not taken for it.
        command.arg(self.key(epoch, event)).arg(0).arg(longest);
        let bytes: Vec<u8> = match self.redis.query(&command).await {
            Ok(bytes) => bytes,
            Err(RedisFailed::Away) => return Err(Lookup::Failed),
            // The key is of another type, most likely.
            Err(RedisFailed::Refused(_)) => return Err(Lookup::Invalid),
        };
        if bytes.is_empty() {
            return Err(Lookup::Miss);
        }
        WarmMap::from_bytes(&bytes)
            .filter(|map| map.epoch == epoch && map.event == event)
            .ok_or(Lookup::Invalid)
    }

    /// Counts what became of looking for the map of an event.
    pub(super) fn note(&self, event: EventId, outcome: Lookup) {
        let label: &'static str = outcome.into();
        metrics::counter!("usher_warm_maps_total", "outcome" => label).increment(1);
        match outcome {
            Lookup::Hit => self.is_garbage_said.store(false, Ordering::Relaxed),
            Lookup::Invalid if !self.is_garbage_said.swap(true, Ordering::Relaxed) => {
                tracing::warn!(
                    event = event.0,
                    "Redis has something else where a warm map should be: \
                     reading such maps from PostgreSQL"
                );
            }
            outcome => tracing::debug!(event = event.0, ?outcome, "no warm map"),
        }
    }

    /// Says that a map was loaded: it is stored soon.
    pub(super) fn note_loaded(&self) {
        self.loaded.notify_one();
    }

    /// How long ago a map was stored, by Redis' clock; nothing if there is none, or something
    /// that usher has not stored.
    async fn age(&self, epoch: i64, event: EventId) -> Result<Option<Duration>, RedisFailed> {
        let mut command = redis::cmd("PTTL");
        command.arg(self.key(epoch, event));
        let left: i64 = self.redis.query(&command).await?;
        let left = u64::try_from(left).ok().map(Duration::from_millis);
        Ok(left.and_then(|left| KEPT.checked_sub(left)))
    }

    /// Stores a map; answers whether it was.
    async fn store(&self, map: &WarmMap) -> bool {
        let mut command = redis::cmd("SET");
        command
            .arg(self.key(map.epoch, map.event))
            .arg(map.to_bytes())
            .arg("EX")
            .arg(KEPT.as_secs());
        match self.redis.query::<()>(&command).await {
            Ok(()) => {
                self.is_refusal_said.store(false, Ordering::Relaxed);
                metrics::counter!("usher_warm_maps_stored_total").increment(1);
                true
            }
            Err(RedisFailed::Refused(error)) => {
                if !self.is_refusal_said.swap(true, Ordering::Relaxed) {
                    let error = in_full(&error);
                    tracing::warn!(error, "Redis does not store warm maps");
                }
                false
            }
            // That was said.
            Err(RedisFailed::Away) => false,
        }
    }

    fn key(&self, epoch: i64, event: EventId) -> String {
        self.redis.key(&format!("map:{epoch}:{}", event.0))
    }
}
