//! Which seats of one event have changed lately, in the order of the feed.
//!
//! Each change is one seat number; its place in the order is its sequence number, which
//! counts all changes that this list has ever had. Marks say which place belongs to which
//! position of the feed, so that a cursor finds where to go on from.

use crate::db::changes::{Change, Position};
use crate::db::transaction_id::TransactionId;
use crate::model::ids::SeatNo;
use std::collections::VecDeque;

/// How many changes are kept of a small event. A crowd that reconnects after a restart
/// should find its cursors here.
pub(super) const FEWEST: usize = 4_096;
/// So many of the newest positions are known exactly, and of the older ones about so many:
/// 24 bytes each.
const EXACT_MARKS: usize = 256;
const OLD_MARKS: usize = 512;

/// The newest changes; old ones are forgotten.
#[derive(Debug)]
pub(super) struct RecentChanges {
    seats: VecDeque<SeatNo>,
    /// The sequence number of the first one.
    first: u64,
    marks: VecDeque<Mark>,
    capacity: usize,
}

/// All changes up to and including a position have lower sequence numbers than this.
#[derive(Clone, Copy, Debug)]
struct Mark {
    position: Position,
    sequence: u64,
}

impl RecentChanges {
    /// None yet, for an event of so many seats. `since` is a position from which on all
    /// changes will be pushed.
    pub(super) fn new(seats: usize, since: Position) -> Self {
        let start = Mark {
            position: since,
            sequence: 0,
        };
        Self {
            seats: VecDeque::new(),
            first: 0,
            marks: VecDeque::from([start]),
            capacity: Self::capacity(seats),
        }
    }

    /// Those of an event of so many seats. `newest` are its newest changes, newest first: all
    /// of them, or as many as were asked for. Before `pruned_before` some may be missing. Those
    /// after `position` are left out: they will be pushed.
    pub(super) fn from_newest(
        seats: usize,
        newest: &[Change],
        is_all: bool,
        pruned_before: TransactionId,
        position: Position,
    ) -> Self {
        let to_come = newest.partition_point(|change| change.position() > position);
        let (_, newest) = newest.split_at(to_come);
        let kept = Position::before(pruned_before);
        let pruned = newest.partition_point(|change| change.position() > kept);
        let (since, known) = match newest.split_at(pruned) {
            (known, []) if !is_all => match known.split_last() {
                // There may be others before the oldest one.
                Some((oldest, known)) => (oldest.position(), known),
                // Nor is anything known before the position.
                None => (position, known),
            },
            (known, _) => (kept, known),
        };
        let mut recent = Self::new(seats, since);
        for change in known.iter().rev() {
            recent.push(change.seat_no);
            recent.mark(change.position());
        }
        recent
    }

    /// How many changes are kept of an event of so many seats: one for each, because more
    /// than that are told shorter by the whole map.
    pub(super) fn capacity(seats: usize) -> usize {
        seats.max(FEWEST)
    }

    /// The sequence number that the next change will have.
    pub(super) fn end(&self) -> u64 {
        self.first + self.seats.len() as u64
    }

    /// Adds a change; positions only grow.
    pub(super) fn push(&mut self, seat_no: SeatNo) {
        if self.seats.len() == self.capacity {
            self.seats.pop_front();
            self.first += 1;
            while self
                .marks
                .front()
                .is_some_and(|mark| mark.sequence < self.first)
            {
                self.marks.pop_front();
            }
        }
        if self.seats.len() == self.seats.capacity() {
            // Twice as many, as any list, but never more than are kept.
            let room = self.capacity - self.seats.len();
            self.seats.reserve_exact(room.min(self.seats.len().max(64)));
        }
        self.seats.push_back(seat_no);
    }

    /// Says that what was pushed so far is all up to and including `position`.
    pub(super) fn mark(&mut self, position: Position) {
        let sequence = self.end();
        self.marks.push_back(Mark { position, sequence });
        // Whoever resumes between two old marks is told those after the first one once more.
        let Some(old) = self.marks.len().checked_sub(EXACT_MARKS + 1) else {
            return;
        };
        let span = self.capacity.div_ceil(OLD_MARKS) as u64;
        let before = old.checked_sub(1).and_then(|before| self.marks.get(before));
        if let (Some(before), Some(mark)) = (before, self.marks.get(old))
            && mark.sequence < before.sequence + span
        {
            self.marks.remove(old);
        }
    }

    /// From which sequence number on one has to read who knows everything up to and
    /// including `position`; `None` when some of that is forgotten.
    pub(super) fn after(&self, position: Position) -> Option<u64> {
        let later = self.marks.partition_point(|mark| mark.position <= position);
        let mark = self.marks.get(later.checked_sub(1)?)?;
        Some(mark.sequence)
    }

    /// The seats of the changes from a sequence number on, in the order of these; `None`
    /// when some of them are forgotten.
    pub(super) fn seats_from(&self, sequence: u64) -> Option<Vec<SeatNo>> {
        let skipped = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        Some(self.seats.iter().skip(skipped).copied().collect())
    }

    /// Whether all changes from this sequence number on are still known.
    pub(super) fn reaches_back_to(&self, sequence: u64) -> bool {
        sequence >= self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(transaction: u64) -> Position {
        Position {
            transaction: TransactionId(transaction),
            id: 7,
        }
    }

    /// Transaction `n` changes seat `n % 100`.
    fn changes(count: u64) -> RecentChanges {
        let mut recent = RecentChanges::new(100, position(0));
        for transaction in 1..=count {
            recent.push(i32::try_from(transaction % 100).unwrap());
            recent.mark(position(transaction));
        }
        recent
    }

    #[test]
    fn a_position_finds_what_came_after_it() {
        let recent = changes(10);
        let after = |transaction| {
            let from = recent.after(position(transaction)).unwrap();
            recent.seats_from(from).unwrap()
        };
        assert_eq!(after(0).len(), 10, "the first one after the start as well");
        assert!(after(10).is_empty());
        assert!(after(99).is_empty());
        assert_eq!(after(7), [8, 9, 10]);
    }

    #[test]
    fn old_cursors_are_told_some_changes_again_and_none_is_left_out() {
        let count = 3_000;
        let recent = changes(count);
        for transaction in 0..=count {
            let from = recent.after(position(transaction)).unwrap();
            assert!(from <= transaction, "{transaction}: {from}");
            assert!(transaction - from <= 8, "{transaction}: {from}");
        }
        let newest = count - 100;
        assert_eq!(recent.after(position(newest)), Some(newest));
    }

    /// A map was stored by a process that has come further than this one, and all newest
    /// changes are still to come here.
    #[test]
    fn of_what_lies_before_its_beginning_nothing_is_known() {
        let start = TransactionId(1);
        let here = position(50);
        let recent = RecentChanges::from_newest(100, &[], false, start, here);
        assert_eq!(recent.after(position(40)), None);
        assert_eq!(recent.after(here), Some(0));
        let recent = RecentChanges::from_newest(100, &[], true, start, here);
        assert_eq!(recent.after(position(40)), Some(0), "there was nothing");
    }

    #[test]
    fn what_is_forgotten_is_never_taken_for_nothing() {
        let recent = changes(3 * FEWEST as u64);
        assert_eq!(recent.after(position(0)), None);
        assert_eq!(recent.seats_from(0), None);
        assert!(!recent.reaches_back_to(0));
        let old = position(2 * FEWEST as u64 - 2);
        assert_eq!(recent.after(old), None, "just forgotten");
        let kept = 2 * FEWEST as u64 + 8;
        let from = recent.after(position(kept)).unwrap();
        assert!(from <= kept, "nothing after it is left out");
        assert!(recent.seats_from(from).is_some());
        assert!(recent.marks.len() <= EXACT_MARKS + OLD_MARKS + 2);
        assert_eq!(recent.seats.capacity(), FEWEST, "four bytes for each");
    }
}
