//! Reads the map of an event into memory, when somebody asks for it.

use crate::db::changes::{self, Position};
use crate::db::seats;
use crate::feed::live_map::{Content, LiveMap};
use crate::feed::live_maps::Loading;
use crate::feed::recent_changes::RecentChanges;
use crate::feed::{Feed, FeedError};
use crate::model::ids::EventId;
use std::sync::Arc;
use std::time::Instant;

impl Feed {
    /// The map of an event: the one in memory, or read from the database once, however
    /// many ask for it at the same time.
    pub(super) async fn map(&self, event: EventId) -> Result<Arc<LiveMap>, FeedError> {
        let maps = &self.shared.maps;
        if let Some(map) = maps.loaded(event) {
            return Ok(map);
        }
        let turn = maps.turn(event);
        let _turn = turn.lock().await;
        loop {
            // Whoever had the turn before may have loaded it.
            if let Some(map) = maps.loaded(event) {
                return Ok(map);
            }
            let began = Instant::now();
            let loading = maps.register(event);
            let content = self.read_content(event, &loading).await?;
            if let Some(map) = loading.finish(content)? {
                metrics::counter!("usher_live_map_loads_total").increment(1);
                let seats = map.seats;
                tracing::debug!(event = event.0, seats, elapsed = ?began.elapsed(), "a map is live");
                return Ok(map);
            }
        }
    }

    async fn read_content(
        &self,
        event: EventId,
        loading: &Loading<'_>,
    ) -> Result<Content, FeedError> {
        let mut connection = self.shared.database.connection().await?;
        let seats = seats::load_all(&mut connection, event).await?;
        let capacity = RecentChanges::capacity(seats.len());
        let newest = changes::newest(&mut connection, event, loading.position, capacity).await?;
        // Asked after the changes were read: none of those that are kept was pruned by then.
        let kept = changes::state(&mut connection).await?.pruned_before;
        let kept = Position::before(kept);
        Ok(Content::new(&seats, loading.position, &newest, kept))
    }
}
