//! Requests that are sent again, because nobody knows whether they were done.

use super::{hold_key, lapse, published, states, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::cut::Cut;
use crate::support::digest::Digest;
use crate::support::house::settings;
use crate::support::program::{DataFolder, Server};
use crate::support::slow_hold::SlowHold;
use crate::support::{Answer, Event, House, Seat, eventually};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use futures_util::future::join_all;
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use std::time::Duration;
use usher::config::DatabaseSettings;
use usher::domain::DomainError;
use usher::domain::prune_idempotency_keys::prune_idempotency_keys;

const KEY: &str = "3f0c9a52-6a1e-4a75-9f0e-0d6b6f9a7f11";

/// `holdSeats` for these seats under this key.
fn holding(event: &Event, seats: &[Seat], key: &str) -> Value {
    let seats: Vec<Value> = seats.iter().map(Seat::input).collect();
    json!({"eventId": event.id, "seats": seats, "idempotencyKey": key})
}

/// The same answer, but for how many transactions it took to give it.
fn assert_same(first: &Answer, again: &Answer) {
    let without_attempts = |answer: &Answer| {
        let mut data = answer.data().clone();
        data.as_object_mut().unwrap().remove("attempts");
        data
    };
    assert_eq!(without_attempts(first), without_attempts(again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_answered_again_whatever_has_become_of_it() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    for buyer in [house.visitor(), house.buyer("anna")] {
        let free = buyer.seats(&event.id).await;
        let input = holding(&event, &free[..2], KEY);
        let held = buyer.hold_input(&input).await;
        let token = token_of(&held);
        assert_same(&held, &buyer.hold_input(&input).await);
        // The token works, the second time as well as the first.
        let released = buyer.release(&token, None).await;
        assert_eq!(released.data()["__typename"], "SeatsReleased");
        let before = Digest::of(&house).await;
        assert_same(&held, &buyer.hold_input(&input).await);
        before.assert_unchanged("a hold that was released").await;
    }
    let mut sql = house.sql().await;
    assert_eq!(checks::count(&mut sql, "holds").await, 2);
    assert_eq!(
        checks::count(&mut sql, "idempotency_keys WHERE outcome IS NOT NULL").await,
        2,
        "the visitor's key is not Anna's"
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn releasing_and_confirming_are_answered_again() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats[..3]).await);
    let some = json!({"token": token, "seatIds": [event.seats[0].id], "idempotencyKey": "r1"});
    let rest = json!({"token": token, "idempotencyKey": "c1"});
    let released = buyer.release_input(&some).await;
    assert_eq!(states(&released.data()["seats"]), [("AVAILABLE", 3)]);
    let confirmed = buyer.confirm_input(&rest).await;
    assert_eq!(
        states(&confirmed.data()["booking"]["seats"]),
        [("BOOKED", 3); 2]
    );
    // Meanwhile somebody else has the seat that was given back.
    house
        .buyer("ben")
        .hold(
            &event.id,
            &[Seat {
                version: 3,
                ..event.seats[0].clone()
            }],
        )
        .await;
    let before = Digest::of(&house).await;
    assert_same(&released, &buyer.release_input(&some).await);
    assert_same(&confirmed, &buyer.confirm_input(&rest).await);
    before.assert_unchanged("what was done before").await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_equal_requests_at_once_one_is_done_and_all_are_answered_the_same() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.visitor();
    let input = holding(&event, &event.seats, KEY);
    let answers = join_all((0..20).map(|_| buyer.hold_input(&input))).await;
    for answer in &answers {
        assert_eq!(answer.data()["__typename"], "SeatsHeld");
        assert_same(&answers[0], answer);
    }
    let mut sql = house.sql().await;
    assert_eq!(checks::count(&mut sql, "holds").await, 1);
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 2);
    // Without a key one wins, and the others have lost to it.
    let event = house.event(1, 2).await;
    let answers = join_all((0..20).map(|_| buyer.hold(&event.id, &event.seats))).await;
    let lost = answers
        .iter()
        .filter(|answer| answer.data()["__typename"] == "SeatConflict");
    assert_eq!(lost.count(), 19);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_a_used_key_is_an_error() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let buyer = house.buyer("anna");
    let held = buyer
        .hold_input(&holding(&event, &event.seats[..1], "k"))
        .await;
    let token = token_of(&held);
    let before = Digest::of(&house).await;
    let other_seat = holding(&event, &event.seats[1..2], "k");
    let mut other_version = holding(&event, &event.seats[..1], "k");
    other_version["seats"][0]["version"] = json!(2);
    let mut other_policy = holding(&event, &event.seats[..1], "k");
    other_policy["onConflict"] = json!("RETRY");
    let mut into_hold = holding(&event, &event.seats[..1], "k");
    into_hold["holdToken"] = json!(token);
    let mut into_no_hold = holding(&event, &event.seats[..1], "k");
    into_no_hold["holdToken"] = json!("no token at all");
    for other in [
        other_seat,
        other_version,
        other_policy,
        into_hold,
        into_no_hold,
    ] {
        let answer = buyer.hold_input(&other).await;
        assert_eq!(answer.error_code(), "IDEMPOTENCY_KEY_REUSED", "{other}");
        let message = answer.error_message();
        assert!(message.starts_with("input.idempotencyKey: "), "{message}");
    }
    let release = json!({"token": token, "idempotencyKey": "k"});
    let answer = buyer.release_input(&release).await;
    assert_eq!(answer.error_code(), "IDEMPOTENCY_KEY_REUSED");
    before.assert_unchanged("another request").await;
    // To somebody else the same key means nothing.
    let ben = house.buyer("ben");
    let held = ben
        .hold_input(&holding(&event, &event.seats[1..2], "k"))
        .await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_remembered() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, ben) = (house.buyer("anna"), house.buyer("ben"));
    let annas = token_of(&anna.hold(&event.id, &event.seats).await);
    let again = [Seat {
        version: 3,
        ..event.seats[0].clone()
    }];
    let input = holding(&event, &again, "k");
    let refused = ben.hold_input(&input).await;
    assert_eq!(refused.data()["__typename"], "SeatConflict");
    anna.release(&annas, None).await;
    // Judged afresh: the seat is there at that version now.
    let held = ben.hold_input(&input).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_neither_empty_nor_endless_nor_a_visitors_guessable_one() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (visitor, buyer) = (house.visitor(), house.buyer("anna"));
    let before = Digest::of(&house).await;
    let long = "ä".repeat(256);
    for (caller, key) in [
        (&visitor, ""),
        (&visitor, "fifteen letters"),
        (&visitor, long.as_str()),
        (&buyer, ""),
        (&buyer, long.as_str()),
    ] {
        let token = json!({"token": "none", "idempotencyKey": key});
        for answer in [
            caller.hold_input(&holding(&event, &event.seats, key)).await,
            caller.release_input(&token).await,
            caller.confirm_input(&token).await,
        ] {
            assert_eq!(answer.error_code(), "BAD_USER_INPUT", "{key:?}");
            let message = answer.error_message();
            assert!(message.starts_with("input.idempotencyKey: "), "{message}");
        }
    }
    before.assert_unchanged("a bad key").await;
    let longest = "ä".repeat(255);
    let answer = buyer
        .hold_input(&holding(&event, &event.seats, &longest))
        .await;
    assert_eq!(answer.data()["__typename"], "SeatsHeld");
}

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
