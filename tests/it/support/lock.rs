//! What somebody else has locked: a request that needs it is in the middle of
//! its work for as long as a test wants.

use crate::support::{checks, cluster, eventually};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

/// Requests that wait for a lock, as rows to count.
const WAITING: &str = "pg_stat_activity WHERE wait_event_type = 'Lock' \
    AND datname = current_database()";

const LOCK_FIRST_SEAT: &str =
    "BEGIN; SELECT 1 FROM seats WHERE event_id = 1 AND seat_no = 0 FOR UPDATE";

/// A lock on something in a database.
pub struct Lock {
    lock: AsyncPgConnection,
    watch: AsyncPgConnection,
}

impl Lock {
    /// On the first seat of the first event: holding it waits.
    pub async fn on_first_seat(database_url: &str) -> Self {
        Self::by(database_url, LOCK_FIRST_SEAT).await
    }

    /// The same, at once after these statements.
    pub async fn on_first_seat_after(database_url: &str, statements: &str) -> Self {
        Self::by(database_url, &format!("{statements}; {LOCK_FIRST_SEAT}")).await
    }

    /// On all venues: asking for them waits.
    pub async fn on_venues(database_url: &str) -> Self {
        Self::by(database_url, "BEGIN; LOCK TABLE venues").await
    }

    /// On what these statements lock; they begin a transaction and leave it open.
    pub async fn by(database_url: &str, statements: &str) -> Self {
        let mut lock = cluster::connect(database_url).await;
        // Before the lock is there, which may hold back the feeds of all tests.
        let watch = cluster::connect(database_url).await;
        lock.batch_execute(statements).await.unwrap();
        Self { lock, watch }
    }

    /// Waits until this many requests wait, for this lock or another one.
    pub async fn is_wanted_by(&mut self, requests: i64) {
        eventually("a request waits for the lock", async || {
            (checks::count(&mut self.watch, WAITING).await >= requests).then_some(())
        })
        .await;
    }

    /// Waits until no request waits, because those that did have given up.
    pub async fn is_wanted_by_nobody(&mut self) {
        eventually("nobody waits for the lock", async || {
            (checks::count(&mut self.watch, WAITING).await == 0).then_some(())
        })
        .await;
    }

    /// The connection that has it, for what is done under the lock.
    pub fn connection(&mut self) -> &mut AsyncPgConnection {
        &mut self.lock
    }

    /// Lets the request go on.
    pub async fn let_go(mut self) {
        self.lock.batch_execute("COMMIT").await.unwrap();
    }
}
