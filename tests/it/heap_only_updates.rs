//! Updates of the hot table stay in their page and out of its index (HOT).
//!
//! Not part of the contract: usher would answer the same, and get slower with every sale.

use crate::booking::token_of;
use crate::support::{House, eventually};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;

#[derive(QueryableByName)]
struct Updates {
    #[diesel(sql_type = BigInt)]
    all: i64,
    #[diesel(sql_type = BigInt)]
    heap_only: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_to_buyers_with_long_names_writes_into_no_index_of_seats() {
    let house = House::open().await;
    let event = house.event(12, 40).await;
    // As long as the names are that identity providers give.
    let buyer = house.buyer("auth|5f7c8ec7-c33d-4f1e-a7a5-0123456789ab");
    for seats in event.seats.chunks(4) {
        let token = token_of(&buyer.hold(&event.id, seats).await);
        let confirmed = buyer.confirm(&token).await;
        assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    }

    let sql = &mut house.sql().await;
    // A connection counts for itself until it has nothing to do for a while, or ends.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    diesel::sql_query(end).execute(sql).await.unwrap();
    let counted = "SELECT n_tup_upd AS \"all\", n_tup_hot_upd AS heap_only \
                   FROM pg_stat_user_tables WHERE relname = 'seats'";
    let expected = 2 * i64::try_from(event.seats.len()).unwrap();
    let updates = eventually("all updates are counted", async || {
        let updates: Updates = diesel::sql_query(counted).get_result(sql).await.unwrap();
        (updates.all >= expected).then_some(updates)
    })
    .await;
    // A reader that happens to have a snapshot keeps a few old rows in their pages.
    assert!(
        updates.heap_only * 100 >= updates.all * 98,
        "{} of {} updates were heap-only",
        updates.heap_only,
        updates.all
    );
}
