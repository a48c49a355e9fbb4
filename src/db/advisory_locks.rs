//! Locks on what is no row: each ends with the transaction that took it.
//!
//! Always a statement of their own: what the next one reads is then what whoever had
//! the lock has left. A clash of two hashes makes two wait for one another
//! that need not, and does no other harm.

use crate::db::array_statement::array_statement;
use crate::model::ids::EventId;
use diesel::QueryResult;
use diesel::prelude::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// What one buyer has of one event: two requests of one buyer are counted one after
/// the other.
///
/// # Errors
/// When the database fails.
pub async fn lock_buyer(
    connection: &mut AsyncPgConnection,
    event: EventId,
    buyer: &str,
) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('buyer ' || $1, $2))")
        .bind::<Text, _>(buyer)
        .bind::<BigInt, _>(event.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// As [`lock_buyer`], for any number of them, in an order that is the same for everybody.
///
/// # Errors
/// When the database fails.
pub async fn lock_buyers(
    mut connection: &AsyncPgConnection,
    buyers: &[(EventId, &str)],
) -> QueryResult<()> {
    let statement = LockBuyers {
        events: buyers.iter().map(|(event, _)| *event).collect(),
        buyers: buyers
            .iter()
            .map(|(_, buyer)| (*buyer).to_owned())
            .collect(),
    };
    statement.execute(&mut connection).await?;
    Ok(())
}

array_statement! {
    /// Each lock once.
    struct LockBuyers;
    "SELECT pg_advisory_xact_lock(key) \
     FROM (SELECT DISTINCT hashtextextended('buyer ' || buyer, event) AS key FROM unnest(",
    events: BigInt = EventId, ", ",
    buyers: Text = String,
    ") AS wanted (event, buyer) ORDER BY key) AS ascending"
}

/// Rows of seats of one event, in ascending order whatever order they are given in, and not
/// while anybody has its [house](lock_house).
///
/// # Errors
/// When the database fails.
pub async fn lock_rows(
    mut connection: &AsyncPgConnection,
    event: EventId,
    rows: &[i32],
) -> QueryResult<()> {
    let house = LockHouseForRows {
        events: vec![event],
    };
    house.execute(&mut connection).await?;
    let statement = LockRows {
        events: vec![event; rows.len()],
        rows: rows.to_vec(),
    };
    statement.execute(&mut connection).await?;
    Ok(())
}

array_statement! {
    /// Whoever wants all rows waits for those who have some, and they for whoever has all.
    struct LockHouseForRows;
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('house', event)) FROM unnest(",
    events: BigInt = EventId,
    ") AS event"
}

array_statement! {
    /// One after the other.
    struct LockRows;
    "SELECT pg_advisory_xact_lock(hashtextextended('row ' || number, event)) \
     FROM (SELECT event, number FROM unnest(",
    events: BigInt = EventId, ", ",
    rows: Integer = i32,
    ") AS wanted (event, number) ORDER BY event, number) AS ascending"
}

/// All rows of one event at once.
///
/// # Errors
/// When the database fails.
pub async fn lock_house(mut connection: &AsyncPgConnection, event: EventId) -> QueryResult<()> {
    let statement = LockHouse {
        events: vec![event],
    };
    statement.execute(&mut connection).await?;
    Ok(())
}

array_statement! {
    /// Alone.
    struct LockHouse;
    "SELECT pg_advisory_xact_lock(hashtextextended('house', event)) FROM unnest(",
    events: BigInt = EventId,
    ") AS event"
}

/// The pruning of the feed, if nobody else is at it; nobody is waited for.
///
/// # Errors
/// When the database fails.
pub async fn try_lock_pruning(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Locked {
        #[diesel(sql_type = Bool)]
        is_ours: bool,
    }
    let lock = "SELECT pg_try_advisory_xact_lock(hashtextextended('prune the feed', 0)) AS is_ours";
    let Locked { is_ours } = diesel::sql_query(lock).get_result(connection).await?;
    Ok(is_ours)
}
