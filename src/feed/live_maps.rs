//! The maps that are in memory, and how far the follower has come.
//!
//! A map is loaded by the first who asks for it; whoever asks meanwhile waits for that.
//! It is registered before its seats are read, so that no change is missed in between:
//!
//! ```text
//!   register (changes are kept from here) ──► read the seats ──► apply what was kept
//! ```
//!
//! One lock guards the whole. It is held while a page of changes is applied, and never
//! while anybody waits.

use crate::db::changes::{Change, Position};
use crate::db::feed_state::{FeedState, Look};
use crate::db::transaction_id::TransactionId;
use crate::feed::FeedError;
use crate::feed::live_map::{Content, LiveMap};
use crate::feed::seat_map::SnapshotReason;
use crate::model::ids::EventId;
use std::collections::HashMap;
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

/// How far the follower has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Which feed it is.
    pub(super) epoch: i64,
    /// Everything up to and including this is in every map. It is where the last change is,
    /// or after the transaction of that.
    pub(super) position: Position,
    /// Everything of transactions before this one is in every map, as long as the server
    /// does not crash; see [`Look::tip`].
    pub(super) horizon: TransactionId,
    /// How often it has looked for more, and found all that there was.
    pub(super) rounds: u64,
    /// No transaction had this number when it last looked, nor a higher one.
    pub(super) next: TransactionId,
}

#[derive(Default)]
struct Registry {
    places: HashMap<EventId, Place>,
    /// Seats of all loaded maps together.
    seats: usize,
    next_serial: u64,
}

/// Where the map of one event is, or will be.
///
/// **Invariant:** it stays for as long as somebody has its turn, or waits for it. Whoever comes
/// then would otherwise make another place, with another turn, and two would load one map.
struct Place {
    state: PlaceState,
    /// Held by whoever loads it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

enum PlaceState {
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

/// A map that is being loaded; dropped before it is done, it is given up.
pub(super) struct Loading<'maps> {
    maps: &'maps LiveMaps,
    event: EventId,
    pub(super) epoch: i64,
    serial: u64,
    /// All changes after this are kept for it.
    pub(super) position: Position,
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

impl Progress {
    /// Whether everything up to and including a position is in every map.
    pub(super) fn has_reached(&self, wanted: Position) -> bool {
        self.position >= wanted || self.horizon > wanted.transaction
    }

    /// Why the feed in this state cannot be read on from here, if it cannot.
    fn loss(&self, state: &FeedState) -> Option<SnapshotReason> {
        if state.epoch != self.epoch {
            Some(SnapshotReason::CursorUnknown)
        } else if self.position.transaction < state.pruned_before {
            Some(SnapshotReason::CursorTooOld)
        } else {
            None
        }
    }
}

impl Loading<'_> {
    /// The map that was read, with what was kept for it. `None` when the feed has become
    /// another one meanwhile: then it is to be read again.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(super) fn finish(self, mut content: Content) -> Result<Option<Arc<LiveMap>>, FeedError> {
        let mut registry = self.maps.registry();
        let place = registry.place(self.event);
        let PlaceState::Loading {
            serial,
            changes,
            announced,
        } = &mut place.state
        else {
            return Ok(None);
        };
        if *serial != self.serial {
            return Ok(None);
        }
        content.apply(changes);
        let map = LiveMap::new(self.serial, (self.epoch, self.event), content);
        if let Some(announced) = *announced {
            map.note_announced(announced);
        }
        registry.make_room(map.seats, self.maps.max_seats)?;
        let map = Arc::new(map);
        registry.place(self.event).state = PlaceState::Loaded(Arc::clone(&map));
        registry.seats += map.seats;
        registry.count();
        Ok(Some(map))
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        let mut registry = self.maps.registry();
        if let Some(place) = registry.places.get_mut(&self.event)
            && matches!(place.state, PlaceState::Loading { serial, .. } if serial == self.serial)
        {
            place.state = PlaceState::Empty;
        }
    }
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
    fn place(&mut self, event: EventId) -> &mut Place {
        self.places.entry(event).or_insert_with(|| Place {
            state: PlaceState::Empty,
            turn: Arc::default(),
        })
    }

    /// Drops loaded maps that nobody uses at this moment and that are to go.
    fn drop_if(&mut self, is_to_go: impl Fn(&LiveMap) -> bool) {
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
    fn make_room(&mut self, seats: usize, max_seats: usize) -> Result<(), FeedError> {
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

    fn give_up_all(&mut self, reason: SnapshotReason) {
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
    fn wants_nothing(&self) -> bool {
        self.places.values().all(Place::is_empty)
    }

    fn count(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::seats::SeatState;
    use crate::model::status::SeatStatus;
    use chrono::DateTime;

    const EVENT: EventId = EventId(1);

    fn feed(epoch: i64) -> Look {
        let state = FeedState {
            epoch,
            pruned_before: TransactionId(0),
            horizon: TransactionId(10),
            next: TransactionId(10),
            now: DateTime::UNIX_EPOCH,
        };
        Look {
            state,
            tip: Position::before(TransactionId(7)),
            is_held_back: false,
        }
    }

    fn maps() -> LiveMaps {
        LiveMaps::new(&feed(1), 10, Duration::ZERO)
    }

    fn load(maps: &LiveMaps) {
        finish(maps.register(EVENT));
    }

    fn finish(loading: Loading<'_>) -> Arc<LiveMap> {
        let seat = |seat_no| SeatState {
            seat_no,
            version: 1,
            status: SeatStatus::Available,
        };
        let content = Content::of_seats(&[0, 1, 2].map(seat), loading.position);
        loading.finish(content).unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_map_shows_what_was_announced_while_it_was_read() {
        let maps = maps();
        let announce = |transaction| maps.note_announced(EVENT, TransactionId(transaction));
        // Before its seats were read: it is in them.
        announce(11);
        let loading = maps.register(EVENT);
        for transaction in [13, 12] {
            announce(transaction);
        }
        let map = finish(loading);
        assert_eq!(map.announced(), Some(TransactionId(13)));
        announce(14);
        assert_eq!(map.announced(), Some(TransactionId(14)));
        drop(map);
        maps.drop_idle();
        assert_eq!(finish(maps.register(EVENT)).announced(), None);
    }

    #[tokio::test]
    async fn there_is_one_turn_for_as_long_as_anybody_waits_for_it() {
        let maps = maps();
        let waiting = maps.turn(EVENT);
        let is_the_same = || Arc::ptr_eq(&waiting, &maps.turn(EVENT));

        // Whoever loads it goes away in the middle of that.
        drop(maps.register(EVENT));
        assert!(is_the_same());
        maps.drop_idle();
        assert!(is_the_same());

        load(&maps);
        maps.drop_idle();
        assert!(maps.loaded(EVENT).is_none(), "nobody used it");
        assert_eq!(maps.registry().seats, 0);
        assert!(is_the_same());

        load(&maps);
        assert!(!maps.meet(&feed(1)), "there is a map to lead on");
        assert!(maps.meet(&feed(2)));
        assert!(maps.loaded(EVENT).is_none(), "it is of another feed");
        assert_eq!(maps.progress().position, feed(2).tip);
        assert_eq!(maps.registry().seats, 0);
        assert!(is_the_same());

        drop(waiting);
        maps.drop_idle();
        assert!(maps.registry().places.is_empty());
    }

    #[tokio::test]
    async fn a_map_that_is_being_read_when_the_feed_changes_is_read_again() {
        let maps = maps();
        let turn = maps.turn(EVENT);
        let loading = maps.register(EVENT);
        maps.meet(&feed(2));
        let content = Content::of_seats(&[], loading.position);
        assert!(loading.finish(content).unwrap().is_none());
        drop(turn);
    }
}
