//! A crowd: clients that do at random whatever may be done to few seats, all at once.

use super::calls::Mutation;
use super::history::Outcome;
use super::recorder::{Client, Recorder};
use diesel_async::AsyncPgConnection;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;

/// How many buyers there are; several clients are the same one, who races himself.
const BUYERS: usize = 8;

/// A hold as whoever may use it knows it.
#[derive(Clone)]
struct Known {
    token: String,
    seats: Vec<usize>,
}

/// What the clients of one buyer share.
type Holds = Arc<std::sync::Mutex<Vec<Known>>>;

/// A booking as whoever made it knows it.
#[derive(Clone)]
struct KnownBooking {
    reference: String,
    version: i64,
    /// Of the hold that it was, if it was one.
    token: Option<String>,
    seats: Vec<usize>,
}

/// Each client's own: two who know one booking at different versions are tried by
/// holds that are confirmed twice.
type Bookings = Vec<KnownBooking>;

/// One client at work.
struct Member<'crowd> {
    recorder: &'crowd Recorder<'crowd>,
    client: Client,
    random: StdRng,
    /// The version at which each seat was seen last.
    versions: Vec<i64>,
    holds: Holds,
    bookings: Bookings,
    time: &'crowd Mutex<AsyncPgConnection>,
}

/// Lets so many clients take so many steps each.
pub async fn let_loose(recorder: &Recorder<'_>, clients: usize, steps: usize, seed: u64) {
    let house = recorder.house;
    let time = Mutex::new(house.sql().await);
    let holds: Vec<Holds> = (0..clients).map(|_| Holds::default()).collect();
    let members = (0..clients).map(|number| {
        // Of 32 clients 24 are buyers, 6 visitors and 2 staff.
        let (client, holds_of) = match number % 16 {
            0 => (Client::staff(house), number),
            1..=3 => (Client::visitor(house), number),
            _ => {
                let buyer = number % BUYERS;
                (Client::buyer(house, &format!("buyer-{buyer}")), buyer)
            }
        };
        Member {
            recorder,
            client,
            random: StdRng::seed_from_u64(seed.wrapping_add(number as u64)),
            versions: vec![1; recorder.event.seats.len()],
            holds: Arc::clone(&holds[holds_of]),
            bookings: Vec::new(),
            time: &time,
        }
    });
    let mut members: Vec<Member<'_>> = members.collect();
    // Staff block a seat each while all are free: once the crowd is at work, few are, and
    // a history could have no blocked seat at all.
    let staff = members.iter_mut().filter(|member| member.is_staff());
    for (seat, member) in staff.enumerate() {
        let input = member.box_office_input(&[(seat, 1)], "REPORT");
        member.ask(Mutation::BlockSeats, &input).await;
    }
    // And one hold lapses, which in the crowd may be released or taken over first.
    if let Some(member) = members.iter_mut().find(|member| !member.is_staff()) {
        member.hold_best().await;
        member.let_lapse().await;
        recorder.all_lapsed().await;
    }
    join_all(members.into_iter().map(async |mut member| {
        for _ in 0..steps {
            member.step().await;
        }
    }))
    .await;
}

impl Member<'_> {
    fn is_staff(&self) -> bool {
        self.client.name.starts_with("staff:")
    }

    async fn step(&mut self) {
        let known = self.pick();
        match (self.random.random_range(0..100), known) {
            (0..60, _) if self.is_staff() => self.box_office().await,
            (0..15, _) if !self.bookings.is_empty() => self.change_booking().await,
            (15..25, _) => self.hold_best().await,
            (45..65, Some(hold)) => self.release(hold).await,
            (65..75, Some(hold)) => self.hold(Some(hold)).await,
            (75..82, Some(hold)) => self.exchange(hold).await,
            (82..86, Some(hold)) => self.extend(hold).await,
            (86..95, Some(hold)) => self.confirm(hold).await,
            (95.., Some(_)) => self.let_lapse().await,
            _ => self.hold(None).await,
        }
    }

    /// One of the holds that this client may use.
    fn pick(&mut self) -> Option<Known> {
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let count = holds.len();
        (count > 0).then(|| holds[self.random.random_range(0..count)].clone())
    }

    /// Has the time of one of the holds run out.
    async fn let_lapse(&mut self) {
        if let Some(hold) = self.pick() {
            let mut sql = self.time.lock().await;
            self.recorder.lapse(&mut sql, &hold.token).await;
        }
    }

    /// Up to three neighbours as they were seen last.
    fn some_seats(&mut self) -> Vec<(usize, i64)> {
        let wanted = self.random.random_range(1..=3);
        let first = self.random.random_range(0..self.versions.len());
        (first..self.versions.len())
            .take(wanted)
            .map(|seat| (seat, self.versions[seat]))
            .collect()
    }

    fn policy(&mut self) -> &'static str {
        if self.random.random() {
            "RETRY"
        } else {
            "REPORT"
        }
    }

    /// Asks for something and takes notice of the answer.
    async fn ask(&mut self, mutation: Mutation, input: &Value) -> (Value, Outcome) {
        let (answer, outcome) = self.recorder.call(&self.client, mutation, input).await;
        for seen in outcome.sightings() {
            let version = &mut self.versions[seen.seat];
            *version = seen.version.max(*version);
        }
        (answer, outcome)
    }

    async fn hold(&mut self, into: Option<Known>) {
        let seats = self.some_seats();
        let token = into.as_ref().map(|hold| hold.token.as_str());
        let retry = self.random.random();
        let input = self.recorder.hold_input(&seats, token, retry);
        let (answer, outcome) = self.ask(Mutation::HoldSeats, &input).await;
        self.remember_held(&answer, &outcome);
        if answer["__typename"] == "HoldEnded" {
            self.forget(&into.map(|hold| hold.token).unwrap_or_default());
        }
    }

    /// Whatever the server picks.
    async fn hold_best(&mut self) {
        let quantity = self.random.random_range(1..=3);
        let input = json!({"eventId": self.recorder.event.id, "quantity": quantity});
        let (answer, outcome) = self.ask(Mutation::HoldBestAvailable, &input).await;
        self.remember_held(&answer, &outcome);
    }

    fn remember_held(&self, answer: &Value, outcome: &Outcome) {
        if let (Some(token), Outcome::Done(done)) = (answer["token"].as_str(), outcome) {
            let seats = done.all.iter().flatten().map(|seen| seen.seat).collect();
            let token = token.to_owned();
            self.remember(Known { token, seats });
        }
    }

    async fn release(&mut self, hold: Known) {
        let some = hold.seats.first().filter(|_| self.random.random());
        let seats = some.map(|seat| self.recorder.ids(&[*seat]));
        let input = json!({"token": hold.token, "seatIds": seats});
        let (answer, outcome) = self.ask(Mutation::ReleaseHold, &input).await;
        match &outcome {
            Outcome::Done(done) if answer["hold"].is_object() => {
                let seats = done.all.iter().flatten().map(|seen| seen.seat).collect();
                self.remember(Known { seats, ..hold });
            }
            _ => self.forget(&hold.token),
        }
    }

    async fn confirm(&mut self, hold: Known) {
        let input = json!({"token": hold.token});
        let (answer, _) = self.ask(Mutation::ConfirmHold, &input).await;
        self.remember_booking(&answer["booking"], Some(hold.token.clone()));
        // Now and then it is confirmed once more.
        if self.random.random() {
            self.forget(&hold.token);
        }
    }

    async fn extend(&mut self, hold: Known) {
        let input = json!({"token": hold.token});
        let (answer, _) = self.ask(Mutation::ExtendHold, &input).await;
        if answer["__typename"] == "HoldEnded" {
            self.forget(&hold.token);
        }
    }

    async fn exchange(&mut self, hold: Known) {
        let (take, policy) = (self.some_seats(), self.policy());
        let input = json!({
            "token": hold.token, "giveSeatIds": self.recorder.ids(&hold.seats[..1]),
            "takeSeats": self.recorder.versions(&take), "onConflict": policy,
        });
        let (answer, outcome) = self.ask(Mutation::ExchangeSeats, &input).await;
        if let Outcome::Done(done) = &outcome {
            let seats = done.all.iter().flatten().map(|seen| seen.seat).collect();
            self.remember(Known { seats, ..hold });
        } else if answer["__typename"] == "HoldEnded" {
            self.forget(&hold.token);
        }
    }

    /// Gives seats of a booking back, or swaps one.
    async fn change_booking(&mut self) {
        let pick = self.random.random_range(0..self.bookings.len());
        let booking = self.bookings.swap_remove(pick);
        let mut input = json!({"reference": booking.reference, "token": booking.token});
        let one = self.recorder.ids(&booking.seats[..1]);
        let mutation = if self.random.random() {
            let (take, policy) = (self.some_seats(), self.policy());
            input["bookingVersion"] = json!(booking.version);
            input["giveSeatIds"] = json!(one);
            input["takeSeats"] = json!(self.recorder.versions(&take[..1]));
            input["onConflict"] = json!(policy);
            Mutation::ExchangeSeats
        } else {
            input["version"] = json!(booking.version);
            input["seatIds"] = json!(Some(one).filter(|_| self.random.random()));
            Mutation::CancelBooking
        };
        let (answer, _) = self.ask(mutation, &input).await;
        let is_conflict = answer["__typename"] == "SeatConflict";
        if is_conflict {
            self.bookings.push(booking);
        } else {
            self.remember_booking(&answer["booking"], booking.token);
        }
    }

    async fn box_office(&mut self) {
        let (mut seats, policy) = (self.some_seats(), self.policy());
        seats.truncate(1);
        let input = self.box_office_input(&seats, policy);
        let mutation = match self.random.random_range(0..5) {
            0..2 => Mutation::BlockSeats,
            2..4 => Mutation::UnblockSeats,
            _ => Mutation::BookSeats,
        };
        let (answer, _) = self.ask(mutation, &input).await;
        self.remember_booking(&answer["booking"], None);
    }

    fn box_office_input(&self, seats: &[(usize, i64)], policy: &str) -> Value {
        json!({
            "eventId": self.recorder.event.id, "seats": self.recorder.versions(seats),
            "onConflict": policy,
        })
    }

    /// Remembers a booking that has seats left.
    fn remember_booking(&mut self, booking: &Value, token: Option<String>) {
        if booking["status"] == "CONFIRMED" {
            let seats = booking["seats"].as_array().unwrap().iter();
            let number = |seat: &Value| {
                let all = self.recorder.event.seats.iter();
                let mut all = all.map(|known| known.id.as_str());
                all.position(|id| Some(id) == seat["id"].as_str()).unwrap()
            };
            let known = KnownBooking {
                reference: booking["reference"].as_str().unwrap().to_owned(),
                version: booking["version"].as_i64().unwrap(),
                token,
                seats: seats.map(number).collect(),
            };
            self.bookings.push(known);
        }
    }

    fn remember(&self, hold: Known) {
        self.forget(&hold.token);
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.push(hold);
    }

    fn forget(&self, token: &str) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.retain(|hold| hold.token != token);
    }
}
