//! The map of an event, and what its watchers are told.

use crate::domain::event_view::EventView;
use crate::feed;
use crate::graphql::input::FeedCursor;
use crate::graphql::types::seat::{Seat, SeatStatus};
use crate::model::global_id::GlobalId;
use async_graphql::{Enum, ID, SimpleObject, Union};
use std::sync::Arc;

/// Every seat of an event, at least as new as the cursor says.
#[derive(SimpleObject)]
pub struct SeatMap {
    /// Where to resume from: `Subscription.seatMap(after:)` goes on from here.
    cursor: FeedCursor,
    /// In the plan's order.
    seats: Vec<Seat>,
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
#[derive(SimpleObject)]
pub struct SeatMapSnapshot {
    /// Why it is sent.
    reason: SnapshotReason,
    /// Where to resume from.
    cursor: FeedCursor,
    /// In the plan's order.
    seats: Vec<Seat>,
}

/// Seats that have changed since the message before. A change whose version is
/// not above the one you have is old news: ignore it.
#[derive(SimpleObject)]
pub struct SeatMapDelta {
    /// Where to resume from, once this is applied.
    cursor: FeedCursor,
    /// Each seat once, at its newest.
    changes: Vec<SeatChange>,
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
    /// The cursor is of another database, of another event, or of the future.
    CursorUnknown,
    /// The cursor came with a mutation, not with a map: what was running beside
    /// the mutation would be missed after it.
    CursorOfMutation,
    /// More has changed than is remembered of it: the client read too slowly, or the server
    /// lost sight of the feed for too long.
    FellBehind,
}

impl SeatMap {
    /// The map as the API shows it.
    pub fn new(event: &Arc<EventView>, map: feed::SeatMap) -> Self {
        Self {
            cursor: FeedCursor(map.cursor),
            seats: Seat::all(event, map.seats),
        }
    }
}

impl SeatMapMessage {
    /// The message as the API shows it.
    pub fn new(event: &Arc<EventView>, message: feed::SeatMapMessage) -> Self {
        match message {
            feed::SeatMapMessage::Snapshot { reason, map } => Self::Snapshot(SeatMapSnapshot {
                reason: reason.into(),
                cursor: FeedCursor(map.cursor),
                seats: Seat::all(event, map.seats),
            }),
            feed::SeatMapMessage::Delta { cursor, changes } => Self::Delta(SeatMapDelta {
                cursor: FeedCursor(cursor),
                changes: changes
                    .into_iter()
                    .map(|change| SeatChange {
                        seat_id: GlobalId::Seat(event.event.id, change.seat_no)
                            .to_string()
                            .into(),
                        status: change.status.into(),
                        version: change.version,
                    })
                    .collect(),
            }),
        }
    }
}
