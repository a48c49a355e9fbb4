//! Statements that run all the time never read a table whole, however small it was when they were
//! planned: a plan is kept, and a sale fills tables faster than autovacuum looks at them.
//!
//! Not part of the contract: usher would answer the same, and get slower in the minute that counts.

use crate::support::checks::count;
use crate::support::program::{of_postgres, run};
use crate::support::{House, eventually};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use usher::db::changes::{self, Position};
use usher::db::holds::{self, Hold};
use usher::db::seats::{self, FromState, SeatMove, ToState};
use usher::db::{bookings, buyers, events, feed_state, idempotency_keys, query_plans, schema};
use usher::model::ids::{EventId, HoldId};
use usher::model::status::Cause;

const EVENT: EventId = EventId(1);

/// What the statements choose by when nobody tells them otherwise but to keep their plan.
const ONLY_KEPT: &str = "SET plan_cache_mode = force_generic_plan";

/// A house with a hold and a booking of bert's, whose tables PostgreSQL knows to be small.
async fn small() -> House {
    let house = House::open().await;
    let event = house.event(1, 8).await;
    let bert = house.buyer("bert");
    bert.hold(&event.id, &event.seats[..1]).await;
    let held = bert.hold(&event.id, &event.seats[1..2]).await;
    let token = held.data()["token"].as_str().unwrap();
    bert.confirm(token).await;
    let mut sql = house.sql().await;
    // Readers may take no change before all older transactions of the tests beside this one end.
    eventually("the feed may be read", async || {
        let state = feed_state::read(&mut sql).await.unwrap();
        let page = changes::page(&mut sql, Position::START, state.horizon, 3).await;
        (page.unwrap().len() == 3).then_some(())
    })
    .await;
    sql.batch_execute("VACUUM (ANALYZE)").await.unwrap();
    house
}

/// How many times tables whose name is like this were read whole in this transaction, which is the
/// first one of its connection.
async fn whole_reads(sql: &mut AsyncPgConnection, tables: &str) -> i64 {
    let reads = format!(
        "pg_stat_xact_user_tables, generate_series(1, seq_scan) \
         WHERE schemaname = 'public' AND relname LIKE '{tables}'"
    );
    count(sql, &reads).await
}

/// How many times an index was read in this transaction, which is the first one of its connection.
async fn scans(sql: &mut AsyncPgConnection, index: &str) -> i64 {
    let scans = format!("generate_series(1, pg_stat_get_xact_numscans('{index}'::regclass))");
    count(sql, &scans).await
}

/// How many entries of an index were found by that.
async fn found(sql: &mut AsyncPgConnection, index: &str) -> i64 {
    let found =
        format!("generate_series(1, pg_stat_get_xact_tuples_returned('{index}'::regclass))");
    count(sql, &found).await
}

/// Statements of a batch.
async fn find_by_key(sql: &mut AsyncPgConnection) {
    let held: Hold = schema::holds::table
        .filter(schema::holds::event_id.eq(EVENT))
        .select(Hold::as_select())
        .first(sql)
        .await
        .unwrap();
    let key = [(EVENT, held.id)];
    let locked = holds::lock_all(sql, key).await.unwrap();
    assert_eq!(locked.len(), 1);
    let found = events::find_priced(sql, &[EVENT]).await.unwrap();
    assert_eq!(found.len(), 1);
    idempotency_keys::find_all(sql, &[vec![0]]).await.unwrap();
    let buyer = (EVENT, "anna".to_owned());
    buyers::possessions(sql, [buyer]).await.unwrap();
    let takeable = seats::load_takeable_rows(sql, &[EVENT]).await.unwrap();
    assert_eq!(takeable.len(), 6);
    let rows = seats::load_rows(sql, [(EVENT, 2)]).await.unwrap();
    let locked = seats::lock_rows(sql, [(EVENT, 2)]).await.unwrap();
    assert_eq!(rows, locked);
    holds::update_all(sql, [&held]).await.unwrap();
    let block = SeatMove {
        event: EVENT,
        seat_no: 2,
        version: rows[0].version,
        transition: std::sync::Arc::new(seats::Transition {
            from: FromState::Takeable,
            to: ToState::Blocked,
            cause: Cause::Blocked,
            actor: "staff".to_owned(),
        }),
    };
    assert_eq!(seats::change(sql, &[block]).await.unwrap().len(), 1);
}

/// Statements of the feed's follower.
async fn follow(sql: &mut AsyncPgConnection) {
    let mut known = None;
    for _ in 0..2 {
        let state = feed_state::look(sql, &mut known).await.unwrap().state;
        let page = changes::page(sql, Position::START, state.horizon, 5_000).await;
        assert!(!page.unwrap().is_empty());
        feed_state::afterwards(sql, &state).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_finds_its_rows_by_their_keys_while_tables_are_still_small() {
    let house = small().await;
    for (settings, is_right) in [
        (query_plans::BY_KEY_IN_THIS_TRANSACTION, true),
        (ONLY_KEPT, false),
    ] {
        // Plans are kept by the connection.
        let mut sql = house.sql().await;
        sql.batch_execute(&format!("BEGIN; {settings}"))
            .await
            .unwrap();
        find_by_key(&mut sql).await;
        let reads = whole_reads(&mut sql, "%").await;
        assert_eq!(
            reads == 0,
            is_right,
            "{settings}: {reads} tables read whole"
        );
        sql.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// A sale fills this table, and nothing else does.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_found_by_its_key_while_there_are_few() {
    let house = small().await;
    let mut sql = house.sql().await;
    let begin = format!("BEGIN; {}", query_plans::BY_KEY_IN_THIS_TRANSACTION);
    sql.batch_execute(&begin).await.unwrap();
    let nobodys = [3_u128, 1, 2].map(|id| (EVENT, HoldId(uuid::Uuid::from_u128(id))));
    assert!(holds::lock_all(&sql, nobodys).await.unwrap().is_empty());
    assert_eq!(scans(&mut sql, "holds_pkey").await, 3, "one for each");
    assert_eq!(found(&mut sql, "holds_pkey").await, 0, "bert has two");
    sql.batch_execute("ROLLBACK").await.unwrap();
}

/// An event has many holds and bookings, and a buyer few: by the event alone all would be read.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_buyer_has_is_found_by_the_buyer_while_tables_are_still_small() {
    let house = small().await;
    let mut sql = house.sql().await;
    let begin = format!("BEGIN; {}", query_plans::BY_KEY_IN_THIS_TRANSACTION);
    sql.batch_execute(&begin).await.unwrap();
    let buyer = (EVENT, "anna".to_owned());
    buyers::possessions(&sql, [buyer]).await.unwrap();
    for index in ["holds_of_buyer", "bookings_of_buyer"] {
        assert_eq!(scans(&mut sql, index).await, 1, "{index}");
        // By the event alone it would find what bert has.
        assert_eq!(found(&mut sql, index).await, 0, "{index}");
    }
    sql.batch_execute("ROLLBACK").await.unwrap();
}

/// An event has many bookings, and a hold has become one of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_hold_has_become_is_found_by_the_hold_as_soon_as_that_is_better() {
    let house = House::open().await;
    let event = house.event(10, 15).await;
    let visitor = house.visitor();
    for seat in event.seats.chunks(1) {
        let held = visitor.hold(&event.id, seat).await;
        visitor
            .confirm(held.data()["token"].as_str().unwrap())
            .await;
    }
    let mut sql = house.sql().await;
    let key = (EVENT, HoldId(uuid::Uuid::nil()));
    let begin = [
        "BEGIN",
        query_plans::BY_KEY_IN_THIS_TRANSACTION,
        query_plans::ANEW_IN_THIS_TRANSACTION,
    ];
    sql.batch_execute(&begin.join("; ")).await.unwrap();
    bookings::lock_by_holds(&sql, [key]).await.unwrap();
    assert_eq!(scans(&mut sql, "bookings_event_id_hold_id_key").await, 1);
    sql.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_follower_reads_the_feed_by_its_index_while_it_is_still_short() {
    let house = small().await;
    for (settings, is_right) in [(query_plans::IN_ORDER, true), (ONLY_KEPT, false)] {
        let mut sql = house.sql().await;
        sql.batch_execute(&format!("{settings}; BEGIN"))
            .await
            .unwrap();
        follow(&mut sql).await;
        let reads = whole_reads(&mut sql, "seat_changes").await;
        assert_eq!(
            reads == 0,
            is_right,
            "{settings}: {reads} tables read whole"
        );
        assert_eq!(scans(&mut sql, "seat_changes_pkey").await, 0);
        sql.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// A connection keeps the plan of its first UPDATE for the trigger that publishes changes.
#[tokio::test(flavor = "multi_thread")]
async fn many_changes_are_published_without_comparing_each_seat_with_each() {
    let house = small().await;
    let block = |seats: &str| {
        format!(
            "UPDATE seats SET version = version + 1, status = 'BLOCKED', cause = 'BLOCKED' \
             WHERE seat_no IN ({seats}); "
        )
    };
    let by_key = query_plans::BY_KEY_IN_THIS_TRANSACTION;
    let (one, several) = (block("2"), block("3, 4, 5"));
    let inner_join =
        include_str!("../../migrations/2026-11-23-000011_publishing_many_changes/down.sql");
    for (function, is_right) in [("", true), (inner_join, false)] {
        let script = format!(
            "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; \
             SET auto_explain.log_nested_statements = on; SET client_min_messages = log; \
             BEGIN; {function} {by_key}; {one} {several} ROLLBACK"
        );
        let mut psql = of_postgres(&mut house.sql().await, "psql").await;
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--dbname", &house.database_url, "--command", &script]);
        let answered = run(psql).await;
        answered.printed();
        let plans = answered.errors.split("Query Text: ");
        let published: Vec<&str> = plans
            .filter(|plan| plan.contains("Insert on seat_changes"))
            .collect();
        assert_eq!(published.len(), 2, "{}", answered.errors);
        for plan in published {
            assert_eq!(plan.contains("Full Join"), is_right, "{plan}");
            assert_eq!(plan.contains("Nested Loop"), !is_right, "{plan}");
        }
    }
}
