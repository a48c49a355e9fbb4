//! A crowd: clients that do at random whatever may be done to few seats, all at once.

use super::calls::Mutation;
use super::history::Outcome;
use super::recorder::{Client, Recorder};
use diesel_async::AsyncPgConnection;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
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

/// One client at work.
struct Member<'crowd> {
    recorder: &'crowd Recorder<'crowd>,
    client: Client,
    random: StdRng,
    /// The version at which each seat was seen last.
    versions: Vec<i64>,
    holds: Holds,
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
            time: &time,
        }
    });
    join_all(members.map(async |mut member| {
        for _ in 0..steps {
            member.step().await;
        }
    }))
    .await;
}

impl Member<'_> {
    async fn step(&mut self) {
        let known = self.pick();
        match (self.random.random_range(0..100), known) {
            (50..80, Some(hold)) => self.release(hold).await,
            (80..90, Some(hold)) => self.hold(Some(hold)).await,
            (90..95, Some(hold)) => self.confirm(hold).await,
            (95.., Some(hold)) => {
                let mut sql = self.time.lock().await;
                self.recorder.lapse(&mut sql, &hold.token).await;
            }
            _ => self.hold(None).await,
        }
    }

    /// One of the holds that this client may use.
    fn pick(&mut self) -> Option<Known> {
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let count = holds.len();
        (count > 0).then(|| holds[self.random.random_range(0..count)].clone())
    }

    async fn hold(&mut self, into: Option<Known>) {
        let wanted = self.random.random_range(1..=3);
        let first = self.random.random_range(0..self.versions.len());
        let seats: Vec<(usize, i64)> = (first..self.versions.len())
            .take(wanted)
            .map(|seat| (seat, self.versions[seat]))
            .collect();
        let token = into.as_ref().map(|hold| hold.token.as_str());
        let retry = self.random.random();
        let input = self.recorder.hold_input(&seats, token, retry);
        let (answer, outcome) = self
            .recorder
            .call(&self.client, Mutation::HoldSeats, &input)
            .await;
        self.look(&outcome);
        if let (Some(token), Outcome::Done(done)) = (answer["token"].as_str(), &outcome) {
            let seats = done.all.iter().flatten().map(|seen| seen.seat).collect();
            let token = token.to_owned();
            self.remember(Known { token, seats });
        } else if answer["__typename"] == "HoldEnded" {
            self.forget(&into.map(|hold| hold.token).unwrap_or_default());
        }
    }

    async fn release(&mut self, hold: Known) {
        let some = hold.seats.first().filter(|_| self.random.random());
        let seats = some.map(|seat| self.recorder.ids(&[*seat]));
        let input = serde_json::json!({"token": hold.token, "seatIds": seats});
        let (answer, outcome) = self
            .recorder
            .call(&self.client, Mutation::ReleaseHold, &input)
            .await;
        self.look(&outcome);
        match &outcome {
            Outcome::Done(done) if answer["hold"].is_object() => {
                let seats = done.all.iter().flatten().map(|seen| seen.seat).collect();
                self.remember(Known { seats, ..hold });
            }
            _ => self.forget(&hold.token),
        }
    }

    async fn confirm(&mut self, hold: Known) {
        let input = serde_json::json!({"token": hold.token});
        let (_, outcome) = self
            .recorder
            .call(&self.client, Mutation::ConfirmHold, &input)
            .await;
        self.look(&outcome);
        // Now and then it is confirmed once more.
        if self.random.random() {
            self.forget(&hold.token);
        }
    }

    /// Takes notice of what was said about seats.
    fn look(&mut self, outcome: &Outcome) {
        for seen in outcome.sightings() {
            let version = &mut self.versions[seen.seat];
            *version = seen.version.max(*version);
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
