//! Live maps under bad luck: whoever replays a snapshot and its deltas through lost
//! sockets, killed servers and a database that is restarted ends with the database's
//! map, and has seen every version of every seat, or a newer one, and never an older.
//!
//! `chaos` is the run and `judge` has the rules. A watcher only writes down what it was
//! told (`journal`); when all is over that is compared with the feed (`truth`). The same
//! judge hears a follower that goes by the highest id (`naive`), which must fail.
//!
//! By hand the run can be as long as one likes:
//!
//! ```text
//! USHER_CHAOS_SECONDS=120 USHER_CHAOS_WATCHERS=40 USHER_CHAOS_BUYERS=8 \
//!     cargo test --release --test it -- live_maps::chaos --nocapture
//! ```
//!
//! `USHER_CHAOS_SEED` throws the same dice again, though not at the same moments.

mod buyers;
mod chaos;
mod cluster;
mod crash;
mod crowd;
mod held_back;
mod journal;
mod judge;
mod naive;
mod overlap;
mod truth;
mod verdicts;
mod watcher;

use crate::live_maps::chaos::{Findings, Plan};
use crate::live_maps::judge::{Verdict, Violation};
use std::time::Duration;

/// A number from the environment, for runs by hand.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let number = text.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} is not a number: {text}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos_leaves_every_watcher_with_the_map_of_the_database_and_a_naive_one_without() {
    let plan = Plan {
        time: Duration::from_secs(setting("USHER_CHAOS_SECONDS").unwrap_or(6)),
        watchers: setting("USHER_CHAOS_WATCHERS").unwrap_or(8),
        buyers: setting("USHER_CHAOS_BUYERS").unwrap_or(4),
        seed: setting("USHER_CHAOS_SEED").unwrap_or_else(rand::random),
    };
    println!("USHER_CHAOS_SEED={}", plan.seed);
    let findings = chaos::run(plan).await;
    report(&findings);

    for (number, verdict) in findings.watchers.iter().enumerate() {
        let violations = &verdict.violations;
        assert!(
            violations.is_empty(),
            "watcher {number} of seed {} has {} complaints: {:#?}",
            plan.seed,
            violations.len(),
            &violations[..violations.len().min(10)]
        );
    }
    let resumptions = |verdict: &Verdict| verdict.resumptions;
    let resumptions: usize = findings.watchers.iter().map(resumptions).sum();
    assert!(resumptions > 0, "every server was killed once");
    assert!(findings.acts > 0, "seats changed hands");

    // The same run, read by the highest id.
    assert!(findings.misled > 0);
    let has = |wanted: fn(&Violation) -> bool| findings.naive.violations.iter().any(wanted);
    assert!(has(|found| matches!(found, Violation::Gap { .. })));
    assert!(has(|found| matches!(found, Violation::WrongEnd { .. })));
}

fn report(findings: &Findings) {
    let line = |who: &str, verdict: &Verdict| {
        println!(
            "{who}: {} messages, {} snapshots, {} resumptions, slowest {:?}, {} violations",
            verdict.messages,
            verdict.snapshots,
            verdict.resumptions,
            verdict.slowest,
            verdict.violations.len()
        );
    };
    println!(
        "{} changes, {} acts of buyers, {} transactions committed late",
        findings.changes, findings.acts, findings.misled
    );
    for (number, verdict) in findings.watchers.iter().enumerate() {
        line(&format!("watcher {number}"), verdict);
    }
    line("naive follower", &findings.naive);
}
