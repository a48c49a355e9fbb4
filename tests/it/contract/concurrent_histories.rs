//! A crowd on few seats: whatever happened, the recorded history breaks no rule.

use super::crowd::let_loose;
use super::history::{History, Outcome};
use super::recorder::Recorder;
use crate::support::House;
use crate::support::checks::assert_sound;
use std::collections::BTreeMap;

/// How often each kind of outcome is in a history.
fn tally(history: &History) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    for call in &history.calls {
        let kind = match &call.outcome {
            Outcome::Done(_) => "done",
            Outcome::Conflict { .. } => "conflict",
            Outcome::Unchanged { .. } => "unchanged",
        };
        *tally.entry(kind).or_default() += 1;
    }
    for change in &history.changes {
        let kind = match change.cause.as_str() {
            "HELD" => "seats held",
            "RELEASED" => "seats released",
            "BOOKED" => "seats booked",
            "LAPSED" => "seats lapsed",
            "CANCELLED" => "seats cancelled",
            "BLOCKED" => "seats blocked",
            "UNBLOCKED" => "seats unblocked",
            _ => "seats otherwise changed",
        };
        *tally.entry(kind).or_default() += 1;
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn what_32_clients_do_to_50_seats_breaks_no_rule() {
    let house = House::open().await;
    let recorder = Recorder::new(&house, 50).await;
    let seed = rand::random();
    println!("the clients' choices are those of seed {seed}");
    let_loose(&recorder, 32, 25, seed).await;
    let history = recorder.history().await;
    let violations = history.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    // It was a race, and all of it.
    let tally = tally(&history);
    println!("{tally:?}");
    for (kind, at_least) in [
        ("done", 50),
        ("conflict", 20),
        ("unchanged", 20),
        ("seats held", 50),
        ("seats released", 20),
        ("seats booked", 5),
        ("seats lapsed", 1),
        ("seats cancelled", 1),
        ("seats blocked", 1),
    ] {
        assert!(tally.get(kind) >= Some(&at_least), "{kind}: {tally:?}");
    }
    assert_sound(&house).await;
}
