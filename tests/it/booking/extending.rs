//! More time for a hold: up to its total, and never for one that is over.

use super::{
    AbsentSweeper, change_event, hold_key, lapse, leaving, published, seats_of, states, token_of,
};
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::lock::Lock;
use crate::support::{Answer, House, eventually};
use chrono::{DateTime, Utc};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

/// Makes a hold older than it is.
async fn age(house: &House, held: &Answer, seconds: u32) {
    let (key, by) = (hold_key(held), format!("interval '{seconds} seconds'"));
    let move_time = format!(
        "BEGIN; \
         UPDATE seats SET held_until = held_until - {by} WHERE owner_id = '{key}'; \
         UPDATE holds SET expires_at = expires_at - {by}, created_at = created_at - {by} \
             WHERE id = '{key}'; \
         COMMIT"
    );
    house.sql().await.batch_execute(&move_time).await.unwrap();
}

/// Texts do not sort as times do: where a time's last digits are zeros they are left out.
fn time(text: &Value) -> DateTime<Utc> {
    text.as_str().unwrap().parse().unwrap()
}

/// How many seats are held until their hold ends, as the condition has it.
async fn held_while(house: &House, condition: &str) -> i64 {
    let seats = format!(
        "seats s JOIN holds h ON s.owner_id = h.id AND s.held_until = h.expires_at \
         WHERE {condition}"
    );
    checks::count(&mut house.sql().await, &seats).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_runs_as_a_new_one_would_and_nobody_else_is_told() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..2]).await;
    age(&house, &held, 500).await;
    let extended = buyer.extend(&token_of(&held)).await;
    let data = extended.data();
    assert_eq!(data["__typename"], "HoldExtended");
    assert_eq!(data["attempts"], 1);
    assert_eq!(data["hold"]["id"], held.data()["hold"]["id"]);
    assert_eq!(states(&data["hold"]["seats"]), [("HELD", 2); 2]);
    // From the call on, by the database's clock, and not from when it was made.
    let anew = "h.expires_at BETWEEN now() + interval '540 seconds' AND now() + interval '600 seconds' \
                AND h.created_at < now() - interval '499 seconds'";
    assert_eq!(held_while(&house, anew).await, 2);
    let query = "query($token: String!) { hold(token: $token) { expiresAt } }";
    let seen = buyer.ask(query, json!({"token": token_of(&held)})).await;
    assert_eq!(seen.data()["hold"]["expiresAt"], data["hold"]["expiresAt"]);
    let mut sql = house.sql().await;
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 2, "no news");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_extended_up_to_its_total_and_not_past_it() {
    let house = House::open().await;
    let draft = house
        .draft(1, 2, json!({"holdSeconds": 600, "holdTotalSeconds": 1000}))
        .await;
    let event = house.open_sale(draft).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats).await;
    let token = token_of(&held);
    age(&house, &held, 500).await;
    let extended = buyer.extend(&token).await;
    assert_eq!(extended.data()["__typename"], "HoldExtended");
    let total = "h.expires_at = h.created_at + interval '1000 seconds'";
    assert_eq!(held_while(&house, total).await, 2);
    let before = Digest::of(&house).await;
    let answer = buyer.extend(&token).await;
    let data = answer.data();
    assert_eq!(data["__typename"], "HoldExtensionExhausted");
    assert_eq!(data["code"], "HOLD_EXTENSION_EXHAUSTED");
    assert_eq!(data["expiresAt"], extended.data()["hold"]["expiresAt"]);
    before.assert_unchanged("an extension past the total").await;
    // A longer total, and there is time again; a shorter one takes none away.
    change_event(&house, &event, "hold_total_seconds = 1100").await;
    buyer.extend(&token).await.data();
    let longer = "h.expires_at = h.created_at + interval '1100 seconds'";
    assert_eq!(held_while(&house, longer).await, 2);
    change_event(&house, &event, "hold_total_seconds = 700").await;
    let answer = buyer.extend(&token).await;
    assert_eq!(answer.data()["code"], "HOLD_EXTENSION_EXHAUSTED");
    assert_eq!(held_while(&house, longer).await, 2);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_over_gets_no_more_time() {
    let house = House::open().await;
    let event = house.event(1, 5).await;
    let anna = house.buyer("anna");
    let mut held = Vec::new();
    for seat in &event.seats {
        held.push(anna.hold(&event.id, std::slice::from_ref(seat)).await);
    }
    let tokens: Vec<String> = held.iter().map(token_of).collect();
    lapse(&house, &held[0]).await;
    published(&house).await;
    let sweeper = AbsentSweeper::of(&house);
    lapse(&house, &held[1]).await;
    anna.release(&tokens[2], None).await.data();
    anna.confirm(&tokens[3]).await.data();
    let before = Digest::of(&house).await;
    for (token, end, why) in [
        (&tokens[0], "LAPSED", "the hold has lapsed"),
        (&tokens[1], "LAPSED", "the hold has lapsed"),
        (&tokens[2], "RELEASED", "the hold was released"),
        (&tokens[3], "CONFIRMED", "the hold is a booking already"),
    ] {
        let answer = anna.extend(token).await;
        assert_eq!(answer.data()["__typename"], "HoldEnded");
        assert_eq!(answer.data()["code"], "HOLD_ENDED");
        assert_eq!(answer.data()["end"], end);
        assert_eq!(answer.data()["message"], why);
    }
    // One that runs is nobody else's.
    for caller in [house.buyer("bert"), house.visitor()] {
        let answer = caller.extend(&tokens[4]).await;
        assert_eq!(answer.data()["code"], "HOLD_NOT_FOUND");
    }
    before.assert_unchanged("extending what is over").await;
    sweeper.let_go(&house).await;
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_sale_is_no_obstacle_and_a_cancelled_event_is() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats).await;
    let token = token_of(&held);
    age(&house, &held, 100).await;
    house
        .staff()
        .close_sale(&event.id, event.version)
        .await
        .data();
    let answer = buyer.extend(&token).await;
    assert_eq!(answer.data()["__typename"], "HoldExtended");
    change_event(&house, &event, "status = 'CANCELLED'").await;
    let before = Digest::of(&house).await;
    let answer = buyer.extend(&token).await;
    assert_eq!(answer.data()["code"], "SALE_NOT_OPEN");
    assert_eq!(answer.data()["status"], "CANCELLED");
    before.assert_unchanged("a cancelled event").await;
}

/// Whoever comes later never takes back what another one was promised: the end only
/// ever moves on, whatever the order.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_extensions_at_once_are_each_kept() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats).await;
    age(&house, &held, 300).await;
    let token = token_of(&held);
    let answers = join_all((0..20).map(|_| buyer.extend(&token))).await;
    let mut ends = Vec::new();
    for answer in &answers {
        assert_eq!(answer.data()["__typename"], "HoldExtended");
        assert_eq!(states(&answer.data()["hold"]["seats"]), [("HELD", 2); 3]);
        ends.push(time(&answer.data()["hold"]["expiresAt"]));
    }
    let latest = ends.iter().max().unwrap();
    let query = "query($token: String!) { hold(token: $token) { expiresAt } }";
    let seen = buyer.ask(query, json!({"token": token})).await;
    assert_eq!(time(&seen.data()["hold"]["expiresAt"]), *latest);
    assert_eq!(held_while(&house, "true").await, 3);
    assert_sound(&house).await;
}

/// The sweeper is at a hold when its owner asks for more time: too late.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_the_sweeper_is_at_is_not_extended() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats).await;
    let stop = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
                    'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END'; \
                CREATE TRIGGER wait BEFORE UPDATE ON seats FOR EACH ROW \
                    WHEN (NEW.cause = 'LAPSED') EXECUTE FUNCTION wait()";
    house.sql().await.batch_execute(stop).await.unwrap();
    let closed = "BEGIN; SELECT pg_advisory_xact_lock(7)";
    let mut gate = Lock::by(&house.database_url, closed).await;
    lapse(&house, &held).await;
    gate.is_wanted_by(1).await;
    let extending = tokio::spawn({
        let (buyer, token) = (buyer.clone(), token_of(&held));
        async move { buyer.extend(&token).await }
    });
    gate.is_wanted_by(2).await;
    gate.let_go().await;
    assert_eq!(extending.await.unwrap().data()["code"], "HOLD_ENDED");
    published(&house).await;
    let available = "seats WHERE status = 'AVAILABLE' AND version = 3";
    assert_eq!(checks::count(&mut house.sql().await, available).await, 2);
    assert_sound(&house).await;
}

/// An extension that has begun in time is in the middle of its work when the time is
/// over: the sweeper leaves the hold to it, and nothing lapses.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_being_extended_is_left_alone_by_the_sweeper() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats).await;
    let mut sql = house.sql().await;
    // From here on the extension has three seconds to begin.
    let soon = leaving(3, &held);
    let mut seat = Lock::on_first_seat_after(&house.database_url, &soon).await;
    let extending = tokio::spawn({
        let (buyer, token) = (buyer.clone(), token_of(&held));
        async move { buyer.extend(&token).await }
    });
    seat.is_wanted_by(1).await;
    let key = hold_key(&held);
    let over = format!("holds WHERE id = '{key}' AND expires_at < now() - interval '1 second'");
    eventually("its time is over", async || {
        (checks::count(&mut sql, &over).await == 1).then_some(())
    })
    .await;
    seat.let_go().await;
    let extended = extending.await.unwrap();
    assert_eq!(extended.data()["__typename"], "HoldExtended");
    let running = "seats WHERE status = 'HELD' AND version = 2 AND held_until > now()";
    assert_eq!(checks::count(&mut sql, running).await, 2);
    assert_sound(&house).await;
}

/// Its seat was taken while the extension waited for it: nothing is extended.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_lost_a_seat_meanwhile_has_lapsed() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let held = anna.hold(&event.id, &event.seats).await;
    let end = "UPDATE seats SET held_until = now() - interval '1 second' WHERE seat_no = 1";
    house.sql().await.batch_execute(end).await.unwrap();
    let seats = seats_of(&held.data()["hold"]["seats"]);
    bert.hold(&event.id, &seats[1..]).await.data();
    let before = Digest::of(&house).await;
    let answer = anna.extend(&token_of(&held)).await;
    assert_eq!(answer.data()["code"], "HOLD_ENDED");
    before.assert_unchanged("a hold that lost a seat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_under_a_key_is_answered_again() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = token_of(&held);
    let input = json!({"token": token, "idempotencyKey": "more time"});
    age(&house, &held, 100).await;
    let first = buyer.extend_input(&input).await;
    age(&house, &held, 100).await;
    let other = buyer.extend(&token).await;
    assert_ne!(
        other.data()["hold"]["expiresAt"],
        first.data()["hold"]["expiresAt"]
    );
    let before = Digest::of(&house).await;
    let again = buyer.extend_input(&input).await;
    assert_eq!(again.data(), first.data());
    before.assert_unchanged("the same key").await;
    buyer.release(&token, None).await.data();
    assert_eq!(buyer.extend_input(&input).await.data(), first.data());
    let next = token_of(&buyer.hold(&event.id, &event.seats[1..]).await);
    let reused = json!({"token": next, "idempotencyKey": "more time"});
    let answer = buyer.extend_input(&reused).await;
    assert_eq!(answer.error_code(), "IDEMPOTENCY_KEY_REUSED");
    // Two at once do it once.
    let input = json!({"token": next, "idempotencyKey": "both"});
    let (one, two) = tokio::join!(buyer.extend_input(&input), buyer.extend_input(&input));
    assert_eq!(one.data()["hold"], two.data()["hold"]);
}
