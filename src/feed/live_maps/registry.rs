//! The places of maps: where each is, or will be, and how much room all of them take.
//!
//! It owns which maps are dropped to make room. It must never drop one that anybody uses.

use crate::db::changes::Change;
use crate::db::transaction_id::TransactionId;
use crate::feed::FeedError;
use crate::feed::live_map::LiveMap;
use crate::feed::seat_map::SnapshotReason;
use crate::model::ids::EventId;
use std::collections::HashMap;
use std::sync::Arc;

/// The maps of a process, and those that are on their way.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) places: HashMap<EventId, Place>,
    /// Seats of all loaded maps together.
    pub(super) seats: usize,
    pub(super) next_serial: u64,
}

/// Where the map of one event is, or will be.
///
/// **Invariant:** it stays for as long as somebody has its turn, or waits for it. Whoever comes
/// then would otherwise make another place, with another turn, and two would load one map.
pub(super) struct Place {
    pub(super) state: PlaceState,
    /// Held by whoever loads it.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// What is in a place.
pub(super) enum PlaceState {
    Empty,
    /// Its seats are being read; these changes were not seen by that for certain, and so
    /// was not what this process has announced meanwhile.
    Loading {
        serial: u64,
        changes: Vec<Change>,
        announced: Option<TransactionId>,
    },
    Loaded(Arc<LiveMap>),
}

impl Place {
    fn is_empty(&self) -> bool {
        matches!(self.state, PlaceState::Empty)
    }

    /// Whether somebody has its turn or waits for it.
    fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.turn) > 1
    }
}

impl Registry {
    pub(super) fn place(&mut self, event: EventId) -> &mut Place {
        self.places.entry(event).or_insert_with(|| Place {
            state: PlaceState::Empty,
            turn: Arc::default(),
        })
    }

    /// Drops loaded maps that nobody uses at this moment and that are to go.
    pub(super) fn drop_if(&mut self, is_to_go: impl Fn(&LiveMap) -> bool) {
        let seats = &mut self.seats;
        self.places.retain(|_, place| {
            // Only this registry hands out the map, under the lock that is held here.
            if let PlaceState::Loaded(map) = &place.state
                && Arc::strong_count(map) == 1
                && is_to_go(map)
            {
                *seats -= map.seats;
                place.state = PlaceState::Empty;
            }
            !place.is_empty() || place.is_wanted()
        });
    }

    /// Makes room for a map, by dropping those that nobody uses, the longest unused first.
    pub(super) fn make_room(&mut self, seats: usize, max_seats: usize) -> Result<(), FeedError> {
        while self.seats + seats > max_seats {
            let unused = self.places.values().filter_map(|place| match &place.state {
                PlaceState::Loaded(map) if Arc::strong_count(map) == 1 => Some(map),
                _ => None,
            });
            let Some(oldest) = unused.min_by_key(|map| map.last_used()) else {
                return Err(FeedError::TooManySeats);
            };
            let serial = oldest.serial;
            self.drop_if(|map| map.serial == serial);
        }
        Ok(())
    }

    pub(super) fn give_up_all(&mut self, reason: SnapshotReason) {
        self.places.retain(|_, place| {
            if let PlaceState::Loaded(map) = &place.state {
                map.ticks.give_up(reason);
            }
            place.state = PlaceState::Empty;
            place.is_wanted()
        });
        self.seats = 0;
    }

    /// Whether there is no map to lead on.
    pub(super) fn wants_nothing(&self) -> bool {
        self.places.values().all(Place::is_empty)
    }

    pub(super) fn count(&self) {
        let maps = self.places.values().filter_map(|place| match &place.state {
            PlaceState::Loaded(map) => Some(map),
            _ => None,
        });
        let (loaded, watchers) = maps.fold((0, 0), |(loaded, watchers), map| {
            (loaded + 1, watchers + map.ticks.watchers())
        });
        metrics::gauge!("usher_live_maps").set(as_f64(loaded));
        metrics::gauge!("usher_live_map_seats").set(as_f64(self.seats));
        metrics::gauge!("usher_live_map_watchers").set(as_f64(watchers));
    }
}

/// Counts of things in memory are far below where this loses any.
#[allow(clippy::cast_precision_loss)]
fn as_f64(count: usize) -> f64 {
    count as f64
}
