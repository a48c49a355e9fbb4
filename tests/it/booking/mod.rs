//! The ways of a hold, happy and unhappy: held, grown, extended, exchanged, released,
//! made a booking, lapsed, lost; and of the booking: exchanged, cancelled.

mod cancelling;
mod confirming;
mod conflict;
mod exchanging;
mod exchanging_races;
mod extending;
mod growing;
mod idempotency;
mod lapsed;
mod lapsed_confirm;
mod limits;
mod line_items;
mod release;
mod retrying;
mod sweeper;
mod visibility;

use crate::support::actor::Actor;
use crate::support::{Answer, Event, House, Seat, checks, eventually};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use usher::domain::lapse_holds::lapse_holds;
use usher::model::global_id::GlobalId;
use usher::model::ids::HoldId;

/// The token that a hold was answered with.
pub(crate) fn token_of(held: &Answer) -> String {
    assert_eq!(held.data()["__typename"], "SeatsHeld", "{}", held.0);
    held.data()["token"].as_str().unwrap().to_owned()
}

/// The seats of a list, as a client would name them next.
fn seats_of(list: &Value) -> Vec<Seat> {
    list.as_array().unwrap().iter().map(Seat::from).collect()
}

/// Status and version of each seat of a list.
pub(crate) fn states(list: &Value) -> Vec<(&str, i64)> {
    let seats = list.as_array().unwrap().iter();
    seats
        .map(|seat| {
            let status = seat["status"].as_str().unwrap();
            (status, seat["version"].as_i64().unwrap())
        })
        .collect()
}

/// The booking that these seats become.
async fn book(buyer: &Actor, event: &Event, seats: &[Seat]) -> Value {
    let token = token_of(&buyer.hold(&event.id, seats).await);
    let confirmed = buyer.confirm(&token).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    confirmed.data()["booking"].clone()
}

/// Every seat of an event once the change at the cursor of this answer is seen.
async fn seen_at(caller: &Actor, event: &Event, answer: &Answer) -> Vec<(String, i64)> {
    let seats = caller.seat_map_after(&event.id, answer).await;
    let owned = |(status, version): (&str, i64)| (status.to_owned(), version);
    states(&seats).into_iter().map(owned).collect()
}

/// How many answers there are of each type.
fn tally(answers: &[Answer]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        let kind = answer.data()["__typename"].as_str().unwrap();
        *tally.entry(kind).or_default() += 1;
    }
    tally
}

/// Changes the event by hand: its version goes up.
async fn change_event(house: &House, event: &Event, change: &str) {
    let key = event_key(event);
    let update = format!("UPDATE events SET {change}, version = version + 1 WHERE id = {key}");
    house.sql().await.batch_execute(&update).await.unwrap();
}

/// The key of a hold in the database.
pub(crate) fn hold_id(held: &Answer) -> HoldId {
    match held.data()["hold"]["id"].as_str().unwrap().parse() {
        Ok(GlobalId::Hold(_, id)) => id,
        other => panic!("not the id of a hold: {other:?}"),
    }
}

/// The same, for SQL.
pub(crate) fn hold_key(held: &Answer) -> String {
    hold_id(held).to_string()
}

/// The key of an event in the database.
pub(crate) fn event_key(event: &Event) -> i64 {
    match event.id.parse() {
        Ok(GlobalId::Event(id)) => id.0,
        other => panic!("not the id of an event: {other:?}"),
    }
}

/// Moves the end of a hold into the past, as if its time had passed.
pub(crate) async fn lapse(house: &House, held: &Answer) {
    lapse_all(house, &format!("id = '{}'", hold_key(held))).await;
}

/// Moves the end of every running hold that the condition picks into the past.
pub(crate) async fn lapse_all(house: &House, holds: &str) {
    let into_the_past = ending("now() - interval '1 second'", holds);
    let mut sql = house.sql().await;
    sql.batch_execute(&into_the_past).await.unwrap();
}

/// Statements that leave a hold so many seconds, as if the rest of its time had passed. A test
/// that needs one to run out makes an ordinary one and comes to this last: whatever it does
/// before may take its time.
pub(crate) fn leaving(seconds: u32, held: &Answer) -> String {
    let end = format!("now() + interval '{seconds} seconds'");
    ending(&end, &format!("id = '{}'", hold_id(held)))
}

/// Statements that move the end of every running hold that the condition picks.
fn ending(end: &str, holds: &str) -> String {
    format!(
        "BEGIN; \
         UPDATE seats SET held_until = {end} WHERE owner_id IN \
             (SELECT id FROM holds WHERE status = 'ACTIVE' AND {holds}); \
         UPDATE holds SET expires_at = {end} WHERE status = 'ACTIVE' AND {holds}; \
         COMMIT"
    )
}

/// Waits until the sweeper has published the lapse of every hold that has lapsed, and the
/// maps show it.
pub(crate) async fn published(house: &House) {
    let mut sql = house.sql().await;
    eventually("the sweeper has published what lapsed", async || {
        let unpublished = "holds WHERE status = 'ACTIVE' AND expires_at <= now()";
        (checks::count(&mut sql, unpublished).await == 0).then_some(())
    })
    .await;
    house.shows_what_is_there().await;
}

/// A house whose sweeper is gone: what lapses is not published before this says so.
pub(crate) struct AbsentSweeper;

impl AbsentSweeper {
    pub(crate) fn of(house: &House) -> Self {
        house.running.sweeper.abort();
        Self
    }

    /// Publishes what has lapsed meanwhile, as the sweeper of another process would.
    pub(crate) async fn let_go(self, house: &House) {
        let mut sql = house.sql().await;
        while lapse_holds(&mut sql, &[]).await.unwrap().holds > 0 {}
        house.running.services.feed.announce();
        published(house).await;
    }
}

/// A hall of two categories with places for wheelchairs: a row of eight in the
/// Stalls, of which the last two are accessible, and a row of four in the
/// Balcony, of which the last is.
fn two_categories() -> Value {
    let row = |zone: &str, count: usize, accessible: usize| {
        let seat = |seat: usize| {
            json!({
                "seat_guid": format!("{zone}-{seat}"), "seat_number": (seat + 1).to_string(),
                "position": {"x": seat, "y": 0}, "category": zone,
                "accessible": seat >= count - accessible,
            })
        };
        let seats: Vec<Value> = (0..count).map(seat).collect();
        json!([{"row_number": "A", "position": {"x": 0, "y": 0}, "seats": seats}])
    };
    json!({
        "name": "Two Categories",
        "categories": [{"name": "Stalls"}, {"name": "Balcony"}],
        "zones": [
            {"name": "Stalls", "position": {"x": 0, "y": 0}, "rows": row("Stalls", 8, 2)},
            {"name": "Balcony", "position": {"x": 0, "y": 1}, "rows": row("Balcony", 4, 1)},
        ],
    })
}

/// An event on sale in the hall of [`two_categories`]: 45.00 and 12.50 EUR.
pub(crate) async fn event_of_two_categories(house: &House, changes: Value) -> Event {
    let plan = house.staff().import_plan(&two_categories()).await;
    let mut input = json!({"prices": [
        {"category": "Balcony", "amountMinor": 1_250},
        {"category": "Stalls", "amountMinor": 4_500},
    ]});
    let Value::Object(changes) = changes else {
        panic!("changes are an object");
    };
    input.as_object_mut().unwrap().extend(changes);
    house.open_sale(house.draft_on(&plan, input).await).await
}
