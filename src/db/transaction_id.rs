//! PostgreSQL's 64-bit transaction number, which Diesel has no word for.

use diesel::QueryResult;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{SqlType, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::fmt;
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

impl fmt::Display for TransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

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

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromSqlRow, strum::EnumString)]
#[diesel(sql_type = Text)]
#[strum(serialize_all = "lowercase")]
pub enum TransactionStatus {
    /// It has not ended.
    #[strum(serialize = "in progress")]
    InProgress,
    /// All of it is done.
    Committed,
    /// None of it is.
    Aborted,
}

impl FromSql<Text, Pg> for TransactionStatus {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let name = std::str::from_utf8(value.as_bytes())?;
        name.parse()
            .map_err(|_| format!("{name:?} is no status of a transaction").into())
    }
}

diesel::define_sql_function! {
    /// What became of a transaction; NULL when it is too old to know.
    fn pg_xact_status(transaction: Xid8) -> Nullable<Text>;
}

/// What became of a transaction; `None` when it is too old to know.
///
/// # Errors
/// When the database fails, or has had no transaction of this number.
pub async fn status(
    connection: &mut AsyncPgConnection,
    transaction: TransactionId,
) -> QueryResult<Option<TransactionStatus>> {
    diesel::select(pg_xact_status(transaction))
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
