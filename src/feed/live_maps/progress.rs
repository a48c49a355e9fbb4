//! How far the follower has come.

use crate::db::changes::Position;
use crate::db::feed_state::FeedState;
use crate::db::transaction_id::TransactionId;
use crate::feed::seat_map::SnapshotReason;

/// How far the follower has come.
#[derive(Clone, Copy, Debug)]
pub(in crate::feed) struct Progress {
    /// Which feed it is.
    pub(in crate::feed) epoch: i64,
    /// Everything up to and including this is in every map. It is where the last change is,
    /// or after the transaction of that.
    pub(in crate::feed) position: Position,
    /// Everything of transactions before this one is in every map, as long as the server
    /// does not crash; see [`Look::tip`](crate::db::feed_state::Look::tip).
    pub(in crate::feed) horizon: TransactionId,
    /// How often it has looked for more, and found all that there was.
    pub(in crate::feed) rounds: u64,
    /// No transaction had this number when it last looked, nor a higher one.
    pub(in crate::feed) next: TransactionId,
}

impl Progress {
    /// Whether everything up to and including a position is in every map.
    pub(in crate::feed) fn has_reached(&self, wanted: Position) -> bool {
        self.position >= wanted || self.horizon > wanted.transaction
    }

    /// Why the feed in this state cannot be read on from here, if it cannot.
    pub(super) fn loss(&self, state: &FeedState) -> Option<SnapshotReason> {
        if state.epoch != self.epoch {
            Some(SnapshotReason::CursorUnknown)
        } else if self.position.transaction < state.pruned_before {
            Some(SnapshotReason::CursorTooOld)
        } else {
            None
        }
    }
}
