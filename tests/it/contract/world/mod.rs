//! An event of a real server, beside the model of it: what is asked of both must be
//! answered alike.

mod ending;
mod input;
mod known;

use self::known::{Known, uuid_of};
use super::model::{Answer, Asked, BrokenRule, Limits, Model, Person, Request};
use super::steps::{Deed, SEATS, STALLS, Step};
use crate::support::House;
use crate::support::actor::Actor;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use usher::db::transaction_id;
use usher::domain::lapse_holds::lapse_holds;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// What a seat of each category costs.
const PRICES: [(&str, i64); 2] = [("Stalls", 1_000), ("Balcony", 700)];
const LIMITS: Limits = Limits {
    seats_per_hold: 4,
    seats_per_buyer: 6,
    holds_per_buyer: 2,
    is_extendable: true,
};

/// What a sequence of steps was answered with, by how often.
pub type Tally = BTreeMap<String, usize>;

/// A hall of two categories; answers the plan's id.
pub async fn import_hall(house: &House) -> String {
    let seat = |seat: usize| {
        json!({
            "seat_guid": seat.to_string(), "seat_number": (seat + 1).to_string(),
            "position": {"x": seat, "y": 0},
            "category": PRICES[usize::from(seat >= STALLS)].0,
        })
    };
    let row = json!({
        "row_number": "A", "position": {"x": 0, "y": 0},
        "seats": (0..SEATS).map(seat).collect::<Vec<_>>(),
    });
    let document = json!({
        "name": "Hall of the Model",
        "categories": PRICES.map(|(name, _)| json!({"name": name})),
        "zones": [{"name": "Hall", "position": {"x": 0, "y": 0}, "rows": [row]}],
    });
    house.staff().import_plan(&document).await
}

/// The model of a new event at this version.
pub fn model(version: i64, broken: Option<BrokenRule>) -> Model {
    let categories = (0..SEATS).map(|seat| usize::from(seat >= STALLS)).collect();
    let prices = PRICES.map(|(_, amount)| amount);
    Model::new(categories, prices, LIMITS, version, broken)
}

/// A new event, and what is known about it.
pub struct World<'house> {
    house: &'house House,
    model: Model,
    event: String,
    event_key: i64,
    sql: AsyncPgConnection,
    actors: BTreeMap<Person, Actor>,
    seats: Vec<String>,
    known: Known,
    asked: Vec<Asked>,
    /// What was answered under a key at the first time, word for word.
    first_answers: BTreeMap<(Person, Option<u8>), Value>,
}

impl<'house> World<'house> {
    pub async fn new(house: &'house House, plan: &str, broken: Option<BrokenRule>) -> Self {
        let changes = json!({
            "prices": PRICES.map(|(category, amount)|
                json!({"category": category, "amountMinor": amount})),
            "maxSeatsPerHold": LIMITS.seats_per_hold,
            "maxSeatsPerBuyer": LIMITS.seats_per_buyer,
            "maxHoldsPerBuyer": LIMITS.holds_per_buyer,
        });
        let event = house.open_sale(house.draft_on(plan, changes).await).await;
        let model = model(event.version, broken);
        let actors = [
            (Person::Anna, house.buyer("anna")),
            (Person::Ben, house.buyer("ben")),
            (Person::Visitor, house.visitor()),
            (Person::Tess, house.staff()),
        ];
        let event_key = match event.id.parse() {
            Ok(GlobalId::Event(id)) => id.0,
            other => panic!("not the id of an event: {other:?}"),
        };
        Self {
            house,
            model,
            event_key,
            sql: house.sql().await,
            actors: actors.into(),
            seats: event.seats.into_iter().map(|seat| seat.id).collect(),
            event: event.id,
            known: Known::default(),
            asked: Vec::new(),
            first_answers: BTreeMap::new(),
        }
    }

    /// Takes a step in both.
    ///
    /// # Errors
    /// When they differ.
    pub async fn take(&mut self, step: &Step, tally: &mut Tally) -> Result<(), String> {
        match step.deed(&self.model, &self.asked) {
            Deed::Nothing => Ok(()),
            Deed::Lapse(hold) => {
                self.model.lapse(hold);
                self.move_time(hold).await;
                Ok(())
            }
            Deed::Publish => {
                self.model.publish();
                while lapse_holds(&mut self.sql, &[]).await.unwrap().holds > 0 {}
                // The server shows from now on what was done by hand.
                let now = transaction_id::current(&mut self.sql).await.unwrap();
                let feed = &self.house.running.services.feed;
                feed.announce_change(EventId(self.event_key), now);
                Ok(())
            }
            Deed::Ask(asked) => {
                let expected = self.ask(&asked).await?;
                let name = ["__typename", "error"].map(|name| expected.data[name].as_str());
                let name = name.into_iter().flatten().collect::<String>();
                *tally.entry(name).or_default() += 1;
                if expected.is_replay {
                    *tally.entry("replay".to_owned()).or_default() += 1;
                }
                self.asked.push(asked);
                Ok(())
            }
        }
    }

    async fn ask(&mut self, asked: &Asked) -> Result<Answer, String> {
        let before = self.model.clone();
        let expected = self.model.answer(asked);
        let (mutation, input) = self.input(asked);
        let actor = &self.actors[&asked.who];
        let raw = mutation.call(actor, &input).await;
        let (answer, alternatives) = self.read(raw.clone());
        if answer != expected.data {
            return Err(format!(
                "{asked:?} is answered\n  {answer}\nand should be\n  {}",
                expected.data
            ));
        }
        check_alternatives(&before, asked, &answer, &alternatives)?;
        let key = (asked.who, asked.key);
        if expected.is_replay && word_for_word(&raw) != self.first_answers[&key] {
            return Err(format!(
                "{asked:?} is answered again with\n  {raw}\nand was answered\n  {}",
                self.first_answers[&key]
            ));
        }
        if expected.is_done && !expected.is_replay {
            self.first_answers.insert(key, word_for_word(&raw));
        }
        Ok(expected)
    }

    /// An answer in the words of the model, and the alternatives that it offers.
    fn read(&mut self, mut data: Value) -> (Value, Vec<Value>) {
        let alternatives = data.as_object_mut().unwrap().remove("alternatives");
        let data = self.known.translate(data);
        let alternatives = alternatives.map(|seats| self.known.translate(seats));
        let alternatives = alternatives.and_then(|seats| seats.as_array().cloned());
        (data, alternatives.unwrap_or_default())
    }

    /// Moves the end of a hold into the past, as if its time had passed.
    async fn move_time(&mut self, hold: usize) {
        let id = uuid_of(&self.known.holds[hold]);
        let event = self.event_key;
        let past = "now() - interval '1 second'";
        let move_time = format!(
            "BEGIN; \
             UPDATE seats SET held_until = {past} WHERE event_id = {event} AND owner_id = '{id}'; \
             UPDATE holds SET expires_at = {past} WHERE event_id = {event} AND id = '{id}'; \
             COMMIT"
        );
        self.sql.batch_execute(&move_time).await.unwrap();
    }
}

/// For each lost seat one that is there, of its kind and not asked for anyway, as
/// long as there are any.
fn check_alternatives(
    model: &Model,
    asked: &Asked,
    answer: &Value,
    alternatives: &[Value],
) -> Result<(), String> {
    let (Request::Hold { seats, .. }
    | Request::Exchange { take: seats, .. }
    | Request::Book { seats, .. }) = &asked.request
    else {
        return same("alternatives", &alternatives, &[].as_slice());
    };
    let named: Vec<usize> = seats.iter().map(|(seat, _)| *seat).collect();
    let number = |seat: &Value| usize::try_from(seat[0].as_u64().unwrap()).unwrap();
    let conflicts = answer["conflicts"].as_array();
    let lost = conflicts.into_iter().flatten();
    let lost: Vec<usize> = lost.map(|lost| number(&lost["seat"])).collect();
    let there_are = model.offered(&named, &lost);
    let offered: Vec<usize> = alternatives.iter().map(number).collect();
    let of_kind = |seats: &[usize], kind: usize| {
        let of_kind = seats
            .iter()
            .filter(|seat| model.is_of_one_kind(**seat, kind));
        of_kind.count()
    };
    let mut once = offered.clone();
    once.dedup();
    let is_right = once == offered
        && offered.is_sorted()
        && alternatives
            .iter()
            .zip(&offered)
            .all(|(seat, number)| *seat == model.seat(*number))
        && offered.iter().all(|seat| there_are.contains(seat))
        && lost.iter().all(|kind| {
            of_kind(&offered, *kind) == of_kind(&lost, *kind).min(of_kind(&there_are, *kind))
        });
    if is_right {
        return Ok(());
    }
    Err(format!(
        "{asked:?} lost {lost:?} and is offered {alternatives:?}; there are {there_are:?}"
    ))
}

/// All that is answered again: not how many transactions it took.
fn word_for_word(raw: &Value) -> Value {
    let mut raw = raw.clone();
    raw.as_object_mut().unwrap().remove("attempts");
    raw
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, should_be: &T) -> Result<(), String> {
    if is == should_be {
        return Ok(());
    }
    Err(format!(
        "{what}: is\n  {is:?}\nand should be\n  {should_be:?}"
    ))
}
