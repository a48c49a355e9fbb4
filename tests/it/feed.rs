//! The change feed and the live map: in commit order, without a gap.

use crate::support::checks::{self, assert_sound};
use crate::support::watcher::Watcher;
use crate::support::{House, eventually};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::join_all;
use serde_json::json;
use usher::db::feed_state;

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_gets_the_map_and_then_what_changes() {
    let house = House::open().await;
    let event = house.event(2, 5).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    let snapshot = watcher.next().await;
    assert_eq!(snapshot["__typename"], "SeatMapSnapshot");
    assert_eq!(snapshot["reason"], "SUBSCRIBED");
    assert_eq!(watcher.seats.len(), 10);

    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[2..4]).await;
    let delta = watcher.next().await;
    assert_eq!(delta["__typename"], "SeatMapDelta");
    let change =
        |seat: usize| json!({"seatId": event.seats[seat].id, "status": "HELD", "version": 2});
    assert_eq!(
        delta["changes"],
        json!([change(2), change(3)]),
        "both at once, in one message"
    );

    let token = held.data()["token"].as_str().unwrap();
    buyer.confirm(token).await;
    let delta = watcher.next().await;
    assert_eq!(delta["changes"][0]["status"], "BOOKED");
    assert_eq!(delta["changes"][0]["version"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_resumes_by_cursor_and_misses_nothing() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;
    let buyer = house.buyer("anna");
    buyer.hold(&event.id, &event.seats[..1]).await;
    watcher
        .until(|watcher| watcher.version(&event.seats[0].id) == 2)
        .await;
    let cursor = watcher.cursor.clone().unwrap();
    drop(watcher);

    // While it is away, on this replica and on another.
    buyer.hold(&event.id, &event.seats[1..2]).await;
    let replica = house.replica().await;
    replica
        .buyer("bert")
        .hold(&event.id, &event.seats[2..3])
        .await;

    let mut resumed = Watcher::new(&replica, &event.id, Some(&cursor)).await;
    let first = resumed.next().await;
    assert_eq!(first["__typename"], "SeatMapDelta", "no snapshot");
    let both = |watcher: &Watcher| {
        watcher.version(&event.seats[1].id) == 2 && watcher.version(&event.seats[2].id) == 2
    };
    resumed.until(both).await;
    assert_eq!(
        resumed.version(&event.seats[0].id),
        0,
        "what was seen is not sent again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_one_replica_reaches_the_watchers_of_another() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 1).await;
    let mut watcher = Watcher::new(&replica, &event.id, None).await;
    watcher.next().await;
    house.buyer("anna").hold(&event.id, &event.seats).await;
    watcher
        .until(|watcher| watcher.version(&event.seats[0].id) == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_cannot_be_resumed_gets_a_snapshot_that_says_why() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let other = house.event(1, 1).await;
    let visitor = house.visitor();
    let held = visitor.hold(&event.id, &event.seats[..1]).await;
    let of_mutation = held.data()["cursor"].as_str().unwrap();
    let of_map = visitor.seat_map(&event.id).await["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let of_other_event = visitor.seat_map(&other.id).await["cursor"]
        .as_str()
        .unwrap()
        .to_owned();

    let reason = async |cursor: &str| {
        let mut watcher = Watcher::new(&house, &event.id, Some(cursor)).await;
        let first = watcher.next().await;
        assert_eq!(first["__typename"], "SeatMapSnapshot", "{first}");
        assert_eq!(
            watcher.version(&event.seats[0].id),
            2,
            "and it is the map as it is"
        );
        first["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason(of_mutation).await, "CURSOR_OF_MUTATION");
    assert_eq!(reason(&of_other_event).await, "CURSOR_UNKNOWN");
    assert_eq!(reason(&of_the_future(&of_map)).await, "CURSOR_UNKNOWN");

    let mut sql = house.sql().await;
    // Past the cursor for certain: it may stand just before this transaction.
    let prune = "UPDATE feed SET horizon = (pg_current_xact_id()::text::bigint + 1)::text::xid8";
    sql.batch_execute(prune).await.unwrap();
    // Who has the changes in memory still tells them; who reads the feed anew cannot.
    let replica = house.replica().await;
    let mut watcher = Watcher::new(&replica, &event.id, Some(&of_map)).await;
    let first = watcher.next().await;
    assert_eq!(first["reason"], "CURSOR_TOO_OLD", "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_is_told_when_another_database_is_behind_the_address() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;
    let cursor = watcher.cursor.clone().unwrap();
    let mut sql = house.sql().await;
    sql.batch_execute("UPDATE feed SET epoch = epoch + 1")
        .await
        .unwrap();
    house.running.services.feed.announce();
    let message = watcher.next().await;
    assert_eq!(message["reason"], "CURSOR_UNKNOWN", "{message}");
    let mut resumed = Watcher::new(&house, &event.id, Some(&cursor)).await;
    assert_eq!(resumed.next().await["reason"], "CURSOR_UNKNOWN");
    // It goes on from there.
    house.buyer("anna").hold(&event.id, &event.seats[..1]).await;
    watcher
        .until(|watcher| watcher.version(&event.seats[0].id) == 2)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_knows_of_the_feed_is_true_of_one_number_in_one_table() {
    let house = House::open().await;
    let mut sql = house.sql().await;
    let mut known = None;
    let mut told: Vec<i64> = Vec::new();
    let renamed = "CREATE TABLE copy (LIKE feed INCLUDING ALL); INSERT INTO copy TABLE feed; \
                   DROP TABLE feed; ALTER TABLE copy RENAME TO feed";
    for change in ["", "UPDATE feed SET epoch = epoch + 1", renamed] {
        sql.batch_execute(change).await.unwrap();
        let asked_anew = feed_state::read(&mut sql).await.unwrap();
        // Once to find out, once because it knows.
        for _ in 0..2 {
            let look = feed_state::look(&mut sql, &mut known).await;
            assert_eq!(look.unwrap().state.epoch, asked_anew.epoch, "{change}");
        }
        assert!(!told.contains(&asked_anew.epoch), "{change}");
        told.push(asked_anew.epoch);
    }
}

/// The same cursor, a long way ahead.
fn of_the_future(cursor: &str) -> String {
    let mut cursor: usher::model::cursor::Cursor = cursor.parse().unwrap();
    cursor.transaction += 1_000_000;
    cursor.to_string()
}

/// Two transactions that overlap: the first one takes its place in the feed and
/// commits after the second, which a watcher may see in between.
struct LateCommitter {
    late: AsyncPgConnection,
}

impl LateCommitter {
    /// Begins a transaction that has changed `seat_no` of event 1.
    async fn begin(house: &House, seat_no: i32) -> Self {
        let mut late = house.sql().await;
        late.batch_execute("BEGIN").await.unwrap();
        let change = format!(
            "UPDATE seats SET version = version + 1, status = 'BLOCKED', cause = 'BLOCKED' \
             WHERE event_id = 1 AND seat_no = {seat_no}"
        );
        late.batch_execute(&change).await.unwrap();
        Self { late }
    }

    async fn commit(mut self) {
        self.late.batch_execute("COMMIT").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_commits_late_is_not_skipped() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;

    let late = LateCommitter::begin(&house, 0).await;
    // Later in the feed, and committed first.
    let held = house
        .buyer("anna")
        .hold(&event.id, &event.seats[1..2])
        .await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    // A map is the replay of the feed up to its cursor, and nothing after it: the feed is
    // held back, not stuck.
    let mut reader = Watcher::new(&house, &event.id, None).await;
    reader.next().await;
    assert_eq!(reader.version(&event.seats[0].id), 1);
    assert_eq!(reader.version(&event.seats[1].id), 1);
    // One that is read from the database meanwhile has it, and is told it again.
    let replica = house.replica().await;
    let mut elsewhere = Watcher::new(&replica, &event.id, None).await;
    elsewhere.next().await;
    assert_eq!(elsewhere.version(&event.seats[1].id), 2);
    late.commit().await;

    for watcher in [&mut watcher, &mut reader, &mut elsewhere] {
        let is_newest =
            |watcher: &Watcher| (0..2).all(|seat| watcher.version(&event.seats[seat].id) == 2);
        watcher.until(is_newest).await;
    }
    assert_sound(&house).await;
}

#[derive(QueryableByName)]
struct FeedRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The negative control: a reader that goes by the id alone skips the late one.
#[tokio::test(flavor = "multi_thread")]
async fn the_naive_cursor_does_skip_a_transaction_that_commits_late() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let mut sql = house.sql().await;
    let read = async |sql: &mut AsyncPgConnection, after: i64| -> Vec<FeedRow> {
        let query = format!("SELECT id FROM seat_changes WHERE id > {after} ORDER BY id");
        diesel::sql_query(query).load(sql).await.unwrap()
    };

    let late = LateCommitter::begin(&house, 0).await;
    house
        .buyer("anna")
        .hold(&event.id, &event.seats[1..2])
        .await;
    let mut seen = read(&mut sql, 0).await;
    let cursor = seen.last().unwrap().id;
    late.commit().await;
    seen.extend(read(&mut sql, cursor).await);

    let written = checks::count(&mut sql, "seat_changes").await;
    assert_eq!(written, 2);
    assert_eq!(seen.len(), 1, "the late one was skipped for good");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_happens_while_many_write_reaches_the_map() {
    let house = House::open().await;
    let event = house.event(4, 10).await;
    let mut watchers = Vec::new();
    for _ in 0..3 {
        watchers.push(Watcher::new(&house, &event.id, None).await);
    }
    let watching = tokio::spawn({
        let event = event.clone();
        async move {
            join_all(watchers.iter_mut().map(|watcher| {
                watcher.until(|watcher| {
                    event
                        .seats
                        .iter()
                        .all(|seat| watcher.version(&seat.id) == 4)
                })
            }))
            .await;
            watchers
                .into_iter()
                .map(|watcher| watcher.seats)
                .collect::<Vec<_>>()
        }
    });
    // Each seat is held, given back, and held again.
    join_all(event.seats.iter().enumerate().map(|(number, seat)| {
        let buyer = house.buyer(&format!("buyer-{number}"));
        let event = &event;
        async move {
            let mut seat = seat.clone();
            for _ in 0..2 {
                let held = buyer.hold(&event.id, std::slice::from_ref(&seat)).await;
                if seat.version == 1 {
                    buyer
                        .release(held.data()["token"].as_str().unwrap(), None)
                        .await;
                }
                seat.version += 2;
            }
        }
    }))
    .await;

    let maps = watching.await.unwrap();
    let map = house.visitor().seat_map(&event.id).await;
    for seat in map["seats"].as_array().unwrap() {
        for known in &maps {
            let (version, status) = &known[seat["id"].as_str().unwrap()];
            assert_eq!((*version, status.as_str()), (4, "HELD"));
            assert_eq!(seat["version"], *version);
        }
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_its_own_write_on_another_replica() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 1).await;
    let held = house.visitor().hold(&event.id, &event.seats).await;
    let query = "query($id: ID!, $cursor: Cursor) { \
        event(id: $id) { seatMap(atLeast: $cursor) { seats { version } } } }";
    let cursor = held.data()["cursor"].clone();
    let variables = json!({"id": event.id, "cursor": cursor});
    let answer = replica.visitor().ask(query, variables).await;
    assert_eq!(answer.data()["event"]["seatMap"]["seats"][0]["version"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_outlives_the_loss_of_every_connection() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut watcher = Watcher::new(&house, &event.id, None).await;
    watcher.next().await;
    let mut sql = house.sql().await;
    sql.batch_execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await
    .unwrap();
    let buyer = house.buyer("anna");
    // The pool may find out by failing once.
    eventually("a hold succeeds again", async || {
        let answer = buyer.hold(&event.id, &event.seats[..1]).await;
        (answer.0["data"]["__typename"] == "SeatsHeld").then_some(())
    })
    .await;
    watcher
        .until(|watcher| watcher.version(&event.seats[0].id) == 2)
        .await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_nobody_may_see_is_not_watched() {
    let house = House::open().await;
    let draft = house.draft(1, 1, json!({})).await;
    let query = "query($id: ID!) { event(id: $id) { id } }";
    let answer = house.visitor().ask(query, json!({"id": draft.id})).await;
    assert!(answer.data()["event"].is_null());
    let refused = Watcher::refused(&house, &draft.id).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "NOT_FOUND");
}
