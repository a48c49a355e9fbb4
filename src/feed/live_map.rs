//! The map of one event in memory: status and version of every seat, what has changed
//! lately, and the position of the feed that it is at.
//!
//! It costs 4 bytes a seat for the state and up to 4 for the newest changes, beside some
//! 40 KiB that do not depend on the event.

use crate::db::changes::{Change, Position};
use crate::db::seats::SeatState;
use crate::db::transaction_id::TransactionId;
use crate::feed::live_maps::Progress;
use crate::feed::packed_state::PackedState;
use crate::feed::recent_changes::RecentChanges;
use crate::feed::ticks::Ticks;
use crate::feed::warm_maps::WarmMap;
use crate::model::cursor::{Cursor, CursorKind};
use crate::model::ids::{EventId, SeatNo};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// A map that the follower keeps up to date. Those of a [`Feed`](crate::feed::Feed) never
/// leave it: nobody else applies changes to them.
#[derive(Debug)]
pub struct LiveMap {
    /// Tells maps of the same event apart that were loaded one after another.
    pub(super) serial: u64,
    pub(super) event: EventId,
    /// Of which feed it is.
    pub(super) epoch: i64,
    pub(super) seats: usize,
    pub(super) ticks: Arc<Ticks>,
    content: Arc<Mutex<Content>>,
    last_used: Mutex<Instant>,
    /// The newest transaction that this process has told somebody of, 0 for none.
    announced: AtomicU64,
    /// When it was last stored as a warm map, and which sequence number it ended at.
    stored: Mutex<Option<(Instant, u64)>>,
    _beat: AbortOnDropHandle<()>,
}

/// What is in a map.
#[derive(Debug)]
pub struct Content {
    states: Vec<PackedState>,
    recent: RecentChanges,
    /// That of the newest change.
    position: Position,
}

/// A part of a map, and where it was taken.
#[derive(Clone, Debug)]
pub struct Excerpt {
    /// Each seat of it once, in the plan's order.
    pub states: Vec<SeatState>,
    /// What comes later has this sequence number or a higher one.
    pub end: u64,
    /// Where in the feed that is.
    pub position: Position,
}

impl Content {
    /// A map of these seats, which are those of an event in the plan's order, when all
    /// changes up to and including `position` are in it, and nothing is known of these.
    pub fn of_seats(seats: &[SeatState], position: Position) -> Self {
        let states = seats.iter().map(PackedState::from);
        let recent = RecentChanges::new(seats.len(), position);
        Self::new(states.collect(), position, recent)
    }

    /// A map of these seats, which are those of an event in the plan's order, when all
    /// changes up to and including `position` are in it. `recent` are some of these.
    pub(super) fn new(states: Vec<PackedState>, position: Position, recent: RecentChanges) -> Self {
        Self {
            states,
            recent,
            position,
        }
    }

    /// Takes over changes that come next in the feed.
    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if take_over(&mut self.states, change) {
                self.recent.push(change.seat_no);
            }
        }
        if let Some(last) = changes.last() {
            self.position = last.position();
            self.recent.mark(self.position);
        }
    }

    fn state(&self, seat_no: SeatNo) -> Option<SeatState> {
        let state = self.states.get(usize::try_from(seat_no).ok()?)?;
        Some(SeatState {
            seat_no,
            version: state.version(),
            status: state.status(),
        })
    }

    fn all(&self) -> Vec<SeatState> {
        (0..)
            .zip(&self.states)
            .map(|(seat_no, state)| SeatState {
                seat_no,
                version: state.version(),
                status: state.status(),
            })
            .collect()
    }

    fn excerpt(&self, states: Vec<SeatState>, at_least: Position) -> Excerpt {
        Excerpt {
            states,
            end: self.recent.end(),
            position: self.position.max(at_least),
        }
    }
}

// `at_least` is always a position that the follower had reached when it was asked for:
// between it and that of the content's newest change lies none of this event.
impl LiveMap {
    /// A map of this event with this content, of the feed of this epoch; `serial` tells it from
    /// those that were loaded before. Must be made on the runtime: it starts its beat.
    pub fn new(serial: u64, (epoch, event): (i64, EventId), content: Content) -> Self {
        let seats = content.states.len();
        let ticks = Arc::new(Ticks::new(content.recent.end()));
        let content = Arc::new(Mutex::new(content));
        let shown = Arc::downgrade(&content);
        let beat = Arc::clone(&ticks).beat(move || Some(lock(&*shown.upgrade()?).recent.end()));
        Self {
            serial,
            event,
            epoch,
            seats,
            content,
            ticks,
            last_used: Mutex::new(Instant::now()),
            announced: AtomicU64::new(0),
            stored: Mutex::new(None),
            _beat: AbortOnDropHandle::new(tokio::spawn(beat)),
        }
    }

    /// Takes over changes that come next in the feed.
    pub fn apply(&self, changes: &[Change]) {
        self.content().apply(changes);
        self.ticks.note_change();
    }

    /// Every seat.
    pub(super) fn all(&self, at_least: Position) -> Excerpt {
        let content = self.content();
        content.excerpt(content.all(), at_least)
    }

    /// The seats that have changed from a sequence number on, and these, each once, in the
    /// plan's order; all when nobody knows any more which have changed.
    pub fn changed_from(&self, sequence: u64, also: &[SeatNo], at_least: Position) -> Excerpt {
        let content = self.content();
        let states = match content.recent.seats_from(sequence) {
            Some(mut seats) => {
                seats.extend_from_slice(also);
                seats.sort_unstable();
                seats.dedup();
                let states = seats.iter().filter_map(|&seat_no| content.state(seat_no));
                states.collect()
            }
            None => content.all(),
        };
        content.excerpt(states, at_least)
    }

    /// From which sequence number on one has to read who knows everything up to and
    /// including `position`; `None` when that is forgotten.
    pub(super) fn sequence_after(&self, position: Position) -> Option<u64> {
        self.content().recent.after(position)
    }

    /// The sequence number that the next change will have, and the position of the last.
    pub fn end(&self) -> (u64, Position) {
        let content = self.content();
        (content.recent.end(), content.position)
    }

    /// The cursor of this map when it is at this position.
    pub(super) fn cursor(&self, position: Position) -> Cursor {
        Cursor {
            kind: CursorKind::Map,
            epoch: self.epoch,
            event: self.event,
            transaction: position.transaction.0,
            id: position.id,
        }
    }

    /// Whether all changes from this sequence number on are still known.
    pub(super) fn reaches_back_to(&self, sequence: u64) -> bool {
        self.content().recent.reaches_back_to(sequence)
    }

    /// Somebody asks for it.
    pub(super) fn touch(&self) {
        *lock(&self.last_used) = Instant::now();
    }

    /// When somebody last asked for it.
    pub(super) fn last_used(&self) -> Instant {
        *lock(&self.last_used)
    }

    /// This process is about to tell somebody of what `transaction` has changed.
    pub(super) fn note_announced(&self, transaction: TransactionId) {
        self.announced.fetch_max(transaction.0, Ordering::Relaxed);
    }

    /// The newest transaction that this process has told somebody of.
    pub(super) fn announced(&self) -> Option<TransactionId> {
        let newest = self.announced.load(Ordering::Relaxed);
        (newest > 0).then_some(TransactionId(newest))
    }

    /// What may be stored of it, and where that ends. The follower had come to `progress`
    /// when it was asked for.
    pub(super) fn warm_map(&self, progress: &Progress) -> (WarmMap, u64) {
        let content = self.content();
        let position = if progress.epoch == self.epoch {
            content.position.max(progress.position)
        } else {
            content.position
        };
        let map = WarmMap {
            epoch: self.epoch,
            event: self.event,
            position,
            states: content.states.clone(),
        };
        (map, content.recent.end())
    }

    /// It was stored up to this sequence number.
    pub(super) fn note_stored(&self, end: u64) {
        *lock(&self.stored) = Some((Instant::now(), end));
    }

    /// Whether it was ever stored by this process.
    pub(super) fn was_stored(&self) -> bool {
        lock(&self.stored).is_some()
    }

    /// Whether it has changed since it was stored, or that was long ago.
    pub(super) fn is_to_store(&self, long: Duration) -> bool {
        let stored = *lock(&self.stored);
        stored.is_none_or(|(when, end)| self.end().0 != end || when.elapsed() >= long)
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        lock(&self.content)
    }
}

/// Makes a change to the states of an event, if it is newer; answers whether there is such
/// a seat.
pub(super) fn take_over(states: &mut [PackedState], change: &Change) -> bool {
    let index = usize::try_from(change.seat_no).unwrap_or(usize::MAX);
    let Some(state) = states.get_mut(index) else {
        tracing::error!(?change, "a seat has changed that its event does not have");
        return false;
    };
    // The map may have been read when this change could be seen already.
    if change.version > state.version() {
        *state = PackedState::new(change.version, change.status);
    }
    true
}

/// Nothing panics while it holds these locks, and what is in them is whole in any case.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::status::SeatStatus;
    use chrono::DateTime;

    fn change(transaction: u64, seat_no: SeatNo, version: i32, status: SeatStatus) -> Change {
        Change {
            event_id: EventId(1),
            transaction_id: TransactionId(transaction),
            id: 1,
            seat_no,
            version,
            status,
            changed_at: DateTime::UNIX_EPOCH,
        }
    }

    /// Three seats, as they were read at this position, and what is known of before.
    fn three_seats(at: Position, newest: &[Change]) -> LiveMap {
        let states = vec![PackedState::new(5, SeatStatus::Blocked); 3];
        let recent = RecentChanges::from_newest(3, newest, true, TransactionId(0), at);
        let content = Content::new(states, at, recent);
        LiveMap::new(1, (0, EventId(1)), content)
    }

    #[tokio::test]
    async fn an_older_version_never_replaces_a_newer_one() {
        let at = Position::before(TransactionId(10));
        let map = three_seats(at, &[]);
        // Read with the seats before, and now come through the feed; transactions are read
        // in the order of their numbers, which need not be that in which they had the seat.
        map.apply(&[
            change(11, 0, 4, SeatStatus::Held),
            change(12, 1, 7, SeatStatus::Available),
            change(13, 1, 6, SeatStatus::Held),
        ]);
        let excerpt = map.changed_from(0, &[], at);
        let told: Vec<_> = excerpt
            .states
            .iter()
            .map(|seat| (seat.seat_no, seat.version, seat.status))
            .collect();
        assert_eq!(
            told,
            [(0, 5, SeatStatus::Blocked), (1, 7, SeatStatus::Available)]
        );
        assert_eq!(excerpt.position.transaction, TransactionId(13));
        let later = Position::before(TransactionId(99));
        assert_eq!(map.all(later).position, later, "nothing has happened since");
    }

    #[tokio::test]
    async fn a_map_knows_what_happened_before_it_was_loaded() {
        let newest = [
            change(9, 2, 5, SeatStatus::Blocked),
            change(8, 1, 5, SeatStatus::Blocked),
        ];
        let at = Position::before(TransactionId(10));
        let map = three_seats(at, &newest);
        let since = |position| {
            let from = map.sequence_after(position).unwrap();
            let excerpt = map.changed_from(from, &[], at);
            excerpt
                .states
                .iter()
                .map(|seat| seat.seat_no)
                .collect::<Vec<_>>()
        };
        assert_eq!(since(Position::START), [1, 2]);
        assert_eq!(since(change(8, 1, 5, SeatStatus::Blocked).position()), [2]);
        assert!(since(at).is_empty());
    }
}
