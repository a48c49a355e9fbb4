//! What is pruned, and what is kept.

use super::{
    NOTHING, age, answer_to, at_most, change_all, cursor, prune, prune_some, retention, settle,
};
use crate::support::watcher::Watcher;
use crate::support::{House, checks};
use diesel_async::SimpleAsyncConnection;
use serde_json::json;
use usher::db::feed_state;
use usher::db::transaction_id::TransactionId;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_and_a_cursor_before_it_gets_a_map() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let before_all = cursor(&house, &event).await;
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    buyer
        .release(held.data()["token"].as_str().unwrap(), None)
        .await;
    age(&house, "401 days", "true").await;
    let after_the_old = cursor(&house, &event).await;
    buyer.hold(&event.id, &event.seats[1..2]).await;
    age(&house, "399 days", "seat_no = 1").await;
    // To be there for either cursor, whatever is pruned.
    buyer.hold(&event.id, &event.seats[2..]).await;
    settle(&house).await;
    assert_eq!(answer_to(&house, &event, &before_all).await, "a delta");

    assert_eq!(prune(&house, &retention()).await, [2]);
    assert_eq!(
        answer_to(&house, &event, &before_all).await,
        "CURSOR_TOO_OLD"
    );
    assert_eq!(answer_to(&house, &event, &after_the_old).await, "a delta");
    assert_eq!(
        prune(&house, &retention()).await,
        NOTHING,
        "nothing is left"
    );
    assert_eq!(answer_to(&house, &event, &after_the_old).await, "a delta");

    // Staff see that something is gone: the version is not the one of the last step.
    let staff = house.staff();
    let history = async |seat: usize| {
        let page = staff.seat_history(&event.seats[seat].id, &json!({})).await;
        page.data()["nodes"].as_array().unwrap().len()
    };
    assert_eq!(history(0).await, 0);
    assert_eq!(history(1).await, 1);
    assert_eq!(staff.seats(&event.id).await[0].version, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_the_number_goes_unless_it_is_in_the_resume_window() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let mut sql = house.sql().await;
    let mut cursors = Vec::new();
    for _ in 0..6 {
        cursors.push(cursor(&house, &event).await);
        change_all(&mut sql).await;
    }
    assert_eq!(prune(&house, &at_most(1)).await, NOTHING, "all is young");
    age(&house, "25 hours", "version <= 5").await;
    assert_eq!(
        prune(&house, &at_most(6)).await,
        NOTHING,
        "they are no more"
    );
    assert_eq!(prune(&house, &at_most(4)).await, [2]);
    assert_eq!(
        answer_to(&house, &event, &cursors[1]).await,
        "CURSOR_TOO_OLD"
    );
    assert_eq!(answer_to(&house, &event, &cursors[2]).await, "a delta");
    // The last two are in the window.
    assert_eq!(prune(&house, &at_most(1)).await, [2]);
    assert_eq!(
        answer_to(&house, &event, &cursors[3]).await,
        "CURSOR_TOO_OLD"
    );
    assert_eq!(answer_to(&house, &event, &cursors[4]).await, "a delta");
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_deleted_in_part_is_behind_the_horizon() {
    let house = House::open().await;
    let event = house.event(10, 60).await;
    let before = cursor(&house, &event).await;
    let mut sql = house.sql().await;
    // More than one batch, all of one transaction.
    sql.batch_execute("BEGIN").await.unwrap();
    for _ in 0..9 {
        change_all(&mut sql).await;
    }
    sql.batch_execute("COMMIT").await.unwrap();
    age(&house, "401 days", "true").await;
    let after = cursor(&house, &event).await;
    change_all(&mut sql).await;
    settle(&house).await;

    assert_eq!(prune_some(&house, &retention()).await, 5_000);
    assert_eq!(answer_to(&house, &event, &before).await, "CURSOR_TOO_OLD");
    assert_eq!(answer_to(&house, &event, &after).await, "a delta");
    assert_eq!(prune(&house, &retention()).await, [400]);
    assert_eq!(answer_to(&house, &event, &after).await, "a delta");
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pruned_before_what_may_still_appear() {
    let house = House::open().await;
    house.event(1, 2).await;
    let mut late = house.sql().await;
    let block = |seat_no: i32| {
        format!(
            "UPDATE seats SET version = version + 1, status = 'BLOCKED', cause = 'BLOCKED' \
             WHERE seat_no = {seat_no}"
        )
    };
    late.batch_execute("BEGIN").await.unwrap();
    late.batch_execute(&block(0)).await.unwrap();
    let mut sql = house.sql().await;
    sql.batch_execute(&block(1)).await.unwrap();
    age(&house, "401 days", "true").await;
    let pruned = prune_some(&house, &retention()).await;
    late.batch_execute("COMMIT").await.unwrap();
    assert_eq!(pruned, 0);
    assert_eq!(
        prune(&house, &retention()).await,
        NOTHING,
        "the late one is new"
    );
    age(&house, "401 days", "seat_no = 0").await;
    assert_eq!(prune(&house, &retention()).await, [2]);
}

/// As after the restore of a dump into a PostgreSQL that has counted fewer transactions.
#[tokio::test(flavor = "multi_thread")]
async fn changes_with_numbers_that_are_still_to_come_are_pruned_without_a_horizon() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut sql = house.sql().await;
    let restored = |changed_at: &str| {
        format!(
            "INSERT INTO seat_changes (event_id, transaction_id, seat_no, version, status, \
                                       cause, actor, changed_at) \
             SELECT 1, '4000000000000'::xid8, 0, 1, 'HELD', 'HELD', 'buyer:anna', {changed_at} \
             FROM generate_series(1, 3)"
        )
    };
    sql.batch_execute(&restored("now() - interval '401 days'"))
        .await
        .unwrap();
    sql.batch_execute(&restored("now()")).await.unwrap();
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;
    let before = watcher.cursor.unwrap();
    change_all(&mut sql).await;
    assert_eq!(prune_some(&house, &retention()).await, 3);
    assert_eq!(answer_to(&house, &event, &before).await, "a delta");
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 3 + 2);
    let state = feed_state::read(&mut sql).await.unwrap();
    assert_eq!(state.pruned_before, TransactionId(0), "{state:?}");
}
