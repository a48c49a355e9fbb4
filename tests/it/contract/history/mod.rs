//! A history of mutations that raced, and what must hold of any.
//!
//! Everything here is a pure function of what was recorded: the calls with their
//! answers and the moments between which they were under way, and the rows of the
//! change feed, which are read when all is over.
//!
//! Times are microseconds of one clock: the test and PostgreSQL are on one machine.
//! Changes are in the order of their ids. That is an order in which they can have
//! happened: whoever changes a seat that another transaction has changed waits until
//! that one has ended, and takes its id afterwards; the same is true of two who take
//! turns at what one buyer has. A transaction happens with its last change.

mod cases;
mod replay;
mod sightings;
mod successes;

use std::collections::BTreeMap;

/// What was recorded.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub limits: Limits,
    pub calls: Vec<Call>,
    /// In the order of their ids.
    pub changes: Vec<Change>,
    /// When the time of a hold passed: after the change with this id, before the next.
    pub lapses: Vec<(i64, String)>,
    /// Every hold and every booking as it is in the end, by its id.
    pub owners: BTreeMap<String, Owner>,
}

/// What the event allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub seats_per_hold: usize,
    pub seats_per_buyer: usize,
    pub holds_per_buyer: usize,
}

/// A hold or a booking.
#[derive(Clone, Debug)]
pub struct Owner {
    /// `None` for a visitor's.
    pub buyer: Option<String>,
    /// For a booking the hold that it was.
    pub was_hold: Option<String>,
    pub is_booking: bool,
    /// It runs, or it is confirmed, in the end.
    pub is_live: bool,
    pub seats: Vec<usize>,
}

/// A row of the change feed.
#[derive(Clone, Debug)]
pub struct Change {
    pub id: i64,
    pub transaction: u64,
    pub seat: usize,
    pub version: i64,
    pub status: String,
    pub cause: String,
    pub actor: String,
    pub owner: Option<String>,
    /// When it was written; it could be seen later, when its transaction had ended.
    pub at: i64,
}

/// A call and its answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// As the feed names whoever called.
    pub actor: String,
    pub start: i64,
    pub end: i64,
    pub outcome: Outcome,
}

/// What a call came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    Done(Done),
    Conflict {
        /// What a seat has to be so that it can be had.
        wanted: &'static str,
        /// The versions that were expected, and what the seats were said to be.
        lost: Vec<(i64, Sighting)>,
        alternatives: Vec<Sighting>,
    },
    /// Anything else: no seat was changed.
    Unchanged {
        shown: Vec<Sighting>,
    },
}

/// What a call did.
#[derive(Clone, Debug)]
pub struct Done {
    pub transaction: u64,
    /// The hold or booking that was made or changed; `None` for what staff do to seats.
    pub owner: Option<String>,
    /// The seats that were changed, as they became; as they are, when a hold is confirmed
    /// once more.
    pub changed: Vec<Sighting>,
    /// The versions that the decision was made on, when they are told and not to be
    /// outrun.
    pub decided_on: Vec<(usize, i64)>,
    /// All of the owner's seats then, as far as that is told.
    pub all: Option<Vec<Sighting>>,
    /// It may have been done before: the booking of a hold that is confirmed once more
    /// is told of as it is, with its last change.
    pub may_be_again: bool,
}

/// A seat as it was said to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    pub seat: usize,
    pub version: i64,
    pub status: String,
}

/// A rule of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The versions of a seat in the feed are 2, 3, 4 …
    Versions,
    /// Every change is what exactly one success says, or is the sweeper's, and every
    /// success has its changes.
    Explained,
    /// A decision on a version makes the next one.
    Decided,
    /// A seat is taken from nobody who still has it.
    Taken,
    /// What is said of a seat was so at some moment of the call, and nobody who asks
    /// later is told something older.
    Seen,
    /// Who is told of a conflict had one.
    Lost,
    /// Nobody has more than the event allows, at any moment.
    Limits,
    /// A hold or booking has the seats that it is said to have.
    Owned,
}

/// A rule that is broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub how: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seats_per_hold: usize::MAX,
            seats_per_buyer: usize::MAX,
            holds_per_buyer: usize::MAX,
        }
    }
}

impl History {
    /// Every rule that is broken, with how.
    pub fn violations(&self) -> Vec<Violation> {
        let mut violations = Violations::default();
        self.check_versions(&mut violations);
        self.check_successes(&mut violations);
        self.check_sightings(&mut violations);
        self.check_replay(&mut violations);
        violations.0
    }

    /// The rules that are broken, each once.
    pub fn broken_rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = self.violations().iter().map(|found| found.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn check_versions(&self, violations: &mut Violations) {
        let mut versions: BTreeMap<usize, i64> = BTreeMap::new();
        for change in &self.changes {
            let version = versions.entry(change.seat).or_insert(1);
            if change.version != *version + 1 {
                let how = format!("after version {version} comes {change:?}");
                violations.add(Rule::Versions, how);
            }
            *version = change.version;
        }
    }

    /// The transactions that changed something, in the order in which they happened.
    fn transactions(&self) -> Vec<(u64, Vec<&Change>)> {
        let mut transactions: BTreeMap<u64, Vec<&Change>> = BTreeMap::new();
        for change in &self.changes {
            transactions
                .entry(change.transaction)
                .or_default()
                .push(change);
        }
        let mut transactions: Vec<_> = transactions.into_iter().collect();
        transactions.sort_by_key(|(_, changes)| changes.iter().map(|change| change.id).max());
        transactions
    }
}

/// What was found.
#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, rule: Rule, how: String) {
        self.0.push(Violation { rule, how });
    }
}
