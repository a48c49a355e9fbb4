//! Follows the changes of seats, keeps the maps that people look at, and tells whoever
//! watches.
//!
//! ```text
//!   commit ──► seat_changes ──── pages, in commit order ───► follower (one a process)
//!      │                                                         │ applies
//!   announce() ─┬─► news ──────────── wakes ────────────────────►│
//!               └─► NOTIFY (coalesced) ─► LISTEN ─► news         ▼
//!                                        live maps, one an event, loaded on first use
//!                                                                │ ticks
//!                                     queries ◄── states, deltas ┴──► watchers
//! ```
//!
//! **Invariant:** the table is the truth. A notification only says that it is
//! worth reading; one that is lost costs time, never a change.
//! **Invariant:** NOTIFY is never in the transaction of a change: it takes an
//! instance-wide lock at commit.
//! **Invariant:** a live map changes only by what the follower has read, in the order of
//! the feed, and knows the position that it is at: it may be behind, and then says so, but
//! it cannot be wrong. No write ever trusts it.

mod announcer;
mod follower;
mod hold_news;
mod listener;
pub mod live_map;
mod live_maps;
mod loading;
mod packed_state;
mod recent_changes;
mod reconnecting;
mod seat_map;
mod ticks;
mod warm_maps;
mod watcher;

pub use hold_news::HoldNews;
pub use reconnecting::pauses;
pub use seat_map::{Edition, ReadyMap, SeatMap, SeatMapMessage, SnapshotReason};
pub use watcher::{Due, DueKey, MapWatcher, Reached};

use crate::config::FeedSettings;
use crate::db::feed_state;
use crate::db::redis::Redis;
use crate::db::transaction_id::TransactionId;
use crate::db::{Database, DatabaseUnavailable};
use crate::model::cursor::{Cursor, CursorKind};
use crate::model::ids::{EventId, HoldId};
use hold_news::HoldAnnouncements;
use live_maps::LiveMaps;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore, watch};
use uuid::Uuid;
use warm_maps::WarmMaps;

/// The feed, for any number of watchers; a clone is the same one.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    settings: FeedSettings,
    maps: LiveMaps,
    /// The places of those who read a map, and of those who look up what a watcher that comes
    /// back has missed. Anybody can have either done; neither keeps the other waiting.
    loads: Arc<Semaphore>,
    catch_ups: Arc<Semaphore>,
    /// Where maps are shared with other processes, if they are.
    warm_maps: Option<WarmMaps>,
    holds: HoldAnnouncements,
    /// What this process is called in notifications: by nobody else.
    name: String,
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
    /// The database did not answer at all.
    #[error("the database did not answer in time")]
    Silent,
    /// The cursor that a map should be at least at was not reached in time.
    #[error("the feed has not come to this cursor: try again, or leave it out")]
    NotReached,
    /// The cursor is of another event or of another database: no map of this
    /// event will ever be there.
    #[error("this cursor is of another event or another database: leave it out")]
    ForeignCursor,
    /// The maps that are being watched take up all the memory that maps may have.
    #[error("as many seats are being watched as this process may keep: try again later")]
    TooManySeats,
}

impl Feed {
    /// The feed of this database. Its maps are shared with other processes through this Redis.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open(
        database: Database,
        settings: FeedSettings,
        redis: Option<Redis>,
    ) -> Result<Self, FeedError> {
        let mut connection = database.connection().await?;
        let look = feed_state::look(&mut connection, &mut None).await?;
        drop(connection);
        let quarter = (database.capacity() / 4).max(1) as usize;
        let shared = Shared {
            database,
            loads: Arc::new(Semaphore::new(quarter)),
            catch_ups: Arc::new(Semaphore::new(quarter)),
            maps: LiveMaps::new(&look, settings.max_seats, settings.idle_time),
            warm_maps: redis.map(|redis| WarmMaps::new(redis, settings.max_seats)),
            settings,
            holds: HoldAnnouncements::default(),
            name: Uuid::new_v4().to_string(),
            news: watch::Sender::new(()),
            to_announce: Notify::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Reads the feed and keeps the live maps; never returns. Without it no map changes.
    pub async fn follow(self) {
        follower::run(self).await;
    }

    /// Hears of changes in other processes; never returns. Without it watchers
    /// here see what others do when the follower polls.
    pub async fn listen(self) {
        listener::run(self).await;
    }

    /// Stores maps in Redis for other processes; never returns. Without it they read all
    /// seats, as they do without Redis.
    pub async fn store_maps(self) {
        warm_maps::run(self).await;
    }

    /// Tells other processes of changes made here; never returns. Without it
    /// they find them when they poll.
    pub async fn tell_others(self) {
        announcer::run(self).await;
    }

    /// Says that a change was committed here: it is read at once, and other processes are
    /// told soon.
    pub fn announce(&self) {
        self.wake_follower();
        self.shared.to_announce.notify_one();
    }

    /// Says that `transaction` has changed seats of `event`, as [`Feed::announce`] does: a map
    /// of it that is asked for here from now on shows that.
    pub fn announce_change(&self, event: EventId, transaction: TransactionId) {
        self.shared.maps.note_announced(event, transaction);
        self.announce();
    }

    /// Says that a hold was extended here or has grown: nothing that the seats it had before
    /// tell of.
    pub fn announce_hold(&self, hold: HoldId) {
        self.shared.holds.announce(hold);
        self.shared.to_announce.notify_one();
    }

    /// Hears of holds that change so from now on, here and elsewhere.
    pub fn hold_news(&self) -> HoldNews {
        self.shared.holds.subscribe()
    }

    /// The cursor of a change of `event` that `transaction` made.
    pub fn cursor_of_change(&self, event: EventId, transaction: TransactionId) -> Cursor {
        Cursor {
            kind: CursorKind::Change,
            epoch: self.shared.maps.epoch(),
            event,
            transaction: transaction.0,
            id: i64::MAX,
        }
    }

    fn wake_follower(&self) {
        self.shared.news.send_replace(());
    }
}
