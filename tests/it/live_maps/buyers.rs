//! Buyers and staff who keep the seats of an event changing hands through whichever
//! usher there is, and who put up with everything.

use crate::live_maps::cluster::PrivateCluster;
use crate::live_maps::watcher::Servers;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, index};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use usher::model::Role;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Until the next server is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// The most seats that are taken at once.
const PARTY: usize = 4;

const HOLD: &str = "mutation($input: HoldSeatsInput!) { result: holdSeats(input: $input) { \
    ... on SeatsHeld { token hold { seats { id version } } } \
    ... on SeatConflict { conflicts { seat { id version } } } } }";
const RELEASE: &str = "mutation($input: ReleaseHoldInput!) { result: releaseHold(input: $input) { \
    ... on SeatsReleased { seats { id version } } } }";
const CONFIRM: &str = "mutation($input: ConfirmHoldInput!) { result: confirmHold(input: $input) { \
    ... on HoldConfirmed { booking { reference version seats { id version } } } } }";
const CANCEL: &str = "mutation($input: CancelBookingInput!) { \
    result: cancelBooking(input: $input) { ... on BookingCancelled { seats { id version } } } }";
const BLOCK: &str = "mutation($input: BlockSeatsInput!) { result: blockSeats(input: $input) { \
    ... on SeatsBlocked { seats { id version } } \
    ... on SeatConflict { conflicts { seat { id version } } } } }";
const UNBLOCK: &str = "mutation($input: UnblockSeatsInput!) { \
    result: unblockSeats(input: $input) { ... on SeatsUnblocked { seats { id version } } } }";

/// Somebody who wants seats of one event, and what he knows of them.
pub struct Buyer {
    event: EventId,
    /// By the seat's place in the plan.
    versions: Vec<i64>,
    servers: Servers,
    client: reqwest::Client,
    buyer: String,
    staff: String,
    rng: StdRng,
}

impl Buyer {
    /// One who wants the first `seats` of the event.
    pub fn new(event: EventId, seats: usize, seed: u64, servers: Servers) -> Self {
        Self {
            event,
            versions: vec![1; seats],
            servers,
            client: reqwest::Client::builder()
                .timeout(PATIENCE)
                .build()
                .unwrap(),
            buyer: PrivateCluster::token(&format!("buyer-{seed}"), Role::Buyer),
            staff: PrivateCluster::token("tess", Role::Staff),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Takes seats and gives them back, until told to stop; answers how often
    /// something was done.
    pub async fn go_on(mut self, stop: CancellationToken) -> u32 {
        let mut done = 0;
        while !stop.is_cancelled() {
            match self.act().await {
                Some(()) => done += 1,
                None => sleep(PAUSE).await,
            }
        }
        done
    }

    /// Nothing when any answer failed to come, which leaves seats as they are: holds
    /// lapse, and what is booked or blocked stays so.
    async fn act(&mut self) -> Option<()> {
        let event = GlobalId::Event(self.event).to_string();
        let input = json!({
            "eventId": event, "seats": self.choose(), "onConflict": "RETRY",
        });
        if self.rng.random_bool(0.1) {
            return self.block(&event, &input).await;
        }
        let held = self.ask(HOLD, &input, Role::Buyer).await?;
        let Some(token) = held["token"].as_str() else {
            return Some(());
        };
        let input = json!({"token": token});
        match self.rng.random_range(0..10) {
            0 => {
                // Left to lapse.
            }
            1..=3 => {
                let confirmed = self.ask(CONFIRM, &input, Role::Buyer).await?;
                let booking = &confirmed["booking"];
                if booking.is_object() {
                    let (reference, version) = (&booking["reference"], &booking["version"]);
                    let input = json!({"reference": reference, "version": version});
                    self.ask(CANCEL, &input, Role::Buyer).await?;
                }
            }
            _ => drop(self.ask(RELEASE, &input, Role::Buyer).await?),
        }
        Some(())
    }

    async fn block(&mut self, event: &str, input: &Value) -> Option<()> {
        let blocked = self.ask(BLOCK, input, Role::Staff).await?;
        if blocked["seats"].is_array() {
            let input = json!({"eventId": event, "seats": blocked["seats"].as_array()?
                .iter()
                .map(|seat| json!({"seatId": seat["id"], "version": seat["version"]}))
                .collect::<Vec<_>>()});
            self.ask(UNBLOCK, &input, Role::Staff).await?;
        }
        Some(())
    }

    /// A few seats, at the versions that are known.
    fn choose(&mut self) -> Vec<Value> {
        let party = self.rng.random_range(1..=PARTY);
        let chosen = index::sample(&mut self.rng, self.versions.len(), party);
        let seat = |place: usize| {
            let id = GlobalId::Seat(self.event, i32::try_from(place).unwrap()).to_string();
            json!({"seatId": id, "version": self.versions[place]})
        };
        chosen.into_iter().map(seat).collect()
    }

    /// What became of a mutation, if that can be told.
    async fn ask(&mut self, query: &str, input: &Value, role: Role) -> Option<Value> {
        let server = self.servers.borrow().choose(&mut self.rng)?.clone();
        let token = match role {
            Role::BoxOffice | Role::Staff => &self.staff,
            Role::Buyer => &self.buyer,
        };
        let request = self
            .client
            .post(format!("{server}/graphql"))
            .bearer_auth(token)
            .json(&json!({"query": query, "variables": {"input": input}}));
        let mut answer: Value = request.send().await.ok()?.json().await.ok()?;
        let result = answer["data"]["result"].take();
        let lost = result["conflicts"].as_array().into_iter().flatten();
        let lost: Vec<Value> = lost.map(|lost| lost["seat"].clone()).collect();
        for seats in [
            &result["seats"],
            &result["hold"]["seats"],
            &result["booking"]["seats"],
            &Value::from(lost),
        ] {
            self.learn(seats);
        }
        result.is_object().then_some(result)
    }

    fn learn(&mut self, seats: &Value) {
        for seat in seats.as_array().into_iter().flatten() {
            let Ok(GlobalId::Seat(_, place)) = seat["id"].as_str().unwrap().parse() else {
                panic!("not a seat: {seat}");
            };
            let version = seat["version"].as_i64().unwrap();
            self.versions[usize::try_from(place).unwrap()] = version;
        }
    }
}
