//! What was done under which idempotency key.

use crate::db::array_statement::array_statement;
use crate::db::schema::idempotency_keys;
use chrono::TimeDelta;
use diesel::dsl::now;
use diesel::pg::expression::extensions::IntervalDsl;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Jsonb, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

/// What is known of a key.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Nothing, until now: it is this transaction's.
    New,
    /// It was used before.
    Used(Use),
}

/// What a key was used for.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = idempotency_keys, check_for_backend(diesel::pg::Pg))]
pub struct Use {
    /// SHA-256 of what was asked for.
    pub input_hash: Vec<u8>,
    /// What was answered.
    pub outcome: Option<Value>,
}

/// Claims a key for this transaction, or says what it was used for. While another
/// transaction has claimed it and has not ended, this waits.
///
/// # Errors
/// When the database fails; `NotFound` when the key was pruned in that moment.
pub async fn claim(
    connection: &mut AsyncPgConnection,
    key_hash: &[u8],
    input_hash: &[u8],
) -> QueryResult<Claim> {
    let inserted = diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::key_hash.eq(key_hash),
            idempotency_keys::input_hash.eq(input_hash),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    if inserted == 1 {
        return Ok(Claim::New);
    }
    idempotency_keys::table
        .find(key_hash)
        .select(Use::as_select())
        .first(connection)
        .await
        .map(Claim::Used)
}

/// Writes what was answered under a key that this transaction has claimed.
///
/// # Errors
/// When the database fails.
pub async fn finish(
    connection: &mut AsyncPgConnection,
    key_hash: &[u8],
    outcome: &Value,
) -> QueryResult<()> {
    diesel::update(idempotency_keys::table.find(key_hash))
        .set(idempotency_keys::outcome.eq(outcome))
        .execute(connection)
        .await?;
    Ok(())
}

/// What these keys were used for.
///
/// # Errors
/// When the database fails.
pub async fn find_all(
    mut connection: &AsyncPgConnection,
    key_hashes: &[Vec<u8>],
) -> QueryResult<Vec<(Vec<u8>, Use)>> {
    idempotency_keys::table
        .filter(idempotency_keys::key_hash.eq_any(key_hashes))
        .select((idempotency_keys::key_hash, Use::as_select()))
        .load(&mut connection)
        .await
}

array_statement! {
    /// Keys that were used.
    struct InsertKeys;
    "INSERT INTO idempotency_keys (key_hash, input_hash, outcome) \
     SELECT key_hash, input_hash, outcome FROM unnest(",
    key_hashes: Binary = Vec<u8>, ", ",
    input_hashes: Binary = Vec<u8>, ", ",
    outcomes: Jsonb = Value,
    ") AS used (key_hash, input_hash, outcome) ORDER BY key_hash"
}

/// Stores what keys were used for.
///
/// # Errors
/// When the database fails; a unique violation when another transaction has used one
/// of them meanwhile.
pub async fn insert_all(
    mut connection: &AsyncPgConnection,
    keys: impl IntoIterator<Item = (Vec<u8>, Vec<u8>, Value)>,
) -> QueryResult<usize> {
    let (key_hashes, input_hashes, outcomes) = keys.into_iter().collect();
    let statement = InsertKeys {
        key_hashes,
        input_hashes,
        outcomes,
    };
    statement.execute(&mut connection).await
}

/// Deletes up to `limit` keys that are older than `age`, by the database's clock.
/// Those that another process is deleting are left to it, if the caller has begun a
/// transaction.
///
/// # Errors
/// When the database fails.
pub async fn prune(
    connection: &mut AsyncPgConnection,
    age: TimeDelta,
    limit: i64,
) -> QueryResult<usize> {
    let age = i32::try_from(age.num_seconds()).unwrap_or(i32::MAX);
    let before = now.into_sql::<Timestamptz>() - age.seconds();
    let old: Vec<Vec<u8>> = idempotency_keys::table
        .filter(idempotency_keys::created_at.lt(before))
        .order(idempotency_keys::created_at)
        .limit(limit)
        .select(idempotency_keys::key_hash)
        .for_update()
        .skip_locked()
        .load(connection)
        .await?;
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::key_hash.eq_any(old)))
        .execute(connection)
        .await
}
