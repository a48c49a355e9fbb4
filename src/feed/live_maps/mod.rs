//! The maps that are in memory, and how far the follower has come.
//!
//! A map is loaded by the first who asks for it; whoever asks meanwhile waits for that.
//! It is registered before its seats are read, so that no change is missed in between:
//!
//! ```text
//!   register (changes are kept from here) ──► read the seats ──► apply what was kept
//! ```
//!
//! Reading order: [`registry`] is where maps are, [`loading`] one that is on its way,
//! [`progress`] how far the follower has come. This file is what others ask of them all.
//!
//! One lock guards the whole. It is held while a page of changes is applied, and never
//! while anybody waits.

mod loading;
mod progress;
mod registry;

pub(super) use loading::Loading;
pub(super) use progress::Progress;

use crate::db::changes::{Change, Position};
use crate::db::feed_state::{FeedState, Look};
use crate::db::transaction_id::TransactionId;
use crate::feed::live_map::LiveMap;
use crate::model::ids::EventId;
use registry::{PlaceState, Registry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The maps of one process.
pub(super) struct LiveMaps {
    registry: Mutex<Registry>,
    progress: watch::Sender<Progress>,
    max_seats: usize,
    idle_time: Duration,
}

impl LiveMaps {
    /// None yet, of a feed in this state.
    pub(super) fn new(look: &Look, max_seats: usize, idle_time: Duration) -> Self {
        let Look { state, tip, .. } = look;
        let progress = Progress {
            epoch: state.epoch,
            position: *tip,
            horizon: state.horizon,
            rounds: 0,
            next: state.next,
        };
        Self {
            registry: Mutex::default(),
            progress: watch::Sender::new(progress),
            max_seats,
            idle_time,
        }
    }

    /// Which feed the maps are of.
    pub(super) fn epoch(&self) -> i64 {
        self.progress.borrow().epoch
    }

    /// How far the follower has come.
    pub(super) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// How far it has come, and how far it comes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    // --- Whoever wants a map ---

    /// The map of an event, if it is loaded.
    pub(super) fn loaded(&self, event: EventId) -> Option<Arc<LiveMap>> {
        match &self.registry().places.get(&event)?.state {
            PlaceState::Loaded(map) => {
                map.touch();
                Some(Arc::clone(map))
            }
            PlaceState::Empty | PlaceState::Loading { .. } => None,
        }
    }

    /// The right to load the map of an event, for one at a time.
    pub(super) fn turn(&self, event: EventId) -> Arc<tokio::sync::Mutex<()>> {
        let mut registry = self.registry();
        Arc::clone(&registry.place(event).turn)
    }

    /// From now on changes are kept for a map of this event. Its seats are to be read after
    /// this. Whoever calls it has the turn.
    pub(super) fn register(&self, event: EventId) -> Loading<'_> {
        let mut registry = self.registry();
        registry.next_serial += 1;
        let serial = registry.next_serial;
        registry.place(event).state = PlaceState::Loading {
            serial,
            changes: Vec::new(),
            announced: None,
        };
        let Progress {
            epoch, position, ..
        } = self.progress();
        Loading {
            maps: self,
            event,
            epoch,
            serial,
            position,
        }
    }

    /// A map of this event that is asked for from now on shows what this transaction has
    /// done. Without a map, and with none on its way, there is nothing to remember: whoever
    /// loads one later sees it.
    pub(super) fn note_announced(&self, event: EventId, transaction: TransactionId) {
        let mut registry = self.registry();
        match registry
            .places
            .get_mut(&event)
            .map(|place| &mut place.state)
        {
            Some(PlaceState::Loaded(map)) => map.note_announced(transaction),
            Some(PlaceState::Loading { announced, .. }) => {
                *announced = (*announced).max(Some(transaction));
            }
            Some(PlaceState::Empty) | None => {}
        }
    }

    // --- Whoever stores maps for others ---

    /// The events whose maps are loaded and wanted.
    pub(super) fn loaded_if(&self, is_wanted: impl Fn(&LiveMap) -> bool) -> Vec<EventId> {
        let registry = self.registry();
        let maps = registry.places.iter();
        maps.filter_map(|(event, place)| match &place.state {
            PlaceState::Loaded(map) if is_wanted(map) => Some(*event),
            _ => None,
        })
        .collect()
    }

    /// Looks at the map of an event, if it is loaded. It counts as unused all the same.
    pub(super) fn peek<T>(&self, event: EventId, look: impl FnOnce(&LiveMap) -> T) -> Option<T> {
        match &self.registry().places.get(&event)?.state {
            PlaceState::Loaded(map) => Some(look(map)),
            PlaceState::Empty | PlaceState::Loading { .. } => None,
        }
    }

    // --- The follower ---

    /// Whether the follower cannot go on from where it is.
    pub(super) fn is_lost(&self, state: &FeedState) -> bool {
        self.progress().loss(state).is_some()
    }

    /// Takes note of what the follower has found the feed to be. Maps that cannot be led on
    /// from where they are, are given up. Without any there is nothing to apply changes to:
    /// then the follower is at the tip at once, which is the answer.
    pub(super) fn meet(&self, look: &Look) -> bool {
        let Look { state, tip, .. } = look;
        let mut registry = self.registry();
        if let Some(reason) = self.progress().loss(state) {
            tracing::warn!(
                ?reason,
                "the feed cannot be followed from where it was left"
            );
            registry.give_up_all(reason);
        }
        let is_at_tip = registry.wants_nothing();
        self.progress.send_modify(|progress| {
            progress.epoch = state.epoch;
            progress.next = state.next;
            if is_at_tip {
                progress.position = *tip;
            }
        });
        is_at_tip
    }

    /// Applies changes that come next in the feed.
    pub(super) fn apply(&self, changes: &[Change]) {
        let mut registry = self.registry();
        for run in changes.chunk_by(|one, next| one.event_id == next.event_id) {
            let event = run.first().map(|change| change.event_id);
            let place = event.and_then(|event| registry.places.get_mut(&event));
            match place.map(|place| &mut place.state) {
                Some(PlaceState::Loaded(map)) => map.apply(run),
                Some(PlaceState::Loading { changes, .. }) => changes.extend_from_slice(run),
                Some(PlaceState::Empty) | None => {}
            }
        }
        if let Some(last) = changes.last() {
            self.progress
                .send_modify(|progress| progress.position = last.position());
        }
    }

    /// Takes note that the follower has read all changes of transactions before `horizon`.
    pub(super) fn end_round(&self, horizon: TransactionId) {
        self.progress.send_modify(|progress| {
            let Position { transaction, id } = progress.position;
            if id > 0 {
                progress.position = Position::after(transaction);
            }
            progress.horizon = horizon;
            progress.rounds += 1;
        });
    }

    /// Takes note that the server may have crashed.
    pub(super) fn lose_sight(&self) {
        self.progress.send_modify(|progress| {
            progress.horizon = progress.horizon.min(progress.position.transaction);
        });
    }

    /// Drops the maps that nobody has looked at for long.
    pub(super) fn drop_idle(&self) {
        let mut registry = self.registry();
        let now = Instant::now();
        registry.drop_if(|map| now.duration_since(map.last_used()) >= self.idle_time);
        registry.count();
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // Nothing panics while it holds the lock, and the registry is whole in any case.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
