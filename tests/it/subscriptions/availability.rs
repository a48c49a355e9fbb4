//! `Subscription.availability`: the counts as they are, and again when they are others.

use super::Subscribed;
use crate::booking::token_of;
use crate::support::program::Server;
use crate::support::{House, Seat, eventually};
use serde_json::{Value, json};
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

const AVAILABILITY: &str = "subscription($id: ID!) { availability(eventId: $id) { \
    total { available held booked blocked } byZone { zone seats { available held } } } }";

async fn watch(server: &str, event: &str) -> Subscribed {
    let variables = json!({"id": event});
    Subscribed::to((server, None), "availability", AVAILABILITY, variables).await
}

fn total([available, held, booked, blocked]: [u32; 4]) -> Value {
    json!({"available": available, "held": held, "booked": booked, "blocked": blocked})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_are_told_and_told_again_when_they_change() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 6).await;
    let mut watcher = watch(&house.url, &event.id).await;
    assert_eq!(watcher.next().await["total"], total([6, 0, 0, 0]));
    let anna = house.buyer("anna");
    let token = token_of(&anna.hold(&event.id, &event.seats[..2]).await);
    let told = watcher.next().await;
    assert_eq!(told["total"], total([4, 2, 0, 0]));
    assert_eq!(
        told["byZone"],
        json!([{"zone": "Stalls", "seats": {"available": 4, "held": 2}}])
    );
    replica.buyer("anna").confirm(&token).await.data();
    assert_eq!(watcher.next().await["total"], total([4, 0, 2, 0]));
    house.block("seat_no = 5").await;
    assert_eq!(watcher.next().await["total"], total([3, 0, 2, 1]));
}

/// In a process of its own: its count of executions says when the change was looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_leaves_the_counts_as_they_are_is_not_told() {
    let house = House::open().await;
    let event = house.event(1, 6).await;
    let server = Server::beside(&house, &[]).await;
    let visitor = server.visitor();
    let token = token_of(&visitor.hold(&event.id, &event.seats[..1]).await);
    let mut watcher = watch(&server.url, &event.id).await;
    assert_eq!(watcher.next().await["total"], total([5, 1, 0, 0]));
    let executions = async || server.sample("usher_watcher_executions_total").await;
    let before = executions().await;

    let given = [Seat {
        version: 2,
        ..event.seats[0].clone()
    }];
    let exchanged = visitor
        .exchange_held(&token, &given, &event.seats[4..5])
        .await;
    assert_eq!(exchanged.data()["__typename"], "SeatsExchanged");
    eventually("the counts are looked at again", async || {
        (executions().await > before).then_some(())
    })
    .await;
    visitor.hold(&event.id, &event.seats[1..2]).await.data();
    assert_eq!(watcher.next().await["total"], total([4, 2, 0, 0]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_may_see_is_not_counted() {
    let house = House::open().await;
    let draft = house.draft(1, 1, json!({})).await;
    let nothing = GlobalId::Event(EventId(999)).to_string();
    for hidden in [&draft.id, &nothing] {
        let watcher = watch(&house.url, hidden).await;
        watcher.expect_refusal("NOT_FOUND").await;
    }
    let token = house.staff().token;
    let variables = json!({"id": draft.id});
    let staff = (&*house.url, token.as_deref());
    let mut staff = Subscribed::to(staff, "availability", AVAILABILITY, variables).await;
    assert_eq!(staff.next().await["total"], total([1, 0, 0, 0]));
    // Who has watched the draft goes on when it is on sale.
    house.open_sale(draft.clone()).await;
    house.visitor().hold(&draft.id, &draft.seats).await.data();
    assert_eq!(staff.next().await["total"], total([0, 1, 0, 0]));
}

/// In a process of its own: its count of maps that were counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_map_is_counted_once_whatever_is_asked_of_the_counts() {
    let house = House::open().await;
    let event = house.event(1, 6).await;
    let server = Server::beside(&house, &[]).await;
    let mut watchers = Vec::new();
    for number in 0..8 {
        // Each by a name of its own, so that each is an execution.
        let named = format!("zones{number}: byZone");
        let document = AVAILABILITY.replace("byZone", &named);
        let variables = json!({"id": event.id});
        let server = (&*server.url, None);
        let watcher = Subscribed::to(server, "availability", &document, variables);
        watchers.push(watcher.await);
    }
    for watcher in &mut watchers {
        assert_eq!(watcher.next().await["total"]["available"], 6);
    }
    let query = "query($id: ID!) { event(id: $id) { \
        a: availability { total { available } } b: availability { total { held } } } }";
    server
        .visitor()
        .ask(query, json!({"id": event.id}))
        .await
        .data();
    let counted = async || server.sample("usher_maps_counted_total").await;
    let before = counted().await;
    assert!((before - 1.0).abs() < 0.5, "counted {before} times");
    let executions = server.sample("usher_watcher_executions_total").await;
    assert!((executions - 8.0).abs() < 0.5, "{executions} executions");
    server.stop().await;
}
