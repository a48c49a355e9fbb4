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

/// One did it. Whoever else is told of it has asked for what was done before.
fn check_told(changes: &[&Change], told: &[(&Call, &Done)], violations: &mut Violations) {
    let Some((_, doer)) = told.iter().find(|(call, done)| did(changes, call, done)) else {
        let how = format!("{changes:?} was done by none of {told:?}");
        violations.add(Rule::Explained, how);
        return;
    };
    let others = told.iter().filter(|(_, done)| !std::ptr::eq(*done, *doer));
    for (call, done) in others {
        if !done.may_be_again || done.owner != doer.owner {
            let how = format!("{changes:?} was done before {call:?}");
            violations.add(Rule::Explained, how);
        }
    }
}

/// Whether this call can have made these changes.
pub(super) fn did(changes: &[&Change], call: &Call, done: &Done) -> bool {
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
