//! How `Subscription.hold` ends: its last message says what became of the hold, and then
//! it is complete.

use super::Subscribed;
use super::hold::watch;
use crate::booking::{AbsentSweeper, hold_id, leaving, states, token_of};
use crate::support::actor::Actor;
use crate::support::{Answer, Event, House, checks};
use diesel_async::SimpleAsyncConnection;
use serde_json::Value;

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
    async fn new() -> Self {
        let house = House::open().await;
        let event = house.event(1, 2).await;
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

    /// The hold has one second left, and its watcher hears of that, as of an extension.
    /// Answers the last that it is told, by which that second is over.
    async fn last_of_one_second(&mut self) -> Value {
        let mut sql = self.house.sql().await;
        sql.batch_execute(&leaving(1, &self.held)).await.unwrap();
        let feed = &self.house.running.services.feed;
        feed.announce_hold(hold_id(&self.held));
        loop {
            let told = self.watcher.next().await;
            if !told["end"].is_null() {
                return told;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed() {
    let mut stage = Stage::new().await;
    stage.anna.confirm(&stage.token).await.data();
    stage.expect("CONFIRMED", &[("BOOKED", 3); 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_on_another_replica() {
    let mut stage = Stage::new().await;
    let replica = stage.house.replica().await;
    replica.buyer("anna").confirm(&stage.token).await.data();
    stage.expect("CONFIRMED", &[("BOOKED", 3); 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn released() {
    let mut stage = Stage::new().await;
    stage.anna.release(&stage.token, None).await.data();
    stage.expect("RELEASED", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn released_with_its_event() {
    let mut stage = Stage::new().await;
    let Event { id, version, .. } = &stage.event;
    let cancelled = stage.house.staff().cancel_event(id, *version).await;
    assert_eq!(cancelled.data()["endedHolds"], 1);
    stage.expect("RELEASED", &[("AVAILABLE", 3); 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lapsed_and_published() {
    let mut stage = Stage::new().await;
    let last = stage.last_of_one_second().await;
    assert_eq!(last["end"], "LAPSED");
    // When its time was over, and not when somebody saw it.
    let end = last["expiresAt"].as_str().unwrap();
    let stored = format!("holds WHERE expires_at = '{end}'");
    let mut sql = stage.house.sql().await;
    assert_eq!(checks::count(&mut sql, &stored).await, 1, "{end}");
    stage.watcher.expect_end().await;
}

/// Nobody publishes it: the sweeper is busy with another hold. Its owner is told in time.
#[tokio::test(flavor = "multi_thread")]
async fn lapsed_and_not_published() {
    let mut stage = Stage::new().await;
    let sweeper = AbsentSweeper::of(&stage.house);
    let last = stage.last_of_one_second().await;
    assert_eq!(last["end"], "LAPSED");
    stage.watcher.expect_end().await;
    let published = "seat_changes WHERE event_id = 1 AND cause = 'LAPSED'";
    let mut sql = stage.house.sql().await;
    assert_eq!(checks::count(&mut sql, published).await, 0);
    let is_over = "holds WHERE event_id = 1 AND status = 'ACTIVE' AND expires_at <= now()";
    assert_eq!(
        checks::count(&mut sql, is_over).await,
        1,
        "not before its time"
    );
    sweeper.let_go(&stage.house).await;
}
