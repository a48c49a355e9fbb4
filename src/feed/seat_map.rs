//! What is told about a map: to whoever asks for it, and to whoever watches it.

use crate::db::changes::Position;
use crate::db::seats::SeatState;
use crate::db::transaction_id::TransactionId;
use crate::feed::live_map::LiveMap;
use crate::feed::watcher::Reached;
use crate::feed::{Feed, FeedError};
use crate::model::cursor::Cursor;
use crate::model::ids::EventId;
use std::sync::Arc;
use std::time::Duration;

/// Every seat of an event, as it was at a cursor or later.
#[derive(Clone, Debug)]
pub struct SeatMap {
    /// Deltas after this lead from the map to any later one.
    pub cursor: Cursor,
    /// Which of the map's states it is.
    pub edition: Edition,
    /// In the plan's order.
    pub seats: Vec<SeatState>,
}

/// A state of a map of this process. In two maps of the same edition every seat is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edition {
    map: u64,
    end: u64,
}

/// A map that shows what it was asked to, of which nothing was copied yet.
pub struct ReadyMap {
    feed: Feed,
    map: Arc<LiveMap>,
}

/// What a watcher is told.
#[derive(Clone, Debug)]
pub enum SeatMapMessage {
    /// The whole map: forget what was before.
    Snapshot {
        /// Why it is sent.
        reason: SnapshotReason,
        /// The map.
        map: SeatMap,
    },
    /// Seats that have changed since the message before.
    Delta {
        /// Where the watcher is when it has applied this.
        cursor: Cursor,
        /// Each seat once, at its newest, in the plan's order.
        changes: Vec<SeatState>,
    },
}

/// Why a whole map is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotReason {
    /// The watcher asked for one, by giving no cursor.
    Subscribed,
    /// What came after the cursor is not in the feed any more.
    CursorTooOld,
    /// The cursor is of another database, another event, or of the future; or the follower did
    /// not come that far in time.
    CursorUnknown,
    /// The cursor came with a mutation, not with a map: what was running beside
    /// the mutation would be missed after it.
    CursorOfMutation,
    /// The watcher read so slowly that what it has missed is told shorter by the whole map.
    FellBehind,
    /// So many resume at once that what each of them has missed cannot be looked up in time.
    Busy,
}

impl Feed {
    /// The map of an event. It shows what this process has told anybody, unless the feed is
    /// held back for longer than `FeedSettings::own_changes_wait`; with `at_least` it shows
    /// the change that this cursor stands for.
    ///
    /// # Errors
    /// [`FeedError::NotReached`] when that takes too long or cannot be;
    /// [`FeedError::ForeignCursor`] when no map of this event ever will;
    /// [`FeedError::TooManySeats`] when there is no room for the map; otherwise when the
    /// database cannot be read.
    pub async fn seat_map(
        &self,
        event: EventId,
        at_least: Option<Cursor>,
    ) -> Result<SeatMap, FeedError> {
        Ok(self.ready_map(event, at_least).await?.copy())
    }

    /// The same, for whoever may not need all of its seats.
    ///
    /// # Errors
    /// As [`Feed::seat_map`].
    pub async fn ready_map(
        &self,
        event: EventId,
        at_least: Option<Cursor>,
    ) -> Result<ReadyMap, FeedError> {
        let wanted = at_least
            .map(|cursor| self.position_of(event, cursor))
            .transpose()?;
        let map = self.map(event).await?;
        if let Some(wanted) = wanted
            && !self.reach_or_rule_out(wanted).await
        {
            return Err(FeedError::NotReached);
        }
        if let Some(own) = map.announced() {
            // Shown as it is when this takes too long: nobody asked for more.
            let patience = self.shared.settings.own_changes_wait;
            self.reach(Position::after(own), patience).await;
        }
        Ok(ReadyMap::new(self.clone(), map))
    }

    /// The position that a map must have come to, to be at least at this cursor.
    pub(super) fn position_of(
        &self,
        event: EventId,
        cursor: Cursor,
    ) -> Result<Position, FeedError> {
        if cursor.event != event || cursor.epoch != self.shared.maps.epoch() {
            return Err(FeedError::ForeignCursor);
        }
        Ok(Position {
            transaction: TransactionId(cursor.transaction),
            id: cursor.id,
        })
    }

    /// Waits until the follower has come to a position; answers whether it has.
    async fn reach(&self, wanted: Position, patience: Duration) -> bool {
        let mut progress = self.shared.maps.subscribe();
        if progress.borrow_and_update().has_reached(wanted) {
            return true;
        }
        // The news of it may be on its way, or lost.
        self.wake_follower();
        let reached = progress.wait_for(|progress| progress.has_reached(wanted));
        tokio::time::timeout(patience, reached)
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// Waits until the follower has come to a position; not when it is one of the future,
    /// where no process has been. Answers whether it has.
    pub(super) async fn reach_or_rule_out(&self, wanted: Position) -> bool {
        let mut progress = self.shared.maps.subscribe();
        let before = *progress.borrow_and_update();
        if before.has_reached(wanted) {
            return true;
        }
        let is_there = async {
            let mut has_looked = false;
            loop {
                if !has_looked {
                    self.wake_follower();
                }
                if progress.changed().await.is_err() {
                    return false;
                }
                let now = *progress.borrow_and_update();
                // The round that was under way may have begun before the cursor was made.
                has_looked = now.rounds >= before.rounds + 2;
                let is_there = now.has_reached(wanted);
                if is_there || (has_looked && now.next < wanted.transaction) {
                    return is_there;
                }
            }
        };
        let patience = self.shared.settings.cursor_timeout;
        tokio::time::timeout(patience, is_there)
            .await
            .unwrap_or(false)
    }

    /// How far the follower has come, for a map of its feed.
    pub(super) fn position_at_least(&self, map: &LiveMap) -> Position {
        let progress = self.shared.maps.progress();
        if progress.epoch == map.epoch {
            progress.position
        } else {
            Position::START
        }
    }
}

impl ReadyMap {
    pub(super) fn new(feed: Feed, map: Arc<LiveMap>) -> Self {
        Self { feed, map }
    }

    /// Which of its states it is in, as of now.
    pub fn edition(&self) -> Edition {
        let (end, _) = self.map.end();
        Edition {
            map: self.map.serial,
            end,
        }
    }

    /// Every seat, as of now.
    pub fn copy(&self) -> SeatMap {
        let excerpt = self.map.all(self.feed.position_at_least(&self.map));
        SeatMap {
            cursor: self.map.cursor(excerpt.position),
            edition: Edition {
                map: self.map.serial,
                end: excerpt.end,
            },
            seats: excerpt.states,
        }
    }
}

impl Edition {
    /// How far a message tells that is made of it.
    pub fn reached(self) -> Reached {
        Reached(self.end)
    }
}
