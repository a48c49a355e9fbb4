//! The run: watchers, buyers, overlapping transactions, and one disaster after the
//! other. In the end everybody is judged.

use crate::live_maps::buyers::Buyer;
use crate::live_maps::cluster::{PrivateCluster, Restart};
use crate::live_maps::journal::{Journal, Known};
use crate::live_maps::judge::{Verdict, judge};
use crate::live_maps::truth::{self, Truth};
use crate::live_maps::watcher::{Manner, Watcher};
use crate::live_maps::{naive, overlap};
use crate::support::{checks, eventually, house};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use usher::model::Role;
use usher::model::global_id::GlobalId;
use usher::model::ids::{EventId, SeatNo};

/// Rows and seats of a row that buyers want.
const HALL: (usize, usize) = (11, 10);
/// The last row is for overlapping transactions: the first two of its seats mislead, and
/// the next ones dawdle in pairs.
const WANTED: usize = 100;
const MISLEADING: [SeatNo; 2] = [100, 101];
const DAWDLING: [[SeatNo; 2]; 3] = [[102, 103], [104, 105], [106, 107]];

/// How long, how many, and by which dice.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub time: Duration,
    pub watchers: usize,
    pub buyers: usize,
    pub seed: u64,
}

/// What happens to those who serve.
#[derive(Clone, Copy, Debug)]
enum Disaster {
    /// An usher is killed, and another one is started.
    Kill,
    Restart(Restart),
}

/// What came out of a run.
pub struct Findings {
    pub watchers: Vec<Verdict>,
    pub naive: Verdict,
    /// How often the naive follower was misled.
    pub misled: u32,
    pub changes: usize,
    pub acts: u32,
}

/// Runs through it all once.
pub async fn run(plan: Plan) -> Findings {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut cluster = PrivateCluster::start(3).await;
    // One follower follows all events: what happens in one must not disturb the other.
    let events = [open_sale(&cluster).await, open_sale(&cluster).await];
    let [event, _] = events;
    let start = truth::seats(&mut cluster.sql().await, event.0).await;

    let ends = [watch::Sender::new(None), watch::Sender::new(None)];
    let watchers = watch_it(&cluster, events, plan, &mut rng, &ends);
    let stop = CancellationToken::new();
    let (progress, naive_progress) = watch::channel(0);
    let stop_naive = CancellationToken::new();
    let url = || cluster.database_url.clone();
    let naive = naive::follow(url(), event.0, start, progress, stop_naive.clone());
    let naive = tokio::spawn(naive);
    let misleading = overlap::mislead(
        url(),
        event.0,
        MISLEADING,
        naive_progress.clone(),
        stop.clone(),
    );
    let misleading = tokio::spawn(misleading);
    let dawdling: Vec<_> = DAWDLING
        .into_iter()
        .zip(events.into_iter().cycle())
        .map(|(pair, event)| overlap::dawdle(url(), event.0, pair, rng.random(), stop.clone()))
        .map(tokio::spawn)
        .collect();
    let buying: Vec<_> = (0..plan.buyers)
        .zip(events.into_iter().cycle())
        .map(|(_, event)| Buyer::new(event, WANTED, rng.random(), cluster.servers()))
        .map(|buyer| tokio::spawn(buyer.go_on(stop.clone())))
        .collect();

    strike(&mut cluster, plan, &mut rng).await;
    stop.cancel();
    let mut misled = misleading.await.unwrap();
    for dawdling in dawdling {
        dawdling.await.unwrap();
    }
    let mut acts = 0;
    for buying in buying {
        acts += buying.await.unwrap();
    }
    misled += mislead_for_certain(&cluster, event, naive_progress).await;
    for (event, end) in events.into_iter().zip(&ends) {
        end.send_replace(Some(at_rest(&cluster, event).await));
    }
    stop_naive.cancel();

    let mut sql = cluster.sql().await;
    let mut truths = Vec::new();
    for event in events {
        truths.push(Truth::of(&mut sql, event.0, cluster.outages.clone()).await);
    }
    let violations = checks::violations(&mut sql).await;
    assert!(violations.is_empty(), "{violations:#?}");
    let naive = judge(&naive.await.unwrap(), &truths[0]);
    let mut verdicts = Vec::new();
    for (stage, watcher) in watchers {
        verdicts.push(judge(&watcher.await.unwrap(), &truths[stage]));
    }
    drop(sql);
    cluster.stop().await;
    Findings {
        watchers: verdicts,
        naive,
        misled,
        changes: truths.iter().map(|truth| truth.changes.len()).sum(),
        acts,
    }
}

/// An event on sale, on a fresh cluster.
pub async fn open_sale(cluster: &PrivateCluster) -> EventId {
    let token = PrivateCluster::token("tess", Role::Staff);
    let staff = cluster.newest().bearer(&token);
    let (rows, seats) = HALL;
    let plan = staff.import_plan(&house::plan(rows, seats)).await;
    let venue = staff.create_venue("Test House", "Europe/Berlin").await;
    let input = json!({
        "venueId": venue, "planId": plan, "name": "Chaos", "currency": "EUR",
        "startsAt": "2030-01-01T19:30:00Z",
        "prices": [{"category": "Stalls", "amountMinor": 1000}],
        // What is held when its server is killed comes back soon.
        "holdSeconds": 2,
    });
    let created = staff.create_event(&input).await;
    let event = created["event"]["id"].as_str().unwrap();
    let version = created["event"]["version"].as_i64().unwrap();
    staff.open_sale(event, version).await;
    match event.parse() {
        Ok(GlobalId::Event(event)) => event,
        other => panic!("{event} is not an event: {other:?}"),
    }
}

/// The watchers, each with the place of the event that it watches.
fn watch_it(
    cluster: &PrivateCluster,
    events: [EventId; 2],
    plan: Plan,
    rng: &mut StdRng,
    ends: &[watch::Sender<Option<Known>>; 2],
) -> Vec<(usize, JoinHandle<Journal>)> {
    let manners = [
        Manner::Fickle,
        Manner::Faithful,
        Manner::Fickle,
        Manner::Slow,
    ];
    // Some of each manner at each event.
    let places = (0..plan.watchers).map(|number| number / manners.len() % events.len());
    let watchers = places.zip(manners.into_iter().cycle());
    let begin = |(place, manner): (usize, Manner)| {
        let id = GlobalId::Event(events[place]).to_string();
        let (servers, end) = (cluster.servers(), ends[place].subscribe());
        let watcher = Watcher::new(&id, manner, rng.random(), servers, end);
        (place, tokio::spawn(watcher.watch()))
    };
    watchers.map(begin).collect()
}

/// One disaster after the other, evenly over the time of the run: each usher is killed at
/// least once, and PostgreSQL stopped in both ways.
async fn strike(cluster: &mut PrivateCluster, plan: Plan, rng: &mut StdRng) {
    let restart = |how| Disaster::Restart(how);
    let certain = [
        Disaster::Kill,
        restart(Restart::Fast),
        Disaster::Kill,
        restart(Restart::Immediate),
        Disaster::Kill,
    ];
    let further = [
        Disaster::Kill,
        Disaster::Kill,
        restart(Restart::Fast),
        restart(Restart::Immediate),
    ];
    // One in four seconds, when there is time for more.
    let count = usize::try_from(plan.time.as_secs() / 4).unwrap();
    let mut disasters = certain.to_vec();
    while disasters.len() < count {
        disasters.push(*further.choose(rng).unwrap());
    }
    let started = Instant::now();
    let pause = plan.time / u32::try_from(disasters.len() + 1).unwrap();
    for (number, disaster) in (1..).zip(disasters) {
        sleep_until(started + pause * number).await;
        println!("{:>6.1} s: {disaster:?}", started.elapsed().as_secs_f64());
        match disaster {
            Disaster::Kill => cluster.replace_oldest().await,
            Disaster::Restart(how) => cluster.restart(how).await,
        }
    }
    sleep_until(started + plan.time).await;
}

/// The last word on its seats is a late one, so that a reader that skips it is wrong in
/// the end.
async fn mislead_for_certain(
    cluster: &PrivateCluster,
    event: EventId,
    mut progress: watch::Receiver<i64>,
) -> u32 {
    let url = &cluster.database_url;
    let misleading = async || {
        let misled = overlap::mislead_once(url, event.0, MISLEADING, &mut progress).await;
        misled.unwrap().then_some(1)
    };
    eventually("somebody reads past a late one", misleading).await
}

/// Every seat of the event, once nothing changes any more: what was held has lapsed.
async fn at_rest(cluster: &PrivateCluster, event: EventId) -> Known {
    let mut sql = cluster.sql().await;
    let held = format!("seats WHERE event_id = {event} AND status = 'HELD'");
    eventually("every hold has lapsed", async || {
        (checks::count(&mut sql, &held).await == 0).then_some(())
    })
    .await;
    truth::seats(&mut sql, event.0).await
}
