//! Requests whose answer never came: the client, a connection, a server or the database was gone.

use super::{KEY, assert_same, holding};
use crate::booking::{states, token_of};
use crate::support::checks::assert_sound;
use crate::support::cut::Cut;
use crate::support::house::settings;
use crate::support::program::{DataFolder, Server};
use crate::support::slow_hold::SlowHold;
use crate::support::{Event, House, eventually};
use nix::sys::signal::{Signal, kill};
use serde_json::json;
use std::time::Duration;
use usher::config::DatabaseSettings;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_left_too_early_is_answered_when_it_comes_back() {
    let house = House::open().await;
    let mut slow = SlowHold::at(&house).await;
    let event = slow.event.clone();
    let input = holding(&event, &event.seats, KEY);
    let visitor = house.visitor();
    let leaving = tokio::spawn({
        let (visitor, input) = (visitor.clone(), input.clone());
        async move { visitor.hold_input(&input).await }
    });
    slow.has_begun().await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    slow.takes_effect(&house).await;
    let answer = visitor.hold_input(&input).await;
    assert_eq!(states(&answer.data()["hold"]["seats"]), [("HELD", 2)]);
    let confirmed = visitor.confirm(&token_of(&answer)).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_heard_of_is_found_out() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let cut = Cut::before(&house.database_url, "buyer:anna").await;
    let far = house.replica_at(&cut.database_url).await;
    let buyer = far.buyer("anna");
    cut.after_next_commit();
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    assert!(cut.is_done());
    assert_eq!(states(&held.data()["hold"]["seats"]), [("HELD", 2)]);
    cut.after_next_commit();
    let confirmed = buyer.confirm(&token_of(&held)).await;
    assert!(cut.is_done());
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_can_tell_of_is_answered_when_it_is_asked_for_again() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let cut = Cut::before(&house.database_url, "buyer:anna").await;
    // It asks for as long as it would wait for a connection.
    let impatient = DatabaseSettings {
        acquire_timeout: Duration::from_secs(3),
        ..settings()
    };
    let far = house.replica_of(&cut.database_url, impatient).await;
    let (far_buyer, near_buyer) = (far.buyer("anna"), house.buyer("anna"));
    let input = holding(&event, &event.seats[..1], KEY);
    cut.all_after_next_commit();
    let lost = far_buyer.hold_input(&input).await;
    assert!(cut.is_done());
    assert_eq!(lost.error_code(), "UNAVAILABLE");
    cut.mend();
    // It was done all the same, and any replica knows.
    let answer = near_buyer.hold_input(&input).await;
    assert_eq!(states(&answer.data()["hold"]["seats"]), [("HELD", 2)]);
    let token = token_of(&answer);
    let confirm = json!({"token": token, "idempotencyKey": "confirm"});
    let far_confirm = async || {
        eventually("usher has a connection again", async || {
            let answer = far_buyer.confirm_input(&confirm).await;
            answer.0["errors"].is_null().then_some(answer)
        })
        .await
    };
    let confirmed = far_confirm().await;
    assert_eq!(
        states(&confirmed.data()["booking"]["seats"]),
        [("BOOKED", 3)]
    );
    assert_same(&confirmed, &far_confirm().await);
    // The control: without a key a lost commit looks like a lost race.
    cut.all_after_next_commit();
    let lost = far_buyer.hold(&event.id, &event.seats[1..]).await;
    assert_eq!(lost.error_code(), "UNAVAILABLE");
    cut.mend();
    let again = near_buyer.hold(&event.id, &event.seats[1..]).await;
    assert_eq!(again.data()["__typename"], "SeatConflict");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_leaves_its_answers_to_others() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let server = Server::beside(&house, &[]).await;
    let input = holding(&event, &event.seats, KEY);
    let held = server.visitor().hold_input(&input).await;
    server.signal(Signal::SIGKILL);
    server.ended().await;
    assert_same(&held, &house.visitor().hold_input(&input).await);
    let confirmed = house.visitor().confirm(&token_of(&held)).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_killed_still_knows_what_it_has_answered() {
    let folder = DataFolder::new();
    let server = folder.serve(&[]).await;
    let visitor = server.visitor();
    let events = "{ events(first: 1) { nodes { id } } }";
    let events = visitor.ask(events, json!({})).await;
    let id = events.data()["events"]["nodes"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let seats = visitor.seats(&id).await;
    let event = Event {
        id,
        version: 0,
        seats,
    };
    let input = holding(&event, &event.seats[..2], KEY);
    let held = visitor.hold_input(&input).await;
    kill(folder.postgres().unwrap(), Signal::SIGKILL).unwrap();
    server.ended().await;
    let server = folder.serve(&[]).await;
    assert_same(&held, &server.visitor().hold_input(&input).await);
    server.stop().await;
}
