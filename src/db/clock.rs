//! The database's clock, which alone decides what has lapsed.

use crate::db::transaction_id::{TransactionId, pg_current_xact_id};
use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

diesel::define_sql_function! {
    /// The time at this moment, not at the start of the transaction.
    fn clock_timestamp() -> Timestamptz;
}

/// When a transaction is.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Moment {
    /// When it began: what `now()` says as long as it lasts.
    pub now: DateTime<Utc>,
    /// What the clock says.
    pub clock: DateTime<Utc>,
    /// Its number.
    pub transaction: TransactionId,
}

/// When this transaction is. A statement of its own, as [`read`].
///
/// # Errors
/// When the database fails.
pub async fn moment(mut connection: &AsyncPgConnection) -> QueryResult<Moment> {
    diesel::select((
        now.into_sql::<Timestamptz>(),
        clock_timestamp(),
        pg_current_xact_id(),
    ))
    .get_result(&mut connection)
    .await
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
