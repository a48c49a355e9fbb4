//! Whether what is said of a seat was so at some moment of the call: each seat is
//! linearizable on its own.

use super::{Call, History, Outcome, Rule, Sighting, Violations};
use std::collections::BTreeMap;

/// A version of a seat.
struct Version<'history> {
    status: &'history str,
    /// It began at this time or later.
    from: i64,
    /// It had begun by this time, if that is known.
    by: i64,
}

impl History {
    pub(super) fn check_sightings(&self, violations: &mut Violations) {
        let mut versions = self.versions();
        // Who is told of a version proves that it had begun by the end of the call,
        // and so had those before it.
        for call in &self.calls {
            for seen in call.outcome.sightings() {
                if let Some(version) = versions.get_mut(&(seen.seat, seen.version)) {
                    version.by = version.by.min(call.end);
                }
            }
        }
        let mut later: Option<(usize, i64)> = None;
        for ((seat, _), version) in versions.iter_mut().rev() {
            if let Some((_, by)) = later.filter(|(of, _)| of == seat) {
                version.by = version.by.min(by);
            }
            later = Some((*seat, version.by));
        }
        for call in &self.calls {
            for seen in call.outcome.sightings() {
                if let Err(why) = was_so(&versions, call, seen) {
                    violations.add(Rule::Seen, format!("{seen:?} {why}, in {call:?}"));
                }
            }
            check_conflict(call, violations);
        }
    }

    /// Every version that a seat had, from the first on.
    fn versions(&self) -> BTreeMap<(usize, i64), Version<'_>> {
        let mut versions = BTreeMap::new();
        let first = || Version {
            status: "AVAILABLE",
            from: i64::MIN,
            by: i64::MIN,
        };
        let seen = self.calls.iter().flat_map(|call| call.outcome.sightings());
        for seat in seen.map(|seen| seen.seat) {
            versions.entry((seat, 1)).or_insert_with(first);
        }
        for change in &self.changes {
            let version = Version {
                status: &change.status,
                from: change.at,
                by: i64::MAX,
            };
            versions.insert((change.seat, change.version), version);
            versions.entry((change.seat, 1)).or_insert_with(first);
            // It was written when the one before it had ended.
            if let Some(before) = versions.get_mut(&(change.seat, change.version - 1)) {
                before.by = before.by.min(change.at);
            }
        }
        versions
    }
}

fn was_so(
    versions: &BTreeMap<(usize, i64), Version<'_>>,
    call: &Call,
    seen: &Sighting,
) -> Result<(), &'static str> {
    let version = versions
        .get(&(seen.seat, seen.version))
        .filter(|version| version.status == seen.status)
        .ok_or("never was")?;
    if version.from > call.end {
        return Err("was not yet");
    }
    let next = versions.get(&(seen.seat, seen.version + 1));
    if next.is_some_and(|next| next.by < call.start) {
        return Err("was no more");
    }
    Ok(())
}

fn check_conflict(call: &Call, violations: &mut Violations) {
    let Outcome::Conflict { wanted, lost, .. } = &call.outcome else {
        return;
    };
    let could_be_had =
        |(expected, seen): &(i64, Sighting)| *expected == seen.version && seen.status == *wanted;
    if lost.is_empty() || lost.iter().any(could_be_had) {
        violations.add(Rule::Lost, format!("there is no conflict in {call:?}"));
    }
}

impl Outcome {
    /// All that it says about seats.
    pub fn sightings(&self) -> Vec<&Sighting> {
        match self {
            Outcome::Done(done) => {
                let all = done.all.iter().flatten();
                done.changed.iter().chain(all).collect()
            }
            Outcome::Conflict {
                lost, alternatives, ..
            } => {
                let lost = lost.iter().map(|(_, seen)| seen);
                lost.chain(alternatives).collect()
            }
            Outcome::Unchanged { shown } => shown.iter().collect(),
        }
    }
}
