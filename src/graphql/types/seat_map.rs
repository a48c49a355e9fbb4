//! The map of an event, and what its watchers are told. Lists of seats and their
//! compact form are made only for who selects them.

use crate::db::seats::SeatState;
use crate::domain::event_view::EventView;
use crate::feed;
use crate::graphql::errors::ApiResult;
use crate::graphql::input::FeedCursor;
use crate::graphql::seats_shown;
use crate::graphql::types::compact_seats::CompactSeats;
use crate::graphql::types::seat::{Seat, SeatStatus};
use crate::model::cursor::Cursor;
use crate::model::global_id::GlobalId;
use async_graphql::{Context, Enum, ID, Object, SimpleObject, Union};
use std::sync::Arc;

/// Every seat of an event, at least as new as the cursor says.
pub struct SeatMap {
    event: Arc<EventView>,
    map: feed::SeatMap,
}

/// Every seat of an event, at least as new as the cursor says.
#[Object]
impl SeatMap {
    /// Where to resume from: `Subscription.seatMap(after:)` goes on from here.
    async fn cursor(&self) -> FeedCursor {
        FeedCursor(self.map.cursor)
    }

    /// In the plan's order.
    async fn seats(&self, context: &Context<'_>) -> ApiResult<Vec<Seat>> {
        seats_shown::list(context, self.map.seats.len())?;
        Ok(Seat::all(&self.event, self.map.seats.iter().copied()))
    }

    /// The same as `seats` in a byte or two for each: their statuses and versions in the
    /// plan's order. What else there is to know of them is in the plan's drawing, at
    /// `SeatingPlan.path`.
    async fn compact(&self, context: &Context<'_>) -> ApiResult<CompactSeats> {
        seats_shown::pack(context, self.map.seats.len())?;
        Ok(CompactSeats::all(&self.map))
    }
}

/// What a watcher of a seat map is told.
#[derive(Union)]
pub enum SeatMapMessage {
    /// The whole map.
    Snapshot(SeatMapSnapshot),
    /// What has changed since the message before.
    Delta(SeatMapDelta),
}

/// The whole map: forget what was before.
pub struct SeatMapSnapshot {
    event: Arc<EventView>,
    reason: SnapshotReason,
    map: feed::SeatMap,
}

/// The whole map: forget what was before.
#[Object]
impl SeatMapSnapshot {
    /// Why it is sent.
    async fn reason(&self) -> SnapshotReason {
        self.reason
    }

    /// Where to resume from.
    async fn cursor(&self) -> FeedCursor {
        FeedCursor(self.map.cursor)
    }

    /// In the plan's order.
    async fn seats(&self, context: &Context<'_>) -> ApiResult<Vec<Seat>> {
        seats_shown::list(context, self.map.seats.len())?;
        Ok(Seat::all(&self.event, self.map.seats.iter().copied()))
    }

    /// The same as `seats` in a byte or two for each.
    async fn compact(&self, context: &Context<'_>) -> ApiResult<CompactSeats> {
        seats_shown::pack(context, self.map.seats.len())?;
        Ok(CompactSeats::all(&self.map))
    }
}

/// Seats that have changed since the message before. A change whose version is
/// not above the one you have is old news: ignore it.
pub struct SeatMapDelta {
    event: Arc<EventView>,
    cursor: Cursor,
    changes: Vec<SeatState>,
}

/// Seats that have changed since the message before. A change whose version is
/// not above the one you have is old news: ignore it.
#[Object]
impl SeatMapDelta {
    /// Where to resume from, once this is applied.
    async fn cursor(&self) -> FeedCursor {
        FeedCursor(self.cursor)
    }

    /// Each seat once, at its newest.
    async fn changes(&self, context: &Context<'_>) -> ApiResult<Vec<SeatChange>> {
        seats_shown::list(context, self.changes.len())?;
        let change = |change: &SeatState| SeatChange {
            seat_id: GlobalId::Seat(self.event.event.id, change.seat_no)
                .to_string()
                .into(),
            status: change.status.into(),
            version: change.version,
        };
        Ok(self.changes.iter().map(change).collect())
    }

    /// The same as `changes` in three to six characters for each.
    async fn compact(&self, context: &Context<'_>) -> ApiResult<CompactSeats> {
        seats_shown::pack(context, self.changes.len())?;
        Ok(CompactSeats::changed(&self.changes))
    }
}

/// A seat that has changed.
#[derive(SimpleObject)]
struct SeatChange {
    /// Global id of the seat.
    seat_id: ID,
    /// The status it came to.
    status: SeatStatus,
    /// The version it came to.
    version: i32,
}

/// Why a whole map is sent.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "feed::SnapshotReason")]
pub enum SnapshotReason {
    /// No cursor was given.
    Subscribed,
    /// What came after the cursor is not in the feed any more.
    CursorTooOld,
    /// The cursor is of another database, of another event, or of the future; or the server
    /// did not come that far in time.
    CursorUnknown,
    /// The cursor came with a mutation, not with a map: what was running beside
    /// the mutation would be missed after it.
    CursorOfMutation,
    /// More has changed than is remembered of it: the client read too slowly.
    FellBehind,
    /// Very many resume at once, and what this client has missed could not be looked up in
    /// time.
    Busy,
}

impl SeatMap {
    /// The map as the API shows it.
    pub fn new(event: &Arc<EventView>, map: feed::SeatMap) -> Self {
        let event = Arc::clone(event);
        Self { event, map }
    }
}

impl SeatMapMessage {
    /// The message as the API shows it.
    pub fn new(event: &Arc<EventView>, message: feed::SeatMapMessage) -> Self {
        let event = Arc::clone(event);
        match message {
            feed::SeatMapMessage::Snapshot { reason, map } => Self::Snapshot(SeatMapSnapshot {
                event,
                reason: reason.into(),
                map,
            }),
            feed::SeatMapMessage::Delta { cursor, changes } => Self::Delta(SeatMapDelta {
                event,
                cursor,
                changes,
            }),
        }
    }
}
