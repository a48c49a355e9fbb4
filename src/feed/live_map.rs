//! The map of one event in memory: status and version of every seat, what has changed
//! lately, and the position of the feed that it is at.
//!
//! It costs 4 bytes a seat for the state and up to 4 for the newest changes, beside some
//! 40 KiB that do not depend on the event.

use crate::db::changes::{Change, Position};
use crate::db::seats::SeatState;
use crate::db::transaction_id::TransactionId;
use crate::feed::recent_changes::RecentChanges;
use crate::feed::ticks::Ticks;
use crate::model::cursor::{Cursor, CursorKind};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::SeatStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// A seat's version and status in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PackedState(u32);

impl PackedState {
    fn new(version: i32, status: SeatStatus) -> Self {
        let status = match status {
            SeatStatus::Available => 0,
            SeatStatus::Held => 1,
            SeatStatus::Booked => 2,
            SeatStatus::Blocked => 3,
        };
        Self(version.cast_unsigned() << 2 | status)
    }

    fn version(self) -> i32 {
        (self.0 >> 2).cast_signed()
    }

    fn status(self) -> SeatStatus {
        match self.0 & 3 {
            0 => SeatStatus::Available,
            1 => SeatStatus::Held,
            2 => SeatStatus::Booked,
            _ => SeatStatus::Blocked,
        }
    }
}

/// A map that the follower keeps up to date.
#[derive(Debug)]
pub(super) struct LiveMap {
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
    _beat: AbortOnDropHandle<()>,
}

/// What is in a map.
#[derive(Debug)]
pub(super) struct Content {
    states: Vec<PackedState>,
    recent: RecentChanges,
    /// That of the newest change.
    position: Position,
}

/// A part of a map, and where it was taken.
#[derive(Clone, Debug)]
pub(super) struct Excerpt {
    pub(super) states: Vec<SeatState>,
    /// What comes later has this sequence number or a higher one.
    pub(super) end: u64,
    pub(super) position: Position,
}

impl Content {
    /// A map of these seats, which are those of an event in the plan's order, read when all
    /// changes up to and including `position` could be seen. `newest` are changes before
    /// that, newest first, as many as `RecentChanges::capacity` or all that there are from
    /// `kept` on.
    pub(super) fn new(
        seats: &[SeatState],
        position: Position,
        newest: &[Change],
        kept: Position,
    ) -> Self {
        let states = seats
            .iter()
            .map(|seat| PackedState::new(seat.version, seat.status))
            .collect::<Vec<_>>();
        let is_whole = newest.len() < RecentChanges::capacity(states.len());
        let pruned = newest.partition_point(|change| change.position() > kept);
        let (newest, is_whole) = match newest.split_at(pruned) {
            (newest, []) => (newest, is_whole),
            (newest, _) => (newest, true),
        };
        let (since, newest) = match newest.split_last() {
            // There may be others before the oldest one.
            Some((oldest, newest)) if !is_whole => (oldest.position(), newest),
            _ => (kept, newest),
        };
        let mut recent = RecentChanges::new(states.len(), since);
        for change in newest.iter().rev() {
            recent.push(change.seat_no);
            recent.mark(change.position());
        }
        Self {
            states,
            recent,
            position,
        }
    }

    /// Takes over changes that come next in the feed.
    pub(super) fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let index = usize::try_from(change.seat_no).unwrap_or(usize::MAX);
            let Some(state) = self.states.get_mut(index) else {
                tracing::error!(?change, "a seat has changed that its event does not have");
                continue;
            };
            // The map may have been read when this change could be seen already.
            if change.version > state.version() {
                *state = PackedState::new(change.version, change.status);
            }
            self.recent.push(change.seat_no);
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
    /// A map with this content. Must be made on the runtime: it starts its beat.
    pub(super) fn new(serial: u64, (epoch, event): (i64, EventId), content: Content) -> Self {
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
            _beat: AbortOnDropHandle::new(tokio::spawn(beat)),
        }
    }

    /// Takes over changes that come next in the feed.
    pub(super) fn apply(&self, changes: &[Change]) {
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
    pub(super) fn changed_from(
        &self,
        sequence: u64,
        also: &[SeatNo],
        at_least: Position,
    ) -> Excerpt {
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
    pub(super) fn end(&self) -> (u64, Position) {
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

    fn content(&self) -> MutexGuard<'_, Content> {
        lock(&self.content)
    }
}

/// Nothing panics while it holds these locks, and what is in them is whole in any case.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn three_seats() -> Vec<SeatState> {
        (0..3)
            .map(|seat_no| SeatState {
                seat_no,
                version: 5,
                status: SeatStatus::Blocked,
            })
            .collect()
    }

    #[test]
    fn a_state_survives_being_packed() {
        use SeatStatus::{Available, Blocked, Booked, Held};
        for status in [Available, Held, Booked, Blocked] {
            for version in [1, 2, 1 << 29] {
                let packed = PackedState::new(version, status);
                assert_eq!((packed.version(), packed.status()), (version, status));
            }
        }
    }

    #[tokio::test]
    async fn an_older_version_never_replaces_a_newer_one() {
        let at = Position::before(TransactionId(10));
        let map = LiveMap::new(
            1,
            (0, EventId(1)),
            Content::new(&three_seats(), at, &[], Position::START),
        );
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
        let map = LiveMap::new(
            1,
            (0, EventId(1)),
            Content::new(&three_seats(), at, &newest, Position::START),
        );
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
