//! Where the feed is kept: what tells it from its copies.

use crate::db::schema::feed;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

diesel::define_sql_function! {
    /// Everything that tells the feed from its copies, beside the number that is stored
    /// in it: system, timeline, database, table. Fails on a standby.
    fn feed_origin() -> Text;
}

diesel::define_sql_function! {
    /// The number that stands for the stored one and the origin.
    fn feed_identity(stored: BigInt) -> BigInt;
}

/// What `feed_origin()` has in place of what it could not find out.
const UNKNOWN: &str = "unknown";

/// Says once, in the log, when not all copies of this database will be recognised.
///
/// # Errors
/// When the database fails.
pub async fn warn_if_incomplete(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    let origin: String = feed::table.select(feed_origin()).first(connection).await?;
    if origin.contains(UNKNOWN) {
        tracing::warn!(
            origin,
            "PostgreSQL does not tell which one it is: cursors of a restored backup or of \
             before a failover may be taken for good ones. Grant EXECUTE on \
             pg_control_system() and pg_walfile_name(pg_lsn) to the role that owns usher's tables"
        );
    }
    Ok(())
}
