//! Somebody who has taken over a server, and has the password of its role: it can sell seats, and
//! neither change the tables, nor forge what has happened, nor erase it.

use crate::support::checks::count;
use crate::support::cluster::{self, RUN_ROLE, as_run_role};
use crate::support::{Event, House, eventually};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use std::time::Duration;
use usher::config::RetentionSettings;
use usher::db::privileges;

/// A house where something has happened, and a connection of whoever has taken it over.
async fn taken_over() -> (House, Event, AsyncPgConnection) {
    let house = House::open_as_run_role().await;
    let event = house.event(1, 4).await;
    let anna = house.buyer("anna");
    let held = anna.hold(&event.id, &event.seats[..2]).await;
    let token = held.data()["token"].as_str().unwrap();
    anna.confirm(token).await;
    let mallory = cluster::connect(&as_run_role(&house.database_url)).await;
    (house, event, mallory)
}

/// What PostgreSQL answers to this, which it refuses.
async fn refusal(sql: &mut AsyncPgConnection, statement: &str) -> String {
    let done = sql.batch_execute(&format!("BEGIN; {statement}")).await;
    let refused = done.expect_err(statement).to_string();
    sql.batch_execute("ROLLBACK").await.unwrap();
    refused
}

fn is_of_privileges(refusal: &str) -> bool {
    let beginnings = ["permission denied", "must be owner", "must be superuser"];
    beginnings.iter().any(|begin| refusal.starts_with(begin))
}

const FORBIDDEN: [&str; 55] = [
    // The tables.
    "ALTER TABLE seats ADD COLUMN mine integer",
    "ALTER TABLE seats DROP CONSTRAINT seats_owner",
    "ALTER TABLE seats OWNER TO usher_run",
    "ALTER TABLE seats SET (fillfactor = 10)",
    "ALTER TABLE seats RENAME TO mine",
    "ALTER TABLE seats ENABLE ROW LEVEL SECURITY",
    "DROP TABLE seats",
    "DROP TABLE seat_changes",
    "DROP INDEX seat_changes_in_order",
    "CREATE INDEX ON seats (owner_id)",
    "CREATE TABLE public.mine (id integer)",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "DROP SCHEMA public CASCADE",
    "CREATE EXTENSION pg_stat_statements",
    // What watches over them.
    "ALTER TABLE seats DISABLE TRIGGER ALL",
    "ALTER TABLE seats DISABLE TRIGGER seats_publish",
    "ALTER TABLE seats DISABLE TRIGGER seats_version_step",
    "ALTER TABLE seat_changes DISABLE TRIGGER USER",
    "DROP TRIGGER seats_publish ON seats",
    "CREATE TRIGGER mine BEFORE UPDATE ON seats EXECUTE FUNCTION reject_seat()",
    "CREATE RULE mine AS ON INSERT TO seat_changes DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "ALTER FUNCTION publish_seat_changes() SECURITY INVOKER",
    "ALTER FUNCTION publish_seat_changes() RESET search_path",
    "DROP FUNCTION reject_seat() CASCADE",
    "CREATE OR REPLACE FUNCTION reject_seat() RETURNS trigger LANGUAGE plpgsql \
     AS 'BEGIN RETURN NEW; END'",
    // The feed.
    "INSERT INTO seat_changes (event_id, seat_no, version, status, cause, actor) \
     VALUES (1, 0, 9, 'BOOKED', 'BOOKED', 'anna')",
    "UPDATE seat_changes SET actor = 'bert'",
    "DELETE FROM seat_changes",
    "TRUNCATE seat_changes",
    "LOCK TABLE seat_changes IN ACCESS EXCLUSIVE MODE",
    "SELECT setval('seat_changes_id_seq', 1)",
    "UPDATE feed SET horizon = '4000000000000'",
    "UPDATE feed SET epoch = 0",
    "DELETE FROM feed",
    "UPDATE retention SET history_retention_seconds = 0",
    "DELETE FROM retention",
    // What was sold, and what it was sold on.
    "DELETE FROM seats",
    "TRUNCATE seats",
    "DELETE FROM holds",
    "DELETE FROM bookings",
    "TRUNCATE bookings",
    "DELETE FROM events",
    "DELETE FROM venues",
    "UPDATE plan_seats SET category_no = 0",
    "DELETE FROM plan_seats",
    "UPDATE seating_plans SET name = 'mine'",
    // Which migrations have run.
    "DELETE FROM __diesel_schema_migrations",
    "INSERT INTO __diesel_schema_migrations (version) VALUES ('9')",
    // More rights.
    "SET ROLE usher",
    "SET SESSION AUTHORIZATION usher",
    "ALTER ROLE usher_run SUPERUSER",
    "COPY (SELECT 1) TO PROGRAM 'true'",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_selling_seats_is_refused_by_postgresql() {
    let (house, _, mut mallory) = taken_over().await;
    let mut owner = house.sql().await;
    for statement in FORBIDDEN {
        let refused = refusal(&mut mallory, statement).await;
        assert!(is_of_privileges(&refused), "{statement}: {refused}");
        // The owner is refused a few of them, too, but by the rules of the tables.
        let done = owner.batch_execute(&format!("BEGIN; {statement}")).await;
        let refused = done.err().map(|error| error.to_string());
        assert!(
            !refused.as_deref().is_some_and(is_of_privileges),
            "{statement}: {refused:?}"
        );
        owner.batch_execute("ROLLBACK; RESET ALL").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_cannot_be_forged_by_a_table_of_ones_own() {
    let (house, _, mut mallory) = taken_over().await;
    let mut owner = house.sql().await;
    let before = count(&mut owner, "seat_changes").await;

    // The function that writes into the feed, on a table with what it is to write.
    let own_table = "CREATE TEMPORARY TABLE mine AS SELECT * FROM seats; \
         CREATE TRIGGER mine AFTER UPDATE ON mine \
         REFERENCING OLD TABLE AS old_seats NEW TABLE AS new_seats \
         FOR EACH STATEMENT EXECUTE FUNCTION publish_seat_changes(); \
         UPDATE mine SET version = 99, actor = 'anna'";
    let refused = refusal(&mut mallory, own_table).await;
    let expected = "permission denied for function publish_seat_changes";
    assert_eq!(refused, expected);
    assert_eq!(count(&mut owner, "seat_changes").await, before);
    // It is the privilege that keeps it out.
    owner
        .batch_execute("GRANT EXECUTE ON FUNCTION publish_seat_changes() TO PUBLIC")
        .await
        .unwrap();
    mallory.batch_execute(own_table).await.unwrap();
    assert!(count(&mut owner, "seat_changes WHERE version = 99").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_can_be_kept_out_of_the_feed() {
    let (house, _, mut mallory) = taken_over().await;
    let mut owner = house.sql().await;
    let aside = "CREATE TEMPORARY TABLE seat_changes (LIKE public.seat_changes INCLUDING ALL); \
                 GRANT ALL ON pg_temp.seat_changes TO PUBLIC; \
                 SET search_path = pg_temp, public";
    mallory.batch_execute(aside).await.unwrap();
    let block = |seat: i32| {
        format!(
            "UPDATE public.seats SET status = 'BLOCKED', cause = 'BLOCKED', version = version + 1 \
             WHERE seat_no = {seat}"
        )
    };
    mallory.batch_execute(&block(2)).await.unwrap();
    assert_eq!(count(&mut mallory, "pg_temp.seat_changes").await, 0);
    assert_eq!(count(&mut owner, "seat_changes WHERE seat_no = 2").await, 1);
    // It is the path that keeps it there.
    owner
        .batch_execute("ALTER FUNCTION publish_seat_changes() RESET search_path")
        .await
        .unwrap();
    mallory.batch_execute(&block(3)).await.unwrap();
    assert_eq!(count(&mut mallory, "pg_temp.seat_changes").await, 1);
    assert_eq!(count(&mut owner, "seat_changes WHERE seat_no = 3").await, 0);
}

/// Everything, if whoever asks has the say.
const PRUNE_ALL: &str = "prune_seat_changes(0, 0, 0, 1000) AS pruned, generate_series(1, pruned)";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_wants_kept_cannot_be_pruned() {
    let (house, _, mut mallory) = taken_over().await;
    let mut owner = house.sql().await;
    let kept = RetentionSettings {
        resume_window: Duration::from_hours(24),
        history_retention: Duration::from_hours(400 * 24),
        history_changes: None,
    };
    privileges::grant(&mut owner, RUN_ROLE, &kept)
        .await
        .unwrap();
    let age = |seat: i32, by: &str| {
        format!(
            "BEGIN; SET LOCAL session_replication_role = replica; \
             UPDATE seat_changes SET changed_at = changed_at - interval '{by}' \
             WHERE seat_no = {seat} AND version = 2; COMMIT"
        )
    };
    owner.batch_execute(&age(0, "401 days")).await.unwrap();
    owner.batch_execute(&age(1, "399 days")).await.unwrap();
    eventually("every change is in the feed", async || {
        let held_back = "seat_changes \
                         WHERE transaction_id >= pg_snapshot_xmin(pg_current_snapshot())";
        (count(&mut owner, held_back).await == 0).then_some(())
    })
    .await;
    // Whoever looks for something else than the owner's tables finds these all the same.
    let aside = "CREATE TEMPORARY TABLE retention AS SELECT true AS only_row, \
                   0::bigint AS resume_window_seconds, 0::bigint AS history_retention_seconds, \
                   0::bigint AS history_changes; \
                 GRANT ALL ON pg_temp.retention TO PUBLIC; SET search_path = pg_temp, public";
    mallory.batch_execute(aside).await.unwrap();
    for insatiable in [
        PRUNE_ALL,
        "prune_seat_changes(NULL, NULL, NULL, 1000) AS pruned, generate_series(1, pruned)",
        "prune_seat_changes('-infinity', '-1', -1, 1000) AS pruned, generate_series(1, pruned)",
    ] {
        let pruned = count(&mut mallory, insatiable).await;
        let is_first = insatiable == PRUNE_ALL;
        assert_eq!(pruned, i64::from(is_first), "{insatiable}");
    }
    assert_eq!(count(&mut owner, "seat_changes").await, 3);
    assert_eq!(count(&mut owner, "seat_changes WHERE seat_no = 1").await, 2);

    // The number of changes is bounded by the resume window at least, and by what is kept.
    let at_most_two = RetentionSettings {
        history_changes: Some(2),
        ..kept
    };
    privileges::grant(&mut owner, RUN_ROLE, &at_most_two)
        .await
        .unwrap();
    assert_eq!(count(&mut mallory, PRUNE_ALL).await, 1, "that of 399 days");
    assert_eq!(count(&mut mallory, PRUNE_ALL).await, 0, "all else is young");
    // Who owns the tables has the say, and bounds of nobody.
    assert_eq!(count(&mut owner, PRUNE_ALL).await, 2);
}
