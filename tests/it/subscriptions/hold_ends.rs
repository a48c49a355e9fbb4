//! How `Subscription.hold` ends: its last message says what became of the hold, and then
//! it is complete.

use super::Subscribed;
use super::hold::watch;
use crate::booking::{AbsentSweeper, states, token_of};
use crate::support::actor::Actor;
use crate::support::{Answer, Event, House, checks};
use serde_json::json;

/// Anna watches her hold of the two seats of an event.
struct Stage {
    house: House,
    event: Event,
    anna: Actor,
    held: Answer,
    token: String,
    watcher: Subscribed,
}

impl Stage {
    /// In an event with these changes to its input.
    async fn new(changes: serde_json::Value) -> Self {
        let house = House::open().await;
        let draft = house.draft(1, 2, changes).await;
        let event = house.open_sale(draft).await;
        let anna = house.buyer("anna");
        let held = anna.hold(&event.id, &event.seats).await;
        let token = token_of(&held);
        let mut watcher = watch(&house, &anna, &token).await;
        assert!(watcher.next().await["end"].is_null());
        Self {
            house,
            event,
            anna,
            held,
            token,
            watcher,
        }
    }

    /// It is told of this end, with these seats left, and of nothing more.
    async fn expect(&mut self, end: &str, seats: &[(&str, i64)]) {
        let last = self.watcher.next().await;
        assert_eq!(last["end"], end);
        assert_eq!(last["id"], self.held.data()["hold"]["id"]);
        assert_eq!(states(&last["seats"]), seats);
        self.watcher.expect_end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed() {
    let mut stage = Stage::new(json!({})).await;
    stage.anna.confirm(&stage.token).await.data();
    stage.expect("CONFIRMED", &[("BOOKED", 3); 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_on_another_replica() {
    let mut stage = Stage::new(json!({})).await;
    let replica = stage.house.replica().await;
    replica.buyer("anna").confirm(&stage.token).await.data();
    stage.expect("CONFIRMED", &[("BOOKED", 3); 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn released() {
    let mut stage = Stage::new(json!({})).await;
    stage.anna.release(&stage.token, None).await.data();
    stage.expect("RELEASED", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn released_with_its_event() {
    let mut stage = Stage::new(json!({})).await;
    let Event { id, version, .. } = &stage.event;
    let cancelled = stage.house.staff().cancel_event(id, *version).await;
    assert_eq!(cancelled.data()["endedHolds"], 1);
    stage.expect("RELEASED", &[("AVAILABLE", 3); 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lapsed_and_published() {
    let mut stage = Stage::new(json!({"holdSeconds": 1})).await;
    let last = stage.watcher.next().await;
    assert_eq!(last["end"], "LAPSED");
    assert_eq!(last["expiresAt"], stage.held.data()["hold"]["expiresAt"]);
    stage.watcher.expect_end().await;
}

/// Nobody publishes it: the sweeper is busy with another hold. Its owner is told in time.
#[tokio::test(flavor = "multi_thread")]
async fn lapsed_and_not_published() {
    let house = House::open().await;
    let sweeper = AbsentSweeper::of(&house);
    let draft = house.draft(1, 2, json!({"holdSeconds": 1})).await;
    let event = house.open_sale(draft).await;
    let visitor = house.visitor();
    let held = visitor.hold(&event.id, &event.seats).await;
    let mut watcher = watch(&house, &visitor, &token_of(&held)).await;
    assert!(watcher.next().await["end"].is_null());
    let last = watcher.next().await;
    assert_eq!(last["end"], "LAPSED");
    watcher.expect_end().await;
    let published = "seat_changes WHERE event_id = 1 AND cause = 'LAPSED'";
    let mut sql = house.sql().await;
    assert_eq!(checks::count(&mut sql, published).await, 0);
    let is_over = "holds WHERE event_id = 1 AND status = 'ACTIVE' AND expires_at <= now()";
    assert_eq!(
        checks::count(&mut sql, is_over).await,
        1,
        "not before its time"
    );
    sweeper.let_go(&house).await;
}
