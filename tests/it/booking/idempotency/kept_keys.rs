//! What is kept of an idempotency key, and for how long.

use super::{KEY, assert_same, holding};
use crate::booking::{hold_key, lapse, published, token_of};
use crate::support::checks;
use crate::support::{House, eventually};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use usher::domain::DomainError;
use usher::domain::prune_idempotency_keys::prune_idempotency_keys;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_for_a_day_even_when_the_hold_is_long_over() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.visitor();
    let input = holding(&event, &event.seats[..1], KEY);
    let held = buyer.hold_input(&input).await;
    lapse(&house, &held).await;
    published(&house).await;
    let mut sql = house.sql().await;
    let age = |hours: &str| {
        format!("UPDATE idempotency_keys SET created_at = now() - interval '{hours}'")
    };
    sql.batch_execute(&age("23 hours 59 minutes"))
        .await
        .unwrap();
    let mut connection = house.running.services.database.connection().await.unwrap();
    assert_eq!(prune_idempotency_keys(&mut connection).await.unwrap(), 0);
    assert_same(&held, &buyer.hold_input(&input).await);
    // Older ones go, however many, and with them what they stood for.
    sql.batch_execute(
        "INSERT INTO idempotency_keys (key_hash, input_hash) \
         SELECT sha256(n::text::bytea), '' FROM generate_series(1, 2500) n",
    )
    .await
    .unwrap();
    // In one transaction: the server's own pruner may come at any time.
    let pruning = connection.transaction::<_, DomainError, _>(async |connection| {
        connection.batch_execute(&age("24 hours 1 minute")).await?;
        prune_idempotency_keys(connection).await
    });
    assert_eq!(pruning.await.unwrap(), 2_501);
    let anew = buyer.hold_input(&input).await;
    assert_eq!(anew.data()["__typename"], "SeatConflict");
    assert_ne!(hold_key(&held), "", "the hold itself stays");
    assert_eq!(checks::count(&mut sql, "holds").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_prunes_when_it_starts() {
    let house = House::open().await;
    let mut sql = house.sql().await;
    sql.batch_execute(
        "INSERT INTO idempotency_keys VALUES ('old', '', NULL, now() - interval '25 hours'), \
         ('new', '', NULL, now() - interval '23 hours')",
    )
    .await
    .unwrap();
    let _replica = house.replica().await;
    eventually("the old key is gone", async || {
        (checks::count(&mut sql, "idempotency_keys").await == 1).then_some(())
    })
    .await;
    assert_eq!(
        checks::count(&mut sql, "idempotency_keys WHERE key_hash = 'new'").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_key_nor_token_is_in_the_database() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let input = holding(&event, &event.seats, KEY);
    let token = token_of(&house.visitor().hold_input(&input).await);
    let mut sql = house.sql().await;
    for secret in [KEY, token.as_str()] {
        let found = format!("idempotency_keys k WHERE k::text LIKE '%{secret}%'");
        assert_eq!(checks::count(&mut sql, &found).await, 0);
    }
    let hash = "idempotency_keys k JOIN holds h ON k.outcome::text LIKE '%token_hash%'";
    assert_eq!(checks::count(&mut sql, hash).await, 0);
}
