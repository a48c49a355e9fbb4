//! Batches beside everything else that changes seats, on two replicas: single transactions of
//! other mutations, staff, time, and an event that is cancelled.

use super::kind;
use crate::support::actor::Actor;
use crate::support::checks::assert_sound;
use crate::support::{Answer, Event, House, Seat, cluster, insist};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PEOPLE: usize = 16;
const STEPS: usize = 25;

/// What all of them were answered, and how often.
type Tally = BTreeMap<String, usize>;

/// One of the crowd.
struct Somebody<'house> {
    house: &'house House,
    actor: Actor,
    staff: Option<Actor>,
    events: &'house [Event],
    random: StdRng,
    /// Tokens of holds, with their seats.
    holds: Vec<(String, usize, Vec<Seat>)>,
    bookings: Vec<Value>,
    tally: Tally,
}

fn seats_of(list: &Value) -> Vec<Seat> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(Seat::from).collect()
}

impl Somebody<'_> {
    fn note(&mut self, answer: &Answer) {
        let what = match answer.0["errors"][0]["extensions"]["code"].as_str() {
            // Seats of a hold that has become another one since: theirs was the mistake.
            Some(code) => {
                assert_eq!(code, "BAD_USER_INPUT", "{}", answer.0);
                code.to_owned()
            }
            None => kind(answer).to_owned(),
        };
        *self.tally.entry(what).or_default() += 1;
    }

    /// Two or three neighbours as the map shows them.
    async fn some_seats(&mut self, event: usize) -> Vec<Seat> {
        let seats = self.actor.seats(&self.events[event].id).await;
        let first = self.random.random_range(0..seats.len() - 2);
        let wanted = self.random.random_range(1..=3);
        seats[first..first + wanted].to_vec()
    }

    async fn step(&mut self) {
        let event = self.random.random_range(0..self.events.len());
        match self.random.random_range(0..100) {
            0..30 => self.hold(event).await,
            30..40 => self.best(event).await,
            40..55 => self.release().await,
            55..68 => self.confirm().await,
            68..75 => self.exchange().await,
            75..80 => self.extend().await,
            80..86 => self.cancel().await,
            86..94 => self.box_office(event).await,
            _ => self.time_passes().await,
        }
    }

    async fn hold(&mut self, event: usize) {
        let seats = self.some_seats(event).await;
        let seats: Vec<Value> = seats.iter().map(Seat::input).collect();
        let policy = ["REPORT", "RETRY"][self.random.random_range(0..2)];
        let mut input = json!({
            "eventId": self.events[event].id, "seats": seats, "onConflict": policy,
        });
        if self.random.random_range(0..3) == 0
            && let Some((token, _, _)) = self.holds.last()
        {
            input["holdToken"] = json!(token);
        }
        let answer = insist(async || self.actor.hold_input(&input).await).await;
        self.remember(event, &answer);
    }

    async fn best(&mut self, event: usize) {
        let party = self.random.random_range(1..=3);
        let id = &self.events[event].id;
        let answer = insist(async || self.actor.best(id, party).await).await;
        self.remember(event, &answer);
    }

    fn remember(&mut self, event: usize, answer: &Answer) {
        self.note(answer);
        let data = &answer.0["data"];
        if let Some(token) = data["token"].as_str() {
            self.holds.retain(|(known, _, _)| known != token);
            let seats = seats_of(&data["hold"]["seats"]);
            self.holds.push((token.to_owned(), event, seats));
        }
    }

    async fn release(&mut self) {
        let Some((token, event, seats)) = self.holds.pop() else {
            return;
        };
        let is_some = seats.len() > 1 && self.random.random();
        let one = [seats[0].id.as_str()];
        let some = is_some.then_some(&one[..]);
        let answer = insist(async || self.actor.release(&token, some).await).await;
        self.note(&answer);
        let left = seats_of(&answer.0["data"]["hold"]["seats"]);
        if !left.is_empty() {
            self.holds.push((token, event, left));
        }
    }

    async fn confirm(&mut self) {
        let Some((token, ..)) = self.holds.last().cloned() else {
            return;
        };
        let answer = insist(async || self.actor.confirm(&token).await).await;
        self.note(&answer);
        let booking = &answer.0["data"]["booking"];
        if booking.is_object() {
            self.bookings.push(booking.clone());
        }
        // Now and then it is confirmed once more.
        if self.random.random() {
            self.holds.pop();
        }
    }

    async fn exchange(&mut self) {
        let Some((token, event, seats)) = self.holds.last().cloned() else {
            return;
        };
        let take = self.some_seats(event).await;
        let (give, take) = (&seats[..1], &take[..1]);
        let exchange = async || self.actor.exchange_held(&token, give, take).await;
        let answer = insist(exchange).await;
        self.note(&answer);
        self.holds.pop();
    }

    async fn extend(&mut self) {
        let Some((token, ..)) = self.holds.last().cloned() else {
            return;
        };
        let answer = insist(async || self.actor.extend(&token).await).await;
        self.note(&answer);
    }

    async fn cancel(&mut self) {
        let Some(booking) = self.bookings.pop() else {
            return;
        };
        let answer = insist(async || self.actor.cancel(&booking, None).await).await;
        self.note(&answer);
    }

    async fn box_office(&mut self, event: usize) {
        let Some(staff) = self.staff.clone() else {
            return self.hold(event).await;
        };
        let seats = self.some_seats(event).await;
        let id = &self.events[event].id;
        let answer = match self.random.random_range(0..3) {
            0 => insist(async || staff.block(id, &seats).await).await,
            1 => insist(async || staff.unblock(id, &seats).await).await,
            _ => insist(async || staff.book(id, &seats).await).await,
        };
        self.note(&answer);
    }

    /// Some hold of anybody's has lapsed. Where that is in the way of somebody else, it has
    /// not, as a transaction may end.
    async fn time_passes(&mut self) {
        let mut sql = cluster::connect(&self.house.database_url).await;
        let lapse = "WITH one AS (SELECT event_id, id FROM holds WHERE status = 'ACTIVE' \
                 ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED), \
             held AS (UPDATE holds SET expires_at = now() - interval '1 second' FROM one \
                 WHERE (holds.event_id, holds.id) = (one.event_id, one.id)) \
             UPDATE seats SET held_until = now() - interval '1 second' FROM one \
             WHERE seats.event_id = one.event_id AND owner_id = one.id";
        drop(sql.batch_execute(lapse).await);
    }
}

async fn wander(mut somebody: Somebody<'_>) -> Tally {
    for _ in 0..STEPS {
        somebody.step().await;
    }
    somebody.tally
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_everything_else_keep_the_rules_on_two_replicas() {
    let house = House::open().await;
    let replica = house.replica().await;
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(house.event(2, 6).await);
    }
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let people = (0..PEOPLE).map(|number| {
        let of = [&house, &replica][number % 2];
        // Two of them at a time are the same person.
        let name = format!("buyer-{}", number / 2);
        wander(Somebody {
            house: of,
            actor: of.buyer(&name),
            staff: (number % 4 == 0).then(|| of.staff()),
            events: &events,
            random: StdRng::seed_from_u64(seed.wrapping_add(number as u64)),
            holds: Vec::new(),
            bookings: Vec::new(),
            tally: Tally::new(),
        })
    });
    // One event is cancelled in the middle of it all.
    let cancelling = async {
        let mut sql = house.sql().await;
        crate::support::eventually("the crowd is at work", async || {
            let changes = crate::support::checks::count(&mut sql, "seat_changes").await;
            (changes > 60).then_some(())
        })
        .await;
        let Event { id, version, .. } = &events[2];
        insist(async || house.staff().cancel_event(id, *version).await).await
    };
    let (tallies, cancelled) = tokio::join!(join_all(people), cancelling);
    assert_eq!(kind(&cancelled), "EventCancelled", "{}", cancelled.0);
    let mut total = Tally::new();
    for (what, count) in tallies.into_iter().flatten() {
        *total.entry(what).or_default() += count;
    }
    println!("{total:?}");
    for done in [
        "SeatsHeld",
        "SeatsReleased",
        "HoldConfirmed",
        "SeatConflict",
    ] {
        assert!(
            total.contains_key(done),
            "nobody was answered {done}: {total:?}"
        );
    }
    assert_sound(&house).await;
}
