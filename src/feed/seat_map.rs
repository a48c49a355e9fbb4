//! The map of one event: as it is, and as it changes.
//!
//! ```text
//!   register for news ──► tip (a cursor) ──► snapshot ──► deltas after the tip …
//!                         └── or the client's cursor ───► deltas after it …
//! ```
//!
//! The tip is read before the snapshot, so the snapshot may show changes that
//! come again as deltas: versions make the second time a no-op. The other order
//! would leave a gap.

use crate::db::changes::{self, Change, FeedState, Page};
use crate::db::seats::{self, SeatState};
use crate::db::transaction_id::TransactionId;
use crate::feed::{Feed, FeedError};
use crate::model::causes::in_full;
use crate::model::cursor::{Cursor, CursorKind};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::SeatStatus;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::Stream;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Changes that are read at once.
const PAGE: usize = 5_000;
/// How long until a change that a running transaction holds back is looked for
/// again, when nothing is heard before that.
const HELD_BACK: Duration = Duration::from_millis(20);
/// How long a map waits for the cursor that it should be at least at.
const REACH_TIMEOUT: Duration = Duration::from_secs(2);

/// Every seat of an event, at least as new as the cursor says.
#[derive(Clone, Debug)]
pub struct SeatMap {
    /// Deltas after this lead from the map to any later one.
    pub cursor: Cursor,
    /// In the plan's order.
    pub seats: Vec<SeatState>,
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
        /// Each seat once, at its newest.
        changes: Vec<SeatChange>,
    },
}

/// Why a whole map is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotReason {
    /// The watcher asked for one, by giving no cursor.
    Subscribed,
    /// What came after the cursor is not in the feed any more.
    CursorTooOld,
    /// The cursor is of another database, another event, or of the future.
    CursorUnknown,
    /// The cursor came with a mutation, not with a map: what was running beside
    /// the mutation would be missed after it.
    CursorOfMutation,
}

/// A seat that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatChange {
    /// Which seat.
    pub seat_no: SeatNo,
    /// The status it came to.
    pub status: SeatStatus,
    /// The version it came to.
    pub version: i32,
}

impl Feed {
    /// The map of an event as it is; with `at_least`, as it is when the change
    /// that this cursor stands for can be seen.
    ///
    /// # Errors
    /// [`FeedError::NotReached`] when that takes too long or cannot be;
    /// otherwise when the database cannot be read.
    pub async fn seat_map(
        &self,
        event: EventId,
        at_least: Option<Cursor>,
    ) -> Result<SeatMap, FeedError> {
        if let Some(cursor) = at_least {
            self.reach(event, cursor).await?;
        }
        let mut connection = self.shared.database.connection().await?;
        let tip = changes::state(&mut connection).await?;
        let seats = seats::load_all(&mut connection, event).await?;
        Ok(SeatMap {
            cursor: tip_cursor(event, tip),
            seats,
        })
    }

    async fn reach(&self, event: EventId, cursor: Cursor) -> Result<(), FeedError> {
        if cursor.event != event || cursor.epoch != self.epoch() {
            return Err(FeedError::ForeignCursor);
        }
        let deadline = Instant::now() + REACH_TIMEOUT;
        let mut news = self.shared.news.subscribe();
        loop {
            news.mark_unchanged();
            let mut connection = self.shared.database.connection().await?;
            let transaction = TransactionId(cursor.transaction);
            let reached = match cursor.kind {
                CursorKind::Change => changes::is_visible(&mut connection, transaction).await?,
                CursorKind::Map => changes::state(&mut connection).await?.horizon >= transaction,
            };
            drop(connection);
            if reached {
                return Ok(());
            }
            tokio::select! {
                _ = news.changed() => {}
                () = tokio::time::sleep(HELD_BACK) => {}
                () = tokio::time::sleep_until(deadline) => return Err(FeedError::NotReached),
            }
        }
    }

    /// The map of an event and then its changes, for as long as anybody reads.
    /// With `after`, the changes since then and no map, if the feed still has them.
    ///
    /// Nothing is read before the watcher has taken the last message: one that
    /// is slow gets fewer, larger deltas, and costs no memory meanwhile. While
    /// the database is away the stream waits; it never skips.
    pub fn watch_seat_map(
        &self,
        event: EventId,
        after: Option<Cursor>,
    ) -> impl Stream<Item = Result<SeatMapMessage, FeedError>> + Send + use<> {
        let feed = self.clone();
        async_stream::try_stream! {
            let mut news = feed.shared.news.subscribe();
            news.mark_unchanged();
            let mut cursor = match feed.resume(event, after).await? {
                Ok(cursor) => cursor,
                Err(reason) => {
                    let map = feed.seat_map(event, None).await?;
                    let cursor = map.cursor;
                    yield SeatMapMessage::Snapshot { reason, map };
                    cursor
                }
            };
            loop {
                let page = feed.next_page(cursor).await;
                let full = page.changes.len() == PAGE;
                if let Some(last) = page.changes.last() {
                    cursor.transaction = last.transaction_id.0;
                    cursor.id = last.id;
                    let changes = newest_per_seat(&page.changes);
                    yield SeatMapMessage::Delta { cursor, changes };
                }
                if full {
                    continue;
                }
                if page.more {
                    // An error of the timer means nothing but "read again".
                    let _ = tokio::time::timeout(HELD_BACK, news.changed()).await;
                } else if news.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// Where to go on from, or why a whole map is needed.
    async fn resume(
        &self,
        event: EventId,
        after: Option<Cursor>,
    ) -> Result<Result<Cursor, SnapshotReason>, FeedError> {
        let Some(cursor) = after else {
            return Ok(Err(SnapshotReason::Subscribed));
        };
        let state = changes::state(&mut *self.shared.database.connection().await?).await?;
        let transaction = TransactionId(cursor.transaction);
        Ok(if cursor.kind == CursorKind::Change {
            Err(SnapshotReason::CursorOfMutation)
        } else if cursor.event != event || cursor.epoch != state.epoch || transaction > state.next {
            Err(SnapshotReason::CursorUnknown)
        } else if transaction < state.pruned_before {
            Err(SnapshotReason::CursorTooOld)
        } else {
            Ok(cursor)
        })
    }

    /// The changes after `cursor`; waits for the database as long as it takes.
    async fn next_page(&self, cursor: Cursor) -> Page {
        let mut pauses: Option<ExponentialBackoff> = None;
        loop {
            match self.try_page(cursor).await {
                Ok(page) => return page,
                Err(error) => {
                    let pauses = pauses.get_or_insert_with(|| {
                        tracing::warn!(
                            error = in_full(&error),
                            "a watcher waits for the change feed"
                        );
                        patience().build()
                    });
                    tokio::time::sleep(pauses.next().unwrap_or(MAX_PAUSE)).await;
                }
            }
        }
    }

    async fn try_page(&self, cursor: Cursor) -> Result<Page, FeedError> {
        let mut connection = self.shared.database.connection().await?;
        let position = (TransactionId(cursor.transaction), cursor.id);
        Ok(changes::page_after(&mut connection, cursor.event, position, PAGE).await?)
    }
}

const MAX_PAUSE: Duration = Duration::from_secs(2);

fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(MAX_PAUSE)
        .without_max_times()
        .with_jitter()
}

/// Before every change of the first transaction that had not ended: all earlier
/// ones are in what is read from now on.
fn tip_cursor(event: EventId, state: FeedState) -> Cursor {
    Cursor {
        kind: CursorKind::Map,
        epoch: state.epoch,
        event,
        transaction: state.horizon.0,
        id: 0,
    }
}

/// Each seat once, at its newest, in the order in which they came to that.
fn newest_per_seat(changes: &[Change]) -> Vec<SeatChange> {
    let newest: HashMap<SeatNo, i32> = changes.iter().fold(HashMap::new(), |mut newest, change| {
        let version: &mut i32 = newest.entry(change.seat_no).or_default();
        *version = change.version.max(*version);
        newest
    });
    changes
        .iter()
        .filter(|change| newest.get(&change.seat_no) == Some(&change.version))
        .map(|change| SeatChange {
            seat_no: change.seat_no,
            status: change.status,
            version: change.version,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_has_each_seat_once_at_its_newest() {
        let change = |id, seat_no, version, status| Change {
            transaction_id: TransactionId(7),
            id,
            seat_no,
            version,
            status,
        };
        // Transactions are read in the order of their numbers, which need not
        // be the order in which they had the seat.
        let changes = [
            change(1, 4, 3, SeatStatus::Available),
            change(2, 5, 2, SeatStatus::Held),
            change(3, 4, 2, SeatStatus::Held),
        ];
        let seats: Vec<_> = newest_per_seat(&changes)
            .iter()
            .map(|seat| (seat.seat_no, seat.version))
            .collect();
        assert_eq!(seats, [(4, 3), (5, 2)]);
    }
}
