//! What the role may do that usher works as, when that is not the one that owns the tables: sell
//! seats, and nothing else.
//!
//! **Invariant:** it has no way to write into the feed but by changing a seat, and none to take
//! anything out but by the function that prunes what the owner does not want kept. So the
//! history that the feed is cannot be forged or erased by whoever takes over a server.

use crate::config::RetentionSettings;
use crate::db::schema::retention;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

/// What is done with each table. What is missing here is missing on purpose: plans never
/// change, seats and sales are never deleted, and the feed is only read.
///
/// During an upgrade the servers of the last release still run: a privilege goes one release
/// later than its use.
const TABLES: [(&str, &[&str]); 15] = [
    ("venues", &["SELECT", "INSERT", "UPDATE"]),
    ("seating_plans", &["SELECT", "INSERT"]),
    ("plan_categories", &["SELECT", "INSERT"]),
    ("plan_zones", &["SELECT", "INSERT"]),
    ("plan_seats", &["SELECT", "INSERT"]),
    ("events", &["SELECT", "INSERT", "UPDATE"]),
    ("event_prices", &["SELECT", "INSERT", "UPDATE"]),
    ("seats", &["SELECT", "INSERT", "UPDATE"]),
    ("holds", &["SELECT", "INSERT", "UPDATE"]),
    ("bookings", &["SELECT", "INSERT", "UPDATE"]),
    (
        "idempotency_keys",
        &["SELECT", "INSERT", "UPDATE", "DELETE"],
    ),
    ("seat_changes", &["SELECT"]),
    ("feed", &["SELECT"]),
    ("retention", &["SELECT"]),
    ("__diesel_schema_migrations", &["SELECT"]),
];

/// The functions with the rights of the owner that usher calls itself.
const FUNCTIONS: [&str; 2] = [
    "feed_origin()",
    "prune_seat_changes(double precision, double precision, bigint, bigint)",
];

/// What the database alone calls, when seats change. Whoever else may, can write history.
const PUBLISHING: &str = "publish_seat_changes()";

/// Every privilege on a table that PostgreSQL 14 knows.
const PRIVILEGES: [&str; 7] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
];

/// The feed and what keeps it: who may do more than read here can forge history, or erase it.
const READ_ONLY: [&str; 3] = ["seat_changes", "retention", "feed"];

/// What nobody may do as whom usher works, beside what is said of the tables: each a condition on
/// a `role`, and how it is told of somebody who is that role or can become it.
const TOO_MUCH: [(&str, &str); 6] = [
    (
        "has_function_privilege(role.oid, 'publish_seat_changes()', 'EXECUTE')",
        "may publish changes of seats that were none",
    ),
    ("role.rolsuper", "is a superuser, or can become one"),
    (
        // Before PostgreSQL 16 that is to become the owner, too.
        "role.rolcreaterole",
        "may create and grant roles",
    ),
    (
        "role.rolname IN ('pg_execute_server_program', 'pg_write_server_files')",
        "may run programs or write files where the database is",
    ),
    (
        "role.oid = (SELECT relowner FROM pg_class WHERE oid = 'seats'::regclass)",
        "can become the owner of the tables",
    ),
    (
        "has_schema_privilege(role.oid, \
         (SELECT relnamespace FROM pg_class WHERE oid = 'seats'::regclass), 'CREATE')",
        "may create tables in usher's schema",
    ),
];

/// Gives `role` what usher needs and takes all else away that it was given on usher's tables;
/// and has it forget no change that these settings keep. To be called as the owner of the tables.
///
/// # Errors
/// When the database fails: there may be no such role.
pub async fn grant(
    connection: &mut AsyncPgConnection,
    role: &str,
    kept: &RetentionSettings,
) -> QueryResult<()> {
    let quoted = diesel::select(quote_ident(role));
    let quoted: String = quoted.get_result(connection).await?;
    // Not the first of the path: that may be one that the tables are not in.
    let schema = "SELECT relnamespace::regnamespace::text FROM pg_class \
                  WHERE oid = 'seats'::regclass";
    let schema = diesel::dsl::sql::<Text>(schema);
    let schema: String = schema.get_result(connection).await?;
    let mut statements = vec![format!("GRANT USAGE ON SCHEMA {schema} TO {quoted}")];
    for (table, privileges) in TABLES {
        let privileges = privileges.join(", ");
        statements.push(format!("REVOKE ALL ON {table} FROM {quoted}"));
        statements.push(format!("GRANT {privileges} ON {table} TO {quoted}"));
    }
    let functions = FUNCTIONS.join(", ");
    // Migrations say so as well, but a dump without privileges forgets it.
    statements.push(format!(
        "REVOKE ALL ON FUNCTION {functions}, {PUBLISHING} FROM PUBLIC, {quoted}"
    ));
    statements.push(format!(
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {quoted}"
    ));
    statements.push(format!("GRANT EXECUTE ON FUNCTION {functions} TO {quoted}"));
    // At once, so that a server that runs is never without.
    connection
        .transaction(async |connection| {
            connection.batch_execute(&statements.join("; ")).await?;
            let seconds = |time: std::time::Duration| time.as_secs().cast_signed();
            diesel::update(retention::table)
                .set((
                    retention::resume_window_seconds.eq(seconds(kept.resume_window)),
                    retention::history_retention_seconds.eq(seconds(kept.history_retention)),
                    retention::history_changes.eq(kept.history_changes),
                ))
                .execute(connection)
                .await?;
            Ok(())
        })
        .await
}

/// What of all that usher needs the role of this connection may not do, such as
/// `INSERT on holds`.
///
/// # Errors
/// When the database fails.
pub async fn missing(connection: &mut AsyncPgConnection) -> QueryResult<Vec<String>> {
    let needed = TABLES.iter().flat_map(|(table, privileges)| {
        let privileges = privileges.iter();
        privileges.map(move |privilege| format!("('table', '{table}', '{privilege}')"))
    });
    let functions = FUNCTIONS
        .iter()
        .map(|function| format!("('function', '{function}', 'EXECUTE')"));
    let needed: Vec<String> = needed.chain(functions).collect();
    let missing = format!(
        "SELECT ARRAY(SELECT privilege || ' on ' || name FROM (VALUES {}) \
                        AS needed (kind, name, privilege) \
                      WHERE NOT coalesce(CASE kind \
                          WHEN 'table' THEN has_table_privilege(to_regclass(name), privilege) \
                          ELSE has_function_privilege(to_regprocedure(name), privilege) \
                          END, false))",
        needed.join(", ")
    );
    let missing = diesel::dsl::sql::<Array<Text>>(&missing);
    missing.get_result(connection).await
}

/// What this role can do and should not, in words that follow its name: it may have that from
/// elsewhere, by other roles that it is in or as everybody has it.
///
/// # Errors
/// When the database fails.
pub async fn too_much(
    connection: &mut AsyncPgConnection,
    role: &str,
) -> QueryResult<Vec<&'static str>> {
    #[derive(QueryableByName)]
    struct Answers {
        #[diesel(sql_type = Array<Bool>)]
        answers: Vec<bool>,
    }
    let (of_feed, of_others): (Vec<_>, Vec<_>) = TABLES
        .iter()
        .partition(|(table, _)| READ_ONLY.contains(table));
    let sequence = "has_sequence_privilege(role.oid, 'seat_changes_id_seq', 'USAGE, UPDATE')";
    let of_feed = format!("{sequence} OR {}", beyond_needs(&of_feed));
    let of_others = beyond_needs(&of_others);
    let of_tables = [
        (of_feed.as_str(), "may write into the change feed"),
        (&of_others, "may do with usher's tables what nobody has to"),
    ];
    let all: Vec<_> = TOO_MUCH.into_iter().chain(of_tables).collect();
    let conditions: Vec<String> = all
        .iter()
        .map(|(condition, _)| format!("coalesce(bool_or({condition}), false)"))
        .collect();
    // A role that inherits nothing from a group can still take its place.
    let question = format!(
        "SELECT ARRAY[{}] AS answers FROM pg_roles role WHERE pg_has_role($1, role.oid, 'MEMBER')",
        conditions.join(", ")
    );
    let Answers { answers } = diesel::sql_query(question)
        .bind::<Text, _>(role)
        .get_result(connection)
        .await?;
    let said = all.iter().map(|(_, words)| *words).zip(answers);
    Ok(said.filter_map(|(words, is)| is.then_some(words)).collect())
}

/// The condition that a `role` may do with one of these tables what usher does not.
fn beyond_needs(tables: &[&(&str, &[&str])]) -> String {
    let conditions = tables.iter().flat_map(|(table, needed)| {
        let beyond = PRIVILEGES.iter().filter(|name| !needed.contains(name));
        beyond.map(move |privilege| {
            // On one column it is as bad; what is about whole rows there is on tables only.
            let asked = match *privilege {
                "DELETE" | "TRUNCATE" | "TRIGGER" => "has_table_privilege",
                _ => "has_any_column_privilege",
            };
            format!("{asked}(role.oid, '{table}', '{privilege}')")
        })
    });
    conditions.collect::<Vec<_>>().join(" OR ")
}

/// Whom a connection works as.
///
/// # Errors
/// When the database fails.
pub async fn current_role(connection: &mut AsyncPgConnection) -> QueryResult<String> {
    let role = diesel::dsl::sql::<Text>("SELECT current_user::text");
    role.get_result(connection).await
}

diesel::define_sql_function! {
    /// An identifier as it is written in statements.
    fn quote_ident(name: Text) -> Text;
}
