//! Updates of the hot table stay in their page and out of its index (HOT).
//!
//! Not part of the contract: usher would answer the same, and get slower with every sale.
//! `seat_rules` has the other half, that no index covers what a transition of usher's writes.

use crate::support::cluster::{connect, options};
use crate::support::eventually;
use crate::support::program::DataFolder;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use usher::db::embedded::EmbeddedPostgres;
use usher::db::migrations;

const SEATS: i64 = 480;

#[derive(QueryableByName)]
struct Updates {
    #[diesel(sql_type = BigInt)]
    all: i64,
    #[diesel(sql_type = BigInt)]
    heap_only: i64,
}

/// A PostgreSQL of its own, and no usher: whoever has a transaction open, in whichever database,
/// keeps old rows in their pages, now more and now fewer of them.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_seats_have_room_for_buyers_with_long_names() {
    let folder = DataFolder::new();
    let settings = [
        ("fsync", "off"),
        ("shared_buffers", "16MB"),
        ("autovacuum", "off"),
    ];
    let options = options(folder.path(), settings);
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    let url = postgres.database_url().to_owned();
    migrations::run_pending(connect(&url).await).await.unwrap();
    let mut sale = connect(&url).await;
    let create = format!(
        "INSERT INTO seats (event_id, seat_no) SELECT 1, n FROM generate_series(0, {SEATS} - 1) n"
    );
    sale.batch_execute(&create).await.unwrap();
    // As long as the names are that identity providers give.
    let held = "status = 'HELD', cause = 'HELD', held_until = now() + interval '1 minute', \
                actor = 'buyer:auth|5f7c8ec7-c33d-4f1e-a7a5-0123456789ab'";
    let booked = "status = 'BOOKED', cause = 'BOOKED', held_until = NULL";
    for first in (0..SEATS).step_by(4) {
        for change in [held, booked] {
            let update = format!(
                "UPDATE seats SET version = version + 1, owner_id = gen_random_uuid(), {change} \
                 WHERE event_id = 1 AND seat_no BETWEEN {first} AND {first} + 3"
            );
            sale.batch_execute(&update).await.unwrap();
        }
    }
    // A connection counts for itself until it has nothing to do for a while, or ends.
    drop(sale);

    let sql = &mut connect(&url).await;
    let counted = "SELECT n_tup_upd AS \"all\", n_tup_hot_upd AS heap_only \
                   FROM pg_stat_user_tables WHERE relname = 'seats'";
    let updates = eventually("all updates are counted", async || {
        let updates: Updates = diesel::sql_query(counted).get_result(sql).await.unwrap();
        (updates.all >= 2 * SEATS).then_some(updates)
    })
    .await;
    assert_eq!(updates.heap_only, updates.all, "all updates were heap-only");
    postgres.stop().await.unwrap();
}
