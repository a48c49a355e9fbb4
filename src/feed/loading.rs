//! Reads the map of an event into memory, when somebody asks for it.

use crate::db::changes::{self, Position};
use crate::db::feed_state;
use crate::db::seats;
use crate::db::{Connection, DatabaseUnavailable};
use crate::feed::live_map::{Content, LiveMap, take_over};
use crate::feed::live_maps::Loading;
use crate::feed::packed_state::PackedState;
use crate::feed::recent_changes::{FEWEST, RecentChanges};
use crate::feed::warm_maps::{Lookup, WarmMap};
use crate::feed::{Feed, FeedError, Shared};
use crate::model::ids::EventId;
use diesel_async::AsyncPgConnection;
use std::sync::Arc;
use std::time::Instant;

impl Feed {
    /// Has the map of an event in memory, at least for the moment.
    ///
    /// # Errors
    /// As [`Feed::seat_map`].
    pub async fn load(&self, event: EventId) -> Result<(), FeedError> {
        self.map(event).await.map(drop)
    }

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
                if let Some(warm_maps) = &self.shared.warm_maps {
                    warm_maps.note_loaded();
                }
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
        let Some(warm_maps) = &self.shared.warm_maps else {
            let mut connection = self.connection_for_loading().await?;
            return scan(&mut connection, event, loading.position).await;
        };
        // Before there is a connection: nobody waits for Redis with one in hand.
        let found = warm_maps.find(loading.epoch, event).await;
        let mut connection = self.connection_for_loading().await?;
        let caught_up = match found {
            Ok(map) => catch_up(&mut connection, map, loading.position).await?,
            Err(outcome) => Err(outcome),
        };
        let outcome = caught_up.as_ref().err().copied();
        warm_maps.note(event, outcome.unwrap_or(Lookup::Hit));
        match caught_up {
            Ok(content) => Ok(content),
            Err(_) => scan(&mut connection, event, loading.position).await,
        }
    }

    /// Who wants a map is a reader like others, and a few large maps must not be all that is
    /// read.
    async fn connection_for_loading(&self) -> Result<Connection, DatabaseUnavailable> {
        let Shared {
            database, loads, ..
        } = &*self.shared;
        database.connection_at_one_of(loads).await
    }
}

/// The map of an event, read seat by seat. All changes up to and including `position` can
/// be seen.
async fn scan(
    connection: &mut AsyncPgConnection,
    event: EventId,
    position: Position,
) -> Result<Content, FeedError> {
    let seats = seats::load_all(connection, event).await?;
    let capacity = RecentChanges::capacity(seats.len());
    let newest = changes::newest(connection, event, position, capacity).await?;
    // Asked after the changes were read: none of those that are kept was pruned by then.
    let pruned_before = feed_state::read(connection).await?.pruned_before;
    let is_all = newest.len() < capacity;
    let recent = RecentChanges::from_newest(seats.len(), &newest, is_all, pruned_before, position);
    let states = seats.iter().map(PackedState::from);
    Ok(Content::new(states.collect(), position, recent))
}

/// The map of an event, made of a stored one and the changes after it; or why it has to be
/// read seat by seat.
///
/// It shows all that was committed before this, as one that is scanned does, and not only what
/// the follower has come to: whoever has just changed a seat here sees that. So its states may be
/// newer than `position`, which it is shown with. What the follower reads next is in it already, and
/// changes nothing because its versions are not higher. For the same reason a stored map may be ahead,
/// because another process has stored it that has come further.
async fn catch_up(
    connection: &mut AsyncPgConnection,
    map: WarmMap,
    position: Position,
) -> Result<Result<Content, Lookup>, FeedError> {
    let WarmMap {
        epoch,
        event,
        position: stored,
        mut states,
    } = map;
    let seats = states.len();
    if seats::count(connection, event).await? != seats {
        return Ok(Err(Lookup::Invalid));
    }
    // What happened lately is read in any case, for watchers that come back. Mostly that
    // reaches back to the stored map; more than one change for each seat are never read.
    let mut limit = FEWEST;
    let newest = loop {
        let newest = changes::newest_committed(connection, event, limit).await?;
        let is_reached = match newest.get(limit - 1) {
            Some(oldest) => oldest.position() <= stored,
            None => true,
        };
        if is_reached {
            break newest;
        }
        if limit == RecentChanges::capacity(seats) {
            return Ok(Err(Lookup::Stale));
        }
        limit = RecentChanges::capacity(seats);
    };
    // Only now: see the invariant of `feed_state`.
    let state = feed_state::read(connection).await?;
    if stored > Position::before(state.next) {
        // Nobody can have read that here.
        return Ok(Err(Lookup::Invalid));
    }
    if stored.transaction < state.pruned_before || state.epoch != epoch {
        return Ok(Err(Lookup::Stale));
    }
    let after = newest.partition_point(|change| change.position() > stored);
    for change in newest.iter().take(after).rev() {
        take_over(&mut states, change);
    }
    let is_all = newest.len() < limit;
    let recent = RecentChanges::from_newest(seats, &newest, is_all, state.pruned_before, position);
    Ok(Ok(Content::new(states, position, recent)))
}
