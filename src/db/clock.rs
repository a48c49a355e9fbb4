//! The database's clock, which alone decides what has lapsed.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

diesel::define_sql_function! {
    /// The time at this moment, not at the start of the transaction.
    fn clock_timestamp() -> Timestamptz;
}

/// What it says now. A statement of its own: within one that waits for a lock the clock
/// may be read first.
///
/// # Errors
/// When the database fails.
pub async fn read(connection: &mut AsyncPgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(clock_timestamp())
        .get_result(connection)
        .await
}
