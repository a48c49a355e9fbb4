//! A sale as the role that owns nothing: what usher does with its database, once round. All other
//! tests pass as that role, too, with `USHER_TEST_ROLE=run`.

use crate::support::checks::{assert_sound, count};
use crate::support::cluster::RUN_ROLE;
use crate::support::watcher::Watcher;
use crate::support::{House, Seat, eventually};
use diesel_async::SimpleAsyncConnection;
use serde_json::json;
use std::time::Duration;
use usher::config::RetentionSettings;
use usher::domain::prune_changes::prune_some_changes;

/// Everything that usher does with its database, by a role that may do just that.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_goes_its_way_from_the_plan_to_the_pruned_feed() {
    let house = House::open_as_run_role().await;
    let event = house.event(2, 10).await;
    let (anna, staff) = (house.buyer("anna"), house.staff());
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;

    // A buyer's.
    let held = anna.hold(&event.id, &event.seats[..3]).await;
    let token = held.data()["token"].as_str().unwrap().to_owned();
    watcher
        .until(|map| map.version(&event.seats[0].id) == 2)
        .await;
    assert_eq!(
        anna.extend(&token).await.data()["__typename"],
        "HoldExtended"
    );
    let now = staff.seats(&event.id).await;
    let exchanged = anna.exchange_held(&token, &now[2..3], &now[3..4]).await;
    assert_eq!(exchanged.data()["__typename"], "SeatsExchanged");
    let given_back = anna.release(&token, Some(&[&now[3].id])).await;
    assert_eq!(given_back.data()["__typename"], "SeatsReleased");
    let confirmed = anna.confirm(&token).await;
    let booking = &confirmed.data()["booking"];
    let cancelled = anna.cancel(booking, None).await;
    assert_eq!(cancelled.data()["__typename"], "BookingCancelled");
    let input = json!({
        "eventId": event.id, "idempotencyKey": "a key of some length",
        "seats": [event.seats[9].input()],
    });
    let first = anna.hold_input(&input).await;
    let again = anna.hold_input(&input).await;
    assert_eq!(first.data(), again.data());

    // Which ones is up to the server: what follows takes others.
    assert_eq!(
        anna.best(&event.id, 2).await.data()["__typename"],
        "SeatsHeld"
    );

    // Staff's.
    let map = staff.seat_map(&event.id).await;
    let seats = map["seats"].as_array().unwrap().iter();
    let free: Vec<Seat> = seats
        .filter(|seat| seat["status"] == "AVAILABLE")
        .map(Seat::from)
        .collect();
    let blocked = staff.block(&event.id, &free[0..2]).await;
    assert_eq!(blocked.data()["__typename"], "SeatsBlocked");
    let is_blocked = |seat: &Seat| seat.id == free[0].id;
    let now = staff.seats(&event.id).await;
    let one: Vec<Seat> = now
        .iter()
        .filter(|seat| is_blocked(seat))
        .cloned()
        .collect();
    let unblocked = staff.unblock(&event.id, &one).await;
    assert_eq!(unblocked.data()["__typename"], "SeatsUnblocked");
    let sold = staff.book(&event.id, &free[2..3]).await;
    assert_eq!(sold.data()["__typename"], "SeatsBooked");
    let history = staff.seat_history(&now[0].id, &json!({})).await;
    assert!(!history.data()["nodes"].as_array().unwrap().is_empty());

    // The sweeper's, and the pruner's.
    let mut sql = house.sql().await;
    let lapse = "UPDATE seats SET held_until = now() WHERE status = 'HELD'; \
                 UPDATE holds SET expires_at = now() WHERE status = 'ACTIVE'";
    sql.batch_execute(lapse).await.unwrap();
    house.buyer("bert").hold(&event.id, &free[3..4]).await;
    eventually("what has lapsed is given back", async || {
        let lapsed = "seat_changes WHERE cause = 'LAPSED'";
        (count(&mut sql, lapsed).await == 3).then_some(())
    })
    .await;
    assert_sound(&house).await;
    let age = "BEGIN; SET LOCAL session_replication_role = replica; \
               UPDATE seat_changes SET changed_at = changed_at - interval '2 days'; COMMIT";
    sql.batch_execute(age).await.unwrap();
    let kept = RetentionSettings {
        resume_window: Duration::from_hours(24),
        history_retention: Duration::from_hours(24),
        history_changes: None,
    };
    eventually("all is pruned", async || {
        let mut connection = house.running.services.database.connection().await.unwrap();
        prune_some_changes(&mut connection, &kept).await.unwrap();
        (count(&mut sql, "seat_changes").await == 0).then_some(())
    })
    .await;
    let closed = staff.close_sale(&event.id, event.version).await;
    assert_eq!(closed.data()["__typename"], "SaleClosed");
    let of_whom = format!(
        "pg_stat_activity WHERE datname = current_database() AND application_name = 'usher' \
         AND usename <> '{RUN_ROLE}'"
    );
    assert_eq!(count(&mut sql, &of_whom).await, 0);
    drop(watcher);
}
