//! PostgreSQL's 64-bit transaction number, which Diesel has no word for.

use diesel::QueryResult;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::io::Write;

/// The SQL type `xid8`: <https://www.postgresql.org/docs/current/datatype-oid.html>.
#[derive(SqlType, QueryId)]
#[diesel(postgres_type(oid = 5069, array_oid = 271))]
pub struct Xid8;

/// A transaction's number; never wraps around.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    AsExpression,
    FromSqlRow,
    serde::Serialize,
    serde::Deserialize,
)]
#[diesel(sql_type = Xid8)]
pub struct TransactionId(pub u64);

impl ToSql<Xid8, Pg> for TransactionId {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&self.0.to_be_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Xid8, Pg> for TransactionId {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(u64::from_be_bytes(value.as_bytes().try_into()?)))
    }
}

diesel::define_sql_function! {
    /// The number of the transaction that asks; gives it one if it has none yet.
    fn pg_current_xact_id() -> Xid8;
}

/// The number of the transaction that this connection is in.
///
/// # Errors
/// When the database fails.
pub async fn current(connection: &mut AsyncPgConnection) -> QueryResult<TransactionId> {
    diesel::select(pg_current_xact_id())
        .get_result(connection)
        .await
}

diesel::define_sql_function! {
    /// Lowest transaction number that is still running for
    /// `pg_current_snapshot()`: all lower ones have ended.
    fn pg_snapshot_xmin(snapshot: PgSnapshot) -> Xid8;
}

diesel::define_sql_function! {
    /// Lowest transaction number that no transaction had yet in
    /// `pg_current_snapshot()`.
    fn pg_snapshot_xmax(snapshot: PgSnapshot) -> Xid8;
}

diesel::define_sql_function! {
    /// What the statement that asks can see.
    fn pg_current_snapshot() -> PgSnapshot;
}

/// The SQL type `pg_snapshot`; only ever passed from one function to another.
#[derive(SqlType, QueryId)]
#[diesel(postgres_type(oid = 5038, array_oid = 5039))]
pub struct PgSnapshot;
