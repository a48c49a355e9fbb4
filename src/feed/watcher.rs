//! Somebody who watches a map: first the whole of it, or what has changed since a cursor,
//! and then what changes.
//!
//! ```text
//!   take part in the ticks ──► the map, at a sequence number ──► what came from there on …
//!                              └── or the cursor's number ─────► what came from there on …
//! ```
//!
//! A watcher is no queue. It keeps the number up to which it has been told everything, and
//! what it is due is looked up when it asks: one that is slow gets fewer, larger deltas,
//! and costs no memory meanwhile. Watchers that are due the same can share one message
//! ([`Due::key`]).

use crate::db::changes;
use crate::db::{Connection, DatabaseUnavailable};
use crate::feed::live_map::LiveMap;
use crate::feed::seat_map::{ReadyMap, SeatMapMessage, SnapshotReason};
use crate::feed::ticks::Tick;
use crate::feed::{Feed, FeedError, Shared};
use crate::model::cursor::{Cursor, CursorKind};
use crate::model::ids::{EventId, SeatNo};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a watcher that comes back waits for its turn at the database. Then it is shown the
/// whole map.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(1);

/// Watches the map of one event.
pub struct MapWatcher {
    feed: Feed,
    map: Arc<LiveMap>,
    ticks: watch::Receiver<Tick>,
    /// The last tick that it was due something for, and the last one that it is done with.
    taken: u64,
    done: u64,
    next: What,
}

/// What a watcher is to be told next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    /// The whole map.
    Snapshot(SnapshotReason),
    /// What has changed from this sequence number on.
    ChangesFrom(u64),
    /// These seats, which had to be asked of the database, and what has changed from this
    /// sequence number on.
    SeatsAndChangesFrom(Vec<SeatNo>, u64),
}

/// Something that a watcher is to be told now.
pub struct Due {
    feed: Feed,
    map: Arc<LiveMap>,
    tick: u64,
    what: What,
}

/// Watchers that are due the same have the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DueKey {
    map: u64,
    tick: u64,
    /// Nothing for the whole map.
    what: Option<What>,
}

/// How far a message tells.
#[derive(Clone, Copy, Debug)]
pub struct Reached(pub(super) u64);

impl Feed {
    /// Watches the map of an event: from the beginning for this reason.
    ///
    /// # Errors
    /// As [`Feed::seat_map`].
    pub async fn watch_anew(
        &self,
        event: EventId,
        reason: SnapshotReason,
    ) -> Result<MapWatcher, FeedError> {
        let map = self.map(event).await?;
        Ok(self.watcher(map, What::Snapshot(reason)))
    }

    /// Watches the map of an event: what changes from now on, and nothing else.
    ///
    /// # Errors
    /// As [`Feed::seat_map`].
    pub async fn watch_changes(&self, event: EventId) -> Result<MapWatcher, FeedError> {
        let map = self.map(event).await?;
        let (end, _) = map.end();
        Ok(self.watcher(map, What::ChangesFrom(end)))
    }

    /// Watches the map of an event: the whole of it, and then what changes; with `after`,
    /// what has changed since then, if the feed still has that.
    ///
    /// # Errors
    /// As [`Feed::seat_map`].
    pub async fn watch(
        &self,
        event: EventId,
        after: Option<Cursor>,
    ) -> Result<MapWatcher, FeedError> {
        let map = self.map(event).await?;
        let next = match self.resume(&map, after).await? {
            Ok(next) => next,
            Err(reason) => What::Snapshot(reason),
        };
        Ok(self.watcher(map, next))
    }

    fn watcher(&self, map: Arc<LiveMap>, next: What) -> MapWatcher {
        let ticks = map.ticks.subscribe();
        let taken = ticks.borrow().number;
        MapWatcher {
            feed: self.clone(),
            map,
            ticks,
            taken,
            done: taken,
            next,
        }
    }

    /// Where to go on from, or why a whole map is needed.
    async fn resume(
        &self,
        map: &LiveMap,
        after: Option<Cursor>,
    ) -> Result<Result<What, SnapshotReason>, FeedError> {
        let Some(cursor) = after else {
            return Ok(Err(SnapshotReason::Subscribed));
        };
        let Ok(position) = self.position_of(map.event, cursor) else {
            return Ok(Err(SnapshotReason::CursorUnknown));
        };
        // Another process may have come further than this one.
        if !self.reach_or_rule_out(position).await {
            return Ok(Err(SnapshotReason::CursorUnknown));
        }
        if cursor.kind == CursorKind::Change {
            return Ok(Err(SnapshotReason::CursorOfMutation));
        }
        if let Some(sequence) = map.sequence_after(position) {
            return Ok(Ok(What::ChangesFrom(sequence)));
        }
        let Some(mut connection) = self.connection_for_catching_up().await? else {
            return Ok(Err(SnapshotReason::Busy));
        };
        // After whatever was waited for: the map has gone on meanwhile.
        let (end, up_to) = map.end();
        let seats =
            changes::seats_changed_after(&mut connection, map.event, position, up_to).await?;
        Ok(match seats {
            Some(seats) => Ok(What::SeatsAndChangesFrom(seats, end)),
            None => Err(SnapshotReason::CursorTooOld),
        })
    }

    /// For looking up what a watcher has missed; nothing when too many ask for that. After a
    /// restart all watchers may: the whole map, which is in memory and of which one message does
    /// for all of them, is then the shorter way.
    async fn connection_for_catching_up(&self) -> Result<Option<Connection>, DatabaseUnavailable> {
        let Shared {
            database,
            catch_ups,
            ..
        } = &*self.shared;
        let connection = database.connection_at_one_of(catch_ups);
        match timeout(CATCH_UP_PATIENCE, connection).await {
            Ok(Ok(connection)) => Ok(Some(connection)),
            Ok(Err(DatabaseUnavailable::Busy)) | Err(_) => {
                metrics::counter!("usher_catch_ups_given_up_total").increment(1);
                Ok(None)
            }
            Ok(Err(error @ DatabaseUnavailable::Unreachable(_))) => Err(error),
        }
    }
}

impl MapWatcher {
    /// Whose map it is.
    pub fn event(&self) -> EventId {
        self.map.event
    }

    /// Waits until there is something to tell.
    ///
    /// # Errors
    /// The reason why this map is given up: the event has to be watched anew.
    pub async fn due(&mut self) -> Result<Due, SnapshotReason> {
        loop {
            let tick = *self.ticks.borrow_and_update();
            if let Some(reason) = tick.lost {
                return Err(reason);
            }
            if let What::ChangesFrom(sequence) = self.next {
                // Asking again means that the last message has been taken.
                if self.taken == tick.number && self.done != tick.number {
                    self.done = tick.number;
                    self.map.ticks.take(tick.number);
                }
                if sequence >= tick.end {
                    self.taken = tick.number;
                    if self.ticks.changed().await.is_err() {
                        return Err(SnapshotReason::FellBehind);
                    }
                    continue;
                }
                if tick.number > self.taken + 1 {
                    metrics::counter!("usher_watcher_skipped_ticks_total")
                        .increment(tick.number - self.taken - 1);
                }
                if !self.map.reaches_back_to(sequence) {
                    metrics::counter!("usher_watchers_fell_behind_total").increment(1);
                    self.next = What::Snapshot(SnapshotReason::FellBehind);
                }
            }
            self.taken = tick.number;
            return Ok(Due {
                feed: self.feed.clone(),
                map: Arc::clone(&self.map),
                tick: tick.number,
                what: self.next.clone(),
            });
        }
    }

    /// Waits until there is something to tell that is about one of these seats.
    ///
    /// # Errors
    /// As [`MapWatcher::due`].
    pub async fn due_about(&mut self, seats: &[SeatNo]) -> Result<(), SnapshotReason> {
        loop {
            let due = self.due().await?;
            let (message, reached) = due.message();
            self.advance(reached);
            let told = match &message {
                SeatMapMessage::Snapshot { .. } => return Ok(()),
                SeatMapMessage::Delta { changes, .. } => changes,
            };
            if told.iter().any(|seat| seats.contains(&seat.seat_no)) {
                return Ok(());
            }
        }
    }

    /// Takes note that what was due has been told.
    pub fn advance(&mut self, reached: Reached) {
        self.next = What::ChangesFrom(reached.0);
    }
}

impl Due {
    /// Tells who is due the same message.
    pub fn key(&self) -> DueKey {
        DueKey {
            what: Some(self.what.clone()),
            ..self.key_of_map()
        }
    }

    /// Tells who is due the same map.
    pub fn key_of_map(&self) -> DueKey {
        DueKey {
            map: self.map.serial,
            tick: self.tick,
            what: None,
        }
    }

    /// The whole map, for whoever may not need all of its seats.
    pub fn map(&self) -> ReadyMap {
        ReadyMap::new(self.feed.clone(), Arc::clone(&self.map))
    }

    /// What to tell, as of now, and how far that tells.
    pub fn message(&self) -> (SeatMapMessage, Reached) {
        let (sequence, also) = match &self.what {
            What::Snapshot(reason) => {
                let map = self.map().copy();
                let (reason, reached) = (*reason, map.edition.reached());
                return (SeatMapMessage::Snapshot { reason, map }, reached);
            }
            What::ChangesFrom(sequence) => (*sequence, &[][..]),
            What::SeatsAndChangesFrom(seats, sequence) => (*sequence, &seats[..]),
        };
        let at = self.feed.position_at_least(&self.map);
        let excerpt = self.map.changed_from(sequence, also, at);
        let delta = SeatMapMessage::Delta {
            cursor: self.map.cursor(excerpt.position),
            changes: excerpt.states,
        };
        (delta, Reached(excerpt.end))
    }
}
