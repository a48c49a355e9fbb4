//! Follows the changes of seats and tells whoever watches.
//!
//! ```text
//!            commit ──► seat_changes ◄───────── read after cursor ────┐
//!               │                                                     │
//!   announce() ─┼─► news ─────────────────────────► every seat map ───┘
//!               └─► NOTIFY (coalesced) ─► LISTEN ─► news of other processes
//! ```
//!
//! **Invariant:** the table is the truth. A notification only says that it is
//! worth reading; one that is lost costs time, never a change.
//! **Invariant:** NOTIFY is never in the transaction of a change: it takes an
//! instance-wide lock at commit.

mod announcer;
mod listener;
mod seat_map;

pub use seat_map::{SeatChange, SeatMap, SeatMapMessage, SnapshotReason};

use crate::db::transaction_id::TransactionId;
use crate::db::{Database, DatabaseUnavailable, changes};
use crate::model::cursor::{Cursor, CursorKind};
use crate::model::ids::EventId;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::{Notify, watch};

/// The feed, for any number of watchers; a clone is the same one.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    epoch: AtomicI64,
    /// Changes whenever there may be something to read.
    news: watch::Sender<()>,
    /// Asks the announcer to tell other processes.
    to_announce: Notify,
}

/// The feed could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// No connection was to be had.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The database failed.
    #[error("the change feed could not be read")]
    Database(#[from] diesel::result::Error),
    /// The cursor that a map should be at least at was not reached in time.
    #[error("the feed has not come to this cursor: try again, or leave it out")]
    NotReached,
    /// The cursor is of another event or of another database: no map of this
    /// event will ever be there.
    #[error("this cursor is of another event or another database: leave it out")]
    ForeignCursor,
}

impl Feed {
    /// The feed of this database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open(database: Database) -> Result<Self, FeedError> {
        let state = changes::state(&mut *database.connection().await?).await?;
        let shared = Shared {
            database,
            epoch: AtomicI64::new(state.epoch),
            news: watch::Sender::new(()),
            to_announce: Notify::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Hears of changes in other processes; never returns. Without it watchers
    /// here see only what is announced here.
    pub async fn listen(self) {
        listener::run(self).await;
    }

    /// Tells other processes of changes made here; never returns. Without it
    /// they find them when they poll.
    pub async fn tell_others(self) {
        announcer::run(self).await;
    }

    /// Says that a change was committed here: watchers in this process read at
    /// once, other processes are told soon.
    pub fn announce(&self) {
        self.shared.news.send_replace(());
        self.shared.to_announce.notify_one();
    }

    /// The cursor of a change of `event` that `transaction` made.
    pub fn cursor_of_change(&self, event: EventId, transaction: TransactionId) -> Cursor {
        Cursor {
            kind: CursorKind::Change,
            epoch: self.epoch(),
            event,
            transaction: transaction.0,
            id: i64::MAX,
        }
    }

    fn epoch(&self) -> i64 {
        self.shared.epoch.load(Ordering::Relaxed)
    }
}
