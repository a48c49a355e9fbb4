//! The beat in which the watchers of one map are told what has changed.
//!
//! A change that comes when all is quiet is told at once. While watchers are still busy
//! with the last tick, changes gather for the next one: a thousand watchers of a busy
//! event get fewer, larger messages, and no message waits for the slowest of them.

use crate::feed::seat_map::SnapshotReason;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

/// Two ticks are at least this far apart.
const SHORTEST: Duration = Duration::from_millis(5);
/// However slow the watchers are, the others wait no longer than this.
const LONGEST: Duration = Duration::from_millis(25);

/// How far the watchers of a map have been told to look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tick {
    /// Which tick it is.
    pub(super) number: u64,
    /// All changes of lower sequence numbers are to be told.
    pub(super) end: u64,
    /// Why the map is given up: whoever watches it needs a new one.
    pub(super) lost: Option<SnapshotReason>,
}

/// The beat of one map.
#[derive(Debug)]
pub(super) struct Ticks {
    sender: watch::Sender<Tick>,
    changed: Notify,
    /// How many have taken the newest tick, and how many took the one before.
    taken: AtomicUsize,
    expected: AtomicUsize,
    enough_taken: Notify,
}

impl Ticks {
    /// A beat that begins when all changes below `end` have been told.
    pub(super) fn new(end: u64) -> Self {
        let tick = Tick {
            end,
            ..Tick::default()
        };
        Self {
            sender: watch::Sender::new(tick),
            changed: Notify::new(),
            taken: AtomicUsize::new(0),
            expected: AtomicUsize::new(0),
            enough_taken: Notify::new(),
        }
    }

    /// Says that there is something to tell.
    pub(super) fn note_change(&self) {
        self.changed.notify_one();
    }

    /// Gives the map up.
    pub(super) fn give_up(&self, reason: SnapshotReason) {
        self.sender.send_modify(|tick| tick.lost = Some(reason));
    }

    /// The newest tick, and those that will come.
    pub(super) fn subscribe(&self) -> watch::Receiver<Tick> {
        self.sender.subscribe()
    }

    /// The newest tick.
    pub(super) fn newest(&self) -> Tick {
        *self.sender.borrow()
    }

    /// How many watch.
    pub(super) fn watchers(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Says that a watcher is done with this tick.
    pub(super) fn take(&self, number: u64) {
        if number != self.newest().number {
            return;
        }
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        if taken >= self.enough() {
            self.enough_taken.notify_one();
        }
    }

    /// Nine tenths of those who were in step: one of ten may be slow without slowing the
    /// others.
    fn enough(&self) -> usize {
        self.expected.load(Ordering::Relaxed) * 9 / 10
    }

    /// Beats for good; `end` says up to where there is something to tell.
    pub(super) async fn beat(self: Arc<Self>, end: impl Fn() -> Option<u64>) {
        loop {
            self.changed.notified().await;
            let Some(end) = end() else { return };
            self.tick(end);
            let latest = Instant::now() + LONGEST;
            sleep(SHORTEST).await;
            while self.taken.load(Ordering::Relaxed) < self.enough() {
                // Another tick's late permit wakes it for nothing: hence the loop.
                if timeout_at(latest, self.enough_taken.notified())
                    .await
                    .is_err()
                {
                    break;
                }
            }
        }
    }

    fn tick(&self, end: u64) {
        let taken = self.taken.swap(0, Ordering::Relaxed);
        self.expected.store(taken, Ordering::Relaxed);
        self.sender.send_modify(|tick| {
            tick.number += 1;
            tick.end = end;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// A beat with a clock of its own, and what there is to tell.
    fn beating() -> (Arc<Ticks>, Arc<AtomicU64>) {
        let ticks = Arc::new(Ticks::new(0));
        let end = Arc::new(AtomicU64::new(0));
        let shown = Arc::clone(&end);
        tokio::spawn(Arc::clone(&ticks).beat(move || Some(shown.load(Ordering::Relaxed))));
        (ticks, end)
    }

    async fn next(ticks: &mut watch::Receiver<Tick>) -> Tick {
        ticks.changed().await.unwrap();
        *ticks.borrow_and_update()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_in_a_quiet_time_is_told_at_once_and_the_next_ones_together() {
        let (ticks, end) = beating();
        let mut watcher = ticks.subscribe();
        let began = Instant::now();
        end.store(1, Ordering::Relaxed);
        ticks.note_change();
        assert_eq!(next(&mut watcher).await.end, 1);
        assert_eq!(began.elapsed(), Duration::ZERO);
        for changes in 2..=9 {
            end.store(changes, Ordering::Relaxed);
            ticks.note_change();
        }
        assert_eq!(next(&mut watcher).await.end, 9);
        assert_eq!(began.elapsed(), SHORTEST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_tick_waits_for_nine_of_ten_watchers_and_no_longer_than_a_bound() {
        let (ticks, _) = beating();
        let mut watcher = ticks.subscribe();
        ticks.note_change();
        let first = next(&mut watcher).await;
        for _ in 0..10 {
            ticks.take(first.number);
        }
        ticks.note_change();
        let second = next(&mut watcher).await;
        let began = Instant::now();
        ticks.note_change();
        for _ in 0..8 {
            ticks.take(second.number);
        }
        let meanwhile = Duration::from_millis(10);
        sleep(meanwhile).await;
        assert!(!watcher.has_changed().unwrap(), "two of ten are still busy");
        ticks.take(second.number);
        next(&mut watcher).await;
        assert_eq!(began.elapsed(), meanwhile);

        // Nobody takes the third one.
        ticks.note_change();
        next(&mut watcher).await;
        assert_eq!(began.elapsed(), meanwhile + LONGEST);
    }
}
