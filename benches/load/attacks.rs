//! A buyer who behaves, while many do not: what an attack costs others.

use crate::client::Client;
use crate::event::{field, on_sale};
use crate::hostile::{self, ATTACKS, Attack, Statuses};
use crate::page::{Output, Page};
use crate::report::{Percentiles, new_histogram};
use crate::server::Server;
use crate::{Outcome, sound};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

/// Who attacks, how often, and for how long.
#[derive(clap::Args, Clone, Serialize)]
pub struct Attacks {
    /// Attackers, each with an address of its own.
    #[arg(long, default_value_t = 50)]
    attackers: usize,
    /// What each of them sends a second.
    #[arg(long, default_value_t = 10)]
    pace: u32,
    /// How long a turn takes: with the attack, and without it.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many turns of both.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only attacks with this in their name.
    #[arg(long, default_value = "")]
    only: String,
}

const HOLD: &str = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { \
    ... on SeatsHeld { token hold { seats { version } } } } }";
const RELEASE: &str = "mutation($input: ReleaseHoldInput!) { releaseHold(input: $input) { \
    ... on SeatsReleased { seats { version } } } }";
/// Buyers who take turns: one alone would use up what a buyer may change in a minute.
const BUYERS: u32 = 16;
/// How often one of them asks for something.
const BUYER_PACE: Duration = Duration::from_millis(10);

pub async fn run(attacks: Attacks, output: &Output) -> Outcome<()> {
    // So that every attacker can come from an address of its own.
    let server = Server::start_limited(&["--trusted-proxies", "127.0.0.1"]).await?;
    let event = on_sale(&server, &field(1_000)).await?;
    println!(
        "{} attackers, each {} times a second, and buyers who hold and release, in turns with \
         the buyers alone\n",
        attacks.attackers, attacks.pace
    );
    let mut page = Page::default();
    page.head(
        "| attack | answers | p50 alone ms | p50 attacked ms | p99 alone ms | p99 attacked ms | p99 ratio |",
    );
    let mut buyers = Buyers::connect(&server, event).await?;
    let elsewhere = elsewhere()?;
    for attack in ATTACKS {
        if !attack.name.contains(&attacks.only) {
            continue;
        }
        page.row(&row(&server, &mut buyers, attack, &attacks, &elsewhere).await?);
    }
    elsewhere.shutdown_background();
    sound::check(&server).await?;
    page.write("attacks", &attacks, output)?;
    server.stop().await
}

/// Where attackers run. They have machines of their own; here they have what the server and
/// its buyers leave of this one, so that what is measured is the work that they make.
fn elsewhere() -> std::io::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .on_thread_start(|| {
            // Of this thread alone, on Linux. Elsewhere the attackers are in the way themselves.
            let _ = rustix::process::nice(19);
        })
        .build()
}

async fn row(
    server: &Server,
    buyers: &mut Buyers,
    attack: Attack,
    attacks: &Attacks,
    elsewhere: &Runtime,
) -> Outcome<String> {
    let (mut alone, mut attacked) = (new_histogram(), new_histogram());
    let mut answers = Statuses::new();
    for _ in 0..attacks.rounds {
        let end = Instant::now() + Duration::from_secs(attacks.seconds);
        buyers.buy_until(end, &mut alone).await?;
        let end = Instant::now() + Duration::from_secs(attacks.seconds);
        let mut attackers = JoinSet::new();
        for number in 0..attacks.attackers {
            let pace = Duration::from_secs(1) / attacks.pace;
            let address = server.address.clone();
            let attacker = hostile::attack_until(address, attack, number, pace, end);
            attackers.spawn_on(attacker, elsewhere.handle());
        }
        buyers.buy_until(end, &mut attacked).await?;
        while let Some(done) = attackers.join_next().await {
            for (status, count) in done?? {
                *answers.entry(status).or_default() += count;
            }
        }
    }
    let answers: Vec<String> = answers
        .iter()
        .map(|(status, count)| format!("{count} × {status}"))
        .collect();
    let (quiet, hurt) = (Percentiles::of(&alone), Percentiles::of(&attacked));
    Ok(format!(
        "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
        attack.name,
        answers.join(", "),
        quiet.p50,
        hurt.p50,
        quiet.p99,
        hurt.p99,
        hurt.p99 / quiet.p99
    ))
}

/// People who are signed in, and want one seat after the other.
struct Buyers {
    event: EventId,
    all: Vec<Client>,
    /// Of the seat that is held and released again and again.
    version: i64,
}

impl Buyers {
    async fn connect(server: &Server, event: EventId) -> Outcome<Self> {
        let mut all = Vec::new();
        for number in 0..BUYERS {
            let token = server.token(&format!("buyer-{number}")).await?;
            let headers = format!("Authorization: Bearer {token}\r\n");
            all.push(Client::connect(&server.address, &headers).await?);
        }
        let version = 1;
        Ok(Self {
            event,
            all,
            version,
        })
    }

    async fn buy_until(&mut self, end: Instant, took: &mut Histogram<u64>) -> Outcome<()> {
        let mut turns = interval(BUYER_PACE);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let seat = GlobalId::Seat(self.event, 0).to_string();
        for number in (0..self.all.len()).cycle() {
            if Instant::now() >= end {
                break;
            }
            let buyer = &mut self.all[number];
            turns.tick().await;
            let input = json!({
                "eventId": GlobalId::Event(self.event).to_string(),
                "seats": [{"seatId": seat, "version": self.version}],
            });
            let held = timed(buyer, HOLD, &input, took).await?;
            turns.tick().await;
            let input = json!({"token": held["token"]});
            let released = timed(buyer, RELEASE, &input, took).await?;
            let version = released["seats"][0]["version"].as_i64();
            self.version = version.ok_or("the seat was not released")?;
        }
        Ok(())
    }
}

async fn timed(
    buyer: &mut Client,
    query: &str,
    input: &Value,
    took: &mut Histogram<u64>,
) -> Outcome<Value> {
    let began = Instant::now();
    let answer = buyer.mutate(query, input).await?;
    took.record(u64::try_from(began.elapsed().as_micros())?)?;
    answer.ok_or_else(|| "a buyer was in others' way".into())
}
