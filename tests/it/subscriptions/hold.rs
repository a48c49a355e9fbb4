//! `Subscription.hold` while the hold runs: whatever happens to it, here or on another
//! replica, its owner is told; and nobody else.

use super::Subscribed;
use crate::booking::{lapse, states, token_of};
use crate::support::actor::Actor;
use crate::support::program::Server;
use crate::support::{Answer, Event, House, Seat};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const HOLD: &str = "subscription($token: String!) { hold(token: $token) { \
    id end expiresAt total { amountMinor } event { name } seats { id status version } } }";

/// Watches the hold of this token as this person.
pub async fn watch(house: &House, who: &Actor, token: &str) -> Subscribed {
    let who = (&*house.url, who.token.as_deref());
    Subscribed::to(who, "hold", HOLD, json!({"token": token})).await
}

/// An event of five seats, of which anna holds the first two.
async fn held(house: &House) -> (Event, Actor, Answer) {
    let event = house.event(1, 5).await;
    let anna = house.buyer("anna");
    let held = anna.hold(&event.id, &event.seats[..2]).await;
    (event, anna, held)
}

fn ids(hold: &Value) -> Vec<&str> {
    let seats = hold["seats"].as_array().unwrap().iter();
    seats.map(|seat| seat["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_is_the_hold_as_it_is() {
    let house = House::open().await;
    let (_, anna, held) = held(&house).await;
    let mut watcher = watch(&house, &anna, &token_of(&held)).await;
    let first = watcher.next().await;
    let hold = &held.data()["hold"];
    assert_eq!(first["id"], hold["id"]);
    assert_eq!(first["expiresAt"], hold["expiresAt"]);
    assert_eq!(first["end"], Value::Null);
    assert_eq!(first["total"]["amountMinor"], 2_000);
    assert_eq!(first["event"]["name"], "A Test");
    assert_eq!(states(&first["seats"]), [("HELD", 2); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_owner_sees_it_extended_here_and_on_another_replica() {
    let house = House::open().await;
    let replica = house.replica().await;
    let (_, anna, held) = held(&house).await;
    let token = token_of(&held);
    let mut watcher = watch(&house, &anna, &token).await;
    let mut before = watcher.next().await["expiresAt"].clone();
    for extending in [&anna, &replica.buyer("anna")] {
        let extended = extending.extend(&token).await;
        let expires_at = &extended.data()["hold"]["expiresAt"];
        assert_ne!(*expires_at, before);
        let told = watcher.next().await;
        assert_eq!(told["expiresAt"], *expires_at);
        assert_eq!(states(&told["seats"]), [("HELD", 2); 2], "the seats stay");
        before = expires_at.clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_owner_sees_it_grow_here_and_on_another_replica_and_shrink() {
    let house = House::open().await;
    let replica = house.replica().await;
    let (event, anna, held) = held(&house).await;
    let token = token_of(&held);
    let mut watcher = watch(&house, &anna, &token).await;
    watcher.next().await;
    let seat = |number: usize| &*event.seats[number].id;
    let growing = [(&anna, 2_usize), (&replica.buyer("anna"), 3)];
    for (actor, more) in growing {
        let seats = &event.seats[more..=more];
        let grown = actor.hold_into(&event.id, seats, Some(&token)).await;
        assert_eq!(token_of(&grown), token);
        let told = watcher.next().await;
        let expected: Vec<&str> = (0..=more).map(seat).collect();
        assert_eq!(ids(&told), expected);
        assert_eq!(told["total"]["amountMinor"], 1_000 * (more + 1));
    }
    anna.release(&token, Some(&[seat(0), seat(3)])).await.data();
    let told = watcher.next().await;
    assert_eq!(ids(&told), [seat(1), seat(2)]);
    assert_eq!(told["end"], Value::Null);
    // On another replica no less, and of a seat that came later.
    let elsewhere = replica.buyer("anna");
    elsewhere.release(&token, Some(&[seat(2)])).await.data();
    assert_eq!(ids(&watcher.next().await), [seat(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_owner_sees_it_exchanged() {
    let house = House::open().await;
    let (event, anna, held) = held(&house).await;
    let token = token_of(&held);
    let mut watcher = watch(&house, &anna, &token).await;
    watcher.next().await;
    let given = [Seat {
        version: 2,
        ..event.seats[0].clone()
    }];
    let exchanged = anna.exchange_held(&token, &given, &event.seats[4..]).await;
    assert_eq!(exchanged.data()["__typename"], "SeatsExchanged");
    let told = watcher.next().await;
    assert_eq!(ids(&told), [&*event.seats[1].id, &event.seats[4].id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_is_none_of_its_business() {
    let house = House::open().await;
    let (event, anna, held) = held(&house).await;
    let token = token_of(&held);
    let mut watcher = watch(&house, &anna, &token).await;
    let first = watcher.next().await;
    let bert = house.buyer("bert");
    let other = token_of(&bert.hold(&event.id, &event.seats[2..3]).await);
    bert.extend(&other).await.data();
    bert.confirm(&other).await.data();
    house.block("seat_no = 4").await;
    anna.extend(&token).await.data();
    let told = watcher.next().await;
    assert_ne!(told["expiresAt"], first["expiresAt"], "anna's own, at once");
}

/// The token with another byte in this place: 8 name the event, 16 the hold, 16 are secret.
fn forged(token: &str, place: usize) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[place] ^= 1;
    URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_costs_no_map() {
    let house = House::open().await;
    let server = Server::beside(&house, &[]).await;
    let event = house.event(1, 2).await;
    let held = house.visitor().hold(&event.id, &event.seats).await;
    let token = token_of(&held);
    // Of an event that does not exist, of no hold, and of no secret of it.
    for place in [0, 8, 39] {
        let variables = json!({"token": forged(&token, place)});
        let watcher = Subscribed::to((&server.url, None), "hold", HOLD, variables).await;
        watcher.expect_refusal("NOT_FOUND").await;
    }
    let loads = server.sample("usher_live_map_loads_total").await;
    assert!(loads < 0.5, "{loads} maps were loaded for nothing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_use_a_hold_is_told_that_there_is_none() {
    let house = House::open().await;
    let (event, anna, held) = held(&house).await;
    let token = token_of(&held);
    // Malformed, of nothing, of another secret, of an event that does not exist.
    let (other_secret, other_event) = (forged(&token, 39), forged(&token, 0));
    for unknown in ["", "nonsense", &token[1..], &other_secret, &other_event] {
        let watcher = watch(&house, &anna, unknown).await;
        watcher.expect_refusal("NOT_FOUND").await;
    }
    // It is signed in, and others are not she.
    for other in [house.buyer("bert"), house.visitor()] {
        let watcher = watch(&house, &other, &token).await;
        watcher.expect_refusal("NOT_FOUND").await;
    }

    // Over already: released, confirmed, lapsed and published or not.
    anna.release(&token, None).await.data();
    let seat = |number: usize| &event.seats[number..=number];
    let booked = token_of(&anna.hold(&event.id, seat(2)).await);
    anna.confirm(&booked).await.data();
    let lapsing = anna.hold(&event.id, seat(3)).await;
    lapse(&house, &lapsing).await;
    for over in [&token, &booked, &token_of(&lapsing)] {
        let watcher = watch(&house, &anna, over).await;
        watcher.expect_refusal("NOT_FOUND").await;
    }
}
