//! Whether the feed and those who were told of success say the same.

use super::{Call, Change, Done, History, Outcome, Rule, Sighting, Violations};
use std::collections::BTreeMap;

impl History {
    pub(super) fn check_successes(&self, violations: &mut Violations) {
        let mut told: BTreeMap<u64, Vec<(&Call, &Done)>> = BTreeMap::new();
        for call in &self.calls {
            if let Outcome::Done(done) = &call.outcome {
                told.entry(done.transaction).or_default().push((call, done));
                check_decision(done, violations);
            }
        }
        for (transaction, changes) in self.transactions() {
            match told.remove(&transaction) {
                Some(told) => check_told(&changes, &told, violations),
                None if changes.iter().all(|change| is_sweepers(change)) => {}
                None => violations.add(Rule::Explained, format!("nobody did {changes:?}")),
            }
        }
        for (call, _) in told.into_values().flatten() {
            let how = format!("the feed has nothing of {call:?}");
            violations.add(Rule::Explained, how);
        }
    }
}

/// What one call did.
pub(super) struct Deed<'history> {
    pub(super) done: &'history Done,
    pub(super) changes: Vec<&'history Change>,
}

/// The changes of a transaction, parted by the calls that made them: many calls may share a
/// transaction, and each seat changes once in it.
pub(super) fn deeds<'history>(
    changes: &[&'history Change],
    told: &[(&'history Call, &'history Done)],
) -> Vec<Deed<'history>> {
    let mut deeds: Vec<Deed<'_>> = Vec::new();
    for (call, done) in told {
        let is_of_call = |change: &Change| {
            let is_free = |deed: &Deed<'_>| deed.changes.iter().all(|of| of.seat != change.seat);
            done.changed.iter().any(|seen| seen.seat == change.seat) && deeds.iter().all(is_free)
        };
        let part = changes.iter().copied();
        let part: Vec<&Change> = part.filter(|change| is_of_call(change)).collect();
        if !part.is_empty() && did(&part, call, done) {
            deeds.push(Deed {
                done,
                changes: part,
            });
        }
    }
    deeds
}

/// Each change was made by one of those who are told of it. Whoever has made none of them has
/// asked for what was done before.
fn check_told(changes: &[&Change], told: &[(&Call, &Done)], violations: &mut Violations) {
    let deeds = deeds(changes, told);
    let is_done = |change: &&&Change| {
        let is_in = |deed: &Deed<'_>| deed.changes.iter().any(|of| of.id == change.id);
        deeds.iter().any(is_in)
    };
    let rest: Vec<_> = changes.iter().filter(|change| !is_done(change)).collect();
    if !rest.is_empty() {
        let how = format!("{rest:?} was done by none of {told:?}");
        violations.add(Rule::Explained, how);
    }
    for (call, done) in told {
        let did_it = deeds.iter().any(|deed| std::ptr::eq(deed.done, *done));
        let is_again = || deeds.iter().any(|deed| deed.done.owner == done.owner);
        let is_explained = did_it || (done.may_be_again && is_again());
        if !is_explained {
            let how = format!("{changes:?} was done before {call:?}");
            violations.add(Rule::Explained, how);
        }
    }
}

/// Whether this call can have made these changes.
fn did(changes: &[&Change], call: &Call, done: &Done) -> bool {
    let mut written: Vec<Sighting> = changes.iter().map(|change| change.sighting()).collect();
    let mut said = done.changed.clone();
    written.sort();
    said.sort();
    let under_way = call.start..=call.end;
    said == written
        && changes.iter().all(|change| {
            change.actor == call.actor
                && under_way.contains(&change.at)
                && (change.owner.is_none() || change.owner == done.owner)
        })
}

fn check_decision(done: &Done, violations: &mut Violations) {
    for (seat, version) in &done.decided_on {
        let became = done.changed.iter().find(|seen| seen.seat == *seat);
        if became.is_none_or(|seen| seen.version != version + 1) {
            let how = format!("decided on seat {seat} at version {version}: {done:?}");
            violations.add(Rule::Decided, how);
        }
    }
}

fn is_sweepers(change: &Change) -> bool {
    change.actor == "system:sweeper" && change.cause == "LAPSED" && change.status == "AVAILABLE"
}

impl Change {
    fn sighting(&self) -> Sighting {
        Sighting {
            seat: self.seat,
            version: self.version,
            status: self.status.clone(),
        }
    }
}
