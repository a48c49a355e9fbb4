//! General admission: rows like any other, and nobody waits for anybody.

use super::{event_on, hall, held, largest_group, standing_zone};
use crate::support::checks::{self, assert_sound};
use crate::support::lock::Lock;
use crate::support::{House, insist};
use futures_util::future::join_all;
use serde_json::json;
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_buyers_at_once_get_what_there_is_and_no_more() {
    let house = House::open().await;
    let field = hall(&[standing_zone("Field", 0, 301)]);
    let event = event_on(&house, &field, json!({})).await;
    let answers = join_all((0..110).map(|number| {
        let (buyer, event) = (house.buyer(&format!("buyer-{number}")), &event);
        async move { insist(async || buyer.best(&event.id, 3).await).await }
    }))
    .await;
    let (held_by, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.data()["__typename"] == "SeatsHeld");
    assert_eq!(held_by.len(), 100);
    let places: HashSet<i32> = held_by.iter().flat_map(|answer| held(answer)).collect();
    assert_eq!(places.len(), 300, "each place once");
    for refusal in refused {
        assert!(largest_group(refusal) < 3);
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_somebody_is_at_is_not_waited_for() {
    let house = House::open().await;
    let field = hall(&[standing_zone("Field", 0, 20)]);
    let event = event_on(&house, &field, json!({})).await;
    let half = "BEGIN; SELECT 1 FROM seats WHERE seat_no < 10 FOR UPDATE";
    let lock = Lock::by(&house.database_url, half).await;
    // As many as are not locked: answered while the others still are.
    let answers = join_all((0..5).map(|_| {
        let (visitor, event) = (house.visitor(), &event);
        async move { visitor.best(&event.id, 2).await }
    }))
    .await;
    let places: HashSet<i32> = answers.iter().flat_map(held).collect();
    assert_eq!(places, (10..20).collect());
    lock.let_go().await;
    let mut sql = house.sql().await;
    assert_eq!(
        checks::count(&mut sql, "seats WHERE status = 'HELD'").await,
        10
    );
    assert_sound(&house).await;
}
