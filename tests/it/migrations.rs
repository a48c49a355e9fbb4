//! The migrations: up, down, up again, and the tables as the code knows them.

use crate::support::cluster::{Cluster, connect};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::try_join_all;
use usher::db::migrations::{revert_all, run_pending};

#[derive(QueryableByName, Debug, PartialEq)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// How many there are.
const MIGRATIONS: usize = 13;

/// Everything that a migration can make, one line each.
async fn schema(sql: &mut AsyncPgConnection) -> Vec<Line> {
    let query = "\
        SELECT format('%s.%s %s %s %s', table_name, column_name, udt_name, is_nullable, \
                      column_default) AS line \
        FROM information_schema.columns WHERE table_schema = 'public' \
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
        UNION ALL SELECT format('%s: %s', conname, pg_get_constraintdef(oid)) \
                  FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
        UNION ALL SELECT pg_get_functiondef(oid) || coalesce(proacl::text, '') FROM pg_proc \
                  WHERE pronamespace = 'public'::regnamespace \
        UNION ALL SELECT format('%s %s', relname, reloptions) FROM pg_class \
                  WHERE relnamespace = 'public'::regnamespace \
        ORDER BY 1";
    let lines: Vec<Line> = diesel::sql_query(query).load(sql).await.unwrap();
    // Diesel's own table stays when all is reverted.
    lines
        .into_iter()
        .filter(|line| !line.line.contains("__diesel_schema_migrations"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn up_down_and_up_again_is_the_same() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database().await;
    let mut sql = connect(&url).await;
    let nothing = schema(&mut sql).await;
    assert_eq!(nothing, []);

    let ran = run_pending(connect(&url).await).await.unwrap();
    assert_eq!(ran.len(), MIGRATIONS);
    let whole = schema(&mut sql).await;
    assert!(whole.len() > 50, "{whole:#?}");
    assert_eq!(revert_all(connect(&url).await).await.unwrap(), ran.len());
    assert_eq!(schema(&mut sql).await, nothing, "nothing is left behind");
    assert_eq!(run_pending(connect(&url).await).await.unwrap(), ran);
    assert_eq!(schema(&mut sql).await, whole);
    assert_eq!(
        run_pending(connect(&url).await).await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_may_migrate_at_once() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database().await;
    let processes = (0..5).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { run_pending(connect(&url).await).await.unwrap().len() })
    });
    let ran = try_join_all(processes).await.unwrap();
    assert_eq!(
        ran.iter().sum::<usize>(),
        MIGRATIONS,
        "each migration ran once: {ran:?}"
    );
}

/// As it was for who migrated with a schema of their own first in the path.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_the_tables_is_brought_to_them() {
    let cluster = Cluster::shared();
    let url = cluster.migrated_database().await;
    let mut sql = connect(&url).await;
    let before = schema(&mut sql).await;
    let prune = "prune_seat_changes(double precision, double precision, bigint, bigint)";
    let mut astray = "CREATE SCHEMA usher; ALTER TABLE retention SET SCHEMA usher".to_owned();
    for function in ["publish_seat_changes()", "feed_origin()", prune] {
        astray.push_str(&format!(
            "; ALTER FUNCTION {function} SET search_path = usher, pg_temp"
        ));
    }
    astray.push_str(&format!("; ALTER FUNCTION {prune} SET SCHEMA usher"));
    sql.batch_execute(&astray).await.unwrap();
    // The role is called so, too.
    assert_ne!(schema(&mut sql).await, before);
    let mut sql = connect(&url).await;
    let migration = include_str!("../../migrations/2026-11-23-000013_right_hint_and_schema/up.sql");
    let migration = format!("BEGIN; {migration}; COMMIT");
    sql.batch_execute(&migration).await.unwrap();
    assert_eq!(schema(&mut sql).await, before);
}

#[derive(QueryableByName, Debug)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    udt_name: String,
    #[diesel(sql_type = Text)]
    is_nullable: String,
}

/// `src/db/schema.rs` is written by hand: it must say what the database has.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_as_the_code_knows_them() {
    let cluster = Cluster::shared();
    let mut sql = connect(&cluster.migrated_database().await).await;
    let query = "SELECT table_name::text, column_name::text, udt_name::text, is_nullable::text \
        FROM information_schema.columns \
        WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%' \
        ORDER BY table_name, ordinal_position";
    let columns: Vec<Column> = diesel::sql_query(query).load(&mut sql).await.unwrap();
    let mut expected = String::new();
    for column in &columns {
        let diesel_type = match column.udt_name.as_str() {
            "int8" => "BigInt",
            "int4" => "Integer",
            "float8" => "Double",
            "text" => "Text",
            "bool" => "Bool",
            "uuid" => "Uuid",
            "bytea" => "Bytea",
            "jsonb" => "Jsonb",
            "timestamptz" => "Timestamptz",
            "xid8" => "Xid8",
            "_int4" => "Array<Integer>",
            "_int8" => "Array<BigInt>",
            other => panic!(
                "{} has the type {other}, which the test lacks",
                column.table_name
            ),
        };
        let diesel_type = if column.is_nullable == "YES" {
            format!("Nullable<{diesel_type}>")
        } else {
            diesel_type.to_owned()
        };
        let table = &column.table_name;
        expected.push_str(&format!("{table}.{} {diesel_type}\n", column.column_name));
    }
    assert_eq!(sorted(&expected), sorted(&known_to_the_code()));
}

/// The columns of `schema.rs`, as `table.column Type`.
fn known_to_the_code() -> String {
    let text = include_str!("../../src/db/schema.rs");
    let mut table = "";
    let mut known = String::new();
    for line in text.lines().map(str::trim) {
        if let Some((column, diesel_type)) = line.split_once(" -> ") {
            known.push_str(&format!(
                "{table}.{column} {}\n",
                diesel_type.trim_end_matches(',')
            ));
        } else if line.ends_with(") {") {
            table = line.split(' ').next().unwrap_or_default();
        }
    }
    known
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}
