//! What the database itself enforces, whoever writes: a hand-written UPDATE in
//! psql cannot break the contract either.

use crate::support::House;
use crate::support::checks;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

const NEVER_DELETED: &str = "a seat is never deleted";
const STARTS: &str = "a new seat is AVAILABLE at version 1";

/// Tries a statement that goes past usher.
async fn attempt(sql: &mut AsyncPgConnection, statement: &str) -> Result<(), String> {
    sql.batch_execute(statement)
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_a_seat_goes_up_by_one_with_every_change_and_only_then() {
    let house = House::open().await;
    house.event(1, 2).await;
    let sql = &mut house.sql().await;
    for bad in [
        // A change without a step, with a step too far, a step back, a step
        // without a change.
        "UPDATE seats SET status = 'BLOCKED', cause = 'BLOCKED' WHERE seat_no = 0",
        "UPDATE seats SET status = 'BLOCKED', cause = 'BLOCKED', version = version + 2 WHERE seat_no = 0",
        "UPDATE seats SET status = 'BLOCKED', cause = 'BLOCKED', version = version - 1 WHERE seat_no = 0",
        "UPDATE seats SET version = version + 1 WHERE seat_no = 0",
        "UPDATE seats SET seat_no = 7 WHERE seat_no = 0",
    ] {
        let error = attempt(sql, bad).await.expect_err(bad);
        assert!(
            error.contains("version goes up by exactly 1"),
            "{bad}: {error}"
        );
    }
    for (bad, words) in [
        ("DELETE FROM seats WHERE seat_no = 0", NEVER_DELETED),
        ("TRUNCATE seats", NEVER_DELETED),
        ("TRUNCATE seat_changes", "append-only"),
        (
            "INSERT INTO seats (event_id, seat_no, version) VALUES (1, 2, 5)",
            STARTS,
        ),
        (
            "INSERT INTO seats (event_id, seat_no, status, cause) VALUES (1, 2, 'BLOCKED', 'BLOCKED')",
            STARTS,
        ),
    ] {
        let error = attempt(sql, bad).await.expect_err(bad);
        assert!(error.contains(words), "{bad}: {error}");
    }
    assert_eq!(checks::count(sql, "seat_changes").await, 0);
    assert_eq!(
        checks::count(sql, "seats WHERE version = 1 AND status = 'AVAILABLE'").await,
        2
    );
    // What keeps the rules is let through, and published.
    let good = "UPDATE seats SET status = 'BLOCKED', cause = 'CORRECTION', actor = 'psql', \
                version = version + 1 WHERE seat_no = 0";
    attempt(sql, good).await.unwrap();
    let published = "seat_changes WHERE seat_no = 0 AND version = 2 AND status = 'BLOCKED' \
                     AND cause = 'CORRECTION' AND actor = 'psql'";
    assert_eq!(checks::count(sql, published).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_owner_is_a_step_too() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    house.visitor().hold(&event.id, &event.seats).await;
    let sql = &mut house.sql().await;
    let other = "UPDATE seats SET owner_id = gen_random_uuid()";
    attempt(sql, other)
        .await
        .expect_err("another owner at the same version");
    // A hold that is extended stays the same owner's: no step, and no news.
    let longer = "UPDATE seats SET held_until = held_until + interval '1 minute'";
    attempt(sql, longer).await.unwrap();
    assert_eq!(checks::count(sql, "seat_changes").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_has_an_owner_a_time_and_a_cause_that_fit_its_status() {
    let house = House::open().await;
    house.event(1, 1).await;
    let sql = &mut house.sql().await;
    for bad in [
        "status = 'HELD', cause = 'HELD'",
        "status = 'HELD', cause = 'HELD', owner_id = gen_random_uuid()",
        "status = 'BOOKED', cause = 'BOOKED'",
        "status = 'BLOCKED', cause = 'BLOCKED', owner_id = gen_random_uuid()",
        "status = 'BLOCKED'",
        "status = 'SOLD', cause = 'BOOKED'",
    ] {
        let statement = format!("UPDATE seats SET version = version + 1, {bad}");
        attempt(sql, &statement).await.expect_err(bad);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_append_only_and_a_plan_never_changes() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    house.visitor().hold(&event.id, &event.seats).await;
    let sql = &mut house.sql().await;
    for (bad, why) in [
        (
            "UPDATE seat_changes SET actor = 'somebody else'",
            "append-only",
        ),
        ("TRUNCATE seat_changes", "append-only"),
        ("DELETE FROM feed", "never deleted"),
        ("TRUNCATE feed", "never deleted"),
        ("UPDATE plan_seats SET label = 'A better one'", "immutable"),
        ("UPDATE seating_plans SET name = 'Another'", "immutable"),
        ("UPDATE plan_categories SET color = 'red'", "immutable"),
        ("UPDATE plan_zones SET name = 'Another'", "immutable"),
    ] {
        let error = attempt(sql, bad).await.expect_err(bad);
        assert!(error.contains(why), "{bad}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_a_record_goes_up_by_one_with_every_update() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let held = house.visitor().hold(&event.id, &event.seats).await;
    house
        .visitor()
        .confirm(held.data()["token"].as_str().unwrap())
        .await;
    let sql = &mut house.sql().await;
    for table in ["venues", "events", "bookings"] {
        for bad in [
            "created_at = now()",
            "version = version + 2",
            "version = version - 1",
        ] {
            let statement = format!("UPDATE {table} SET {bad}");
            let error = attempt(sql, &statement).await.expect_err(&statement);
            assert!(
                error.contains(&format!("of {table} must go from")),
                "{error}"
            );
        }
        let good = format!("UPDATE {table} SET version = version + 1");
        attempt(sql, &good).await.unwrap();
    }
}

/// Written while another transaction is open, which keeps PostgreSQL from
/// clearing dead rows away: what the fill factor leaves free is enough for a
/// tenth of the seats to go there and back.
#[tokio::test(flavor = "multi_thread")]
async fn a_transition_is_a_heap_only_update() {
    let house = House::open().await;
    let event = house.event(10, 20).await;
    let visitor = house.visitor();
    let open = &mut house.sql().await;
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()")
        .await
        .unwrap();
    for row in event.seats.chunks(20) {
        let held = visitor.hold(&event.id, &row[..2]).await;
        let token = held.data()["token"].as_str().unwrap();
        visitor.release(token, None).await;
    }
    // Not open for longer: the feeds of all tests wait for it.
    open.batch_execute("COMMIT").await.unwrap();
    let sql = &mut house.sql().await;
    // The statistics of other sessions come when they are idle.
    let updates = crate::support::eventually("the statistics are in", async || {
        let updated = "pg_stat_user_tables WHERE relname = 'seats' AND n_tup_upd >= 40";
        (checks::count(sql, updated).await == 1).then_some(40)
    })
    .await;
    let hot = format!(
        "pg_stat_user_tables WHERE relname = 'seats' \
         AND n_tup_upd = {updates} AND n_tup_hot_upd = {updates}"
    );
    assert_eq!(
        checks::count(sql, &hot).await,
        1,
        "no index is written for a transition"
    );
}
