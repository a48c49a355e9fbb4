//! One turn of one contender: what counts of its calls, and what they cost.

use crate::Outcome;
use crate::calls::{Answer, Call, Calls, Pace};
use crate::cost::Cost;
use crate::report::{Percentiles, new_histogram};
use hdrhistogram::Histogram;
use std::time::Duration;

/// What is left out at the beginning of a slice, for everybody: connections are new, and
/// PostgreSQL's processes have planned nothing yet.
const WARM_UP: Duration = Duration::from_millis(500);

/// What came out of a slice, or of several.
pub struct Slice {
    /// Times of the calls that succeeded, and of those that lost, in microseconds.
    pub successes: Histogram<u64>,
    pub conflicts: Histogram<u64>,
    /// How long the counted part was.
    pub elapsed: Duration,
    /// All calls that succeeded, and all calls: also those that are not counted.
    pub all_successes: u64,
    pub all: u64,
    /// What all calls have cost.
    pub cost: Cost,
    /// Who called: the fewest at once.
    pub clients: usize,
}

impl Slice {
    /// Of nothing yet.
    pub fn empty() -> Self {
        Self {
            successes: new_histogram(),
            conflicts: new_histogram(),
            elapsed: Duration::ZERO,
            all_successes: 0,
            all: 0,
            cost: Cost::default(),
            clients: usize::MAX,
        }
    }

    /// Of calls, with what they have cost. In a closed loop those count that ended in the
    /// counted part; in an open one those that were due in it, whenever they ended: the
    /// slowest ones would be missing otherwise.
    pub fn of(calls: &Calls, pace: Pace, cost: Cost) -> Outcome<Self> {
        let is_open = pace.rate.is_some();
        let mut slice = Self::empty();
        let from = WARM_UP.min(calls.over / 4);
        let mut until = calls.over;
        for call in &calls.all {
            slice.all += 1;
            slice.all_successes += u64::from(call.answer != Answer::Conflict);
            if is_open {
                until = until.max(call.ended);
            }
            let when = if is_open { due(call) } else { call.ended };
            if when < from || when > until {
                continue;
            }
            let took = u64::try_from(call.took.as_micros())?;
            match call.answer {
                Answer::Success(_) => slice.successes.record(took)?,
                Answer::Conflict => slice.conflicts.record(took)?,
            }
        }
        slice.elapsed = until.saturating_sub(from);
        slice.cost = cost;
        slice.clients = pace.clients;
        Ok(slice)
    }

    /// Takes another one in.
    pub fn add(&mut self, other: &Self) -> Outcome<()> {
        self.successes.add(&other.successes)?;
        self.conflicts.add(&other.conflicts)?;
        self.elapsed += other.elapsed;
        self.all_successes += other.all_successes;
        self.all += other.all;
        self.cost = self.cost + other.cost;
        self.clients = self.clients.min(other.clients);
        Ok(())
    }

    /// Successes a second.
    pub fn rate(&self) -> f64 {
        per_second(self.successes.len(), self.elapsed)
    }

    /// Conflicts a second.
    pub fn conflict_rate(&self) -> f64 {
        per_second(self.conflicts.len(), self.elapsed)
    }

    /// How long successes took, or conflicts where there was nothing else.
    pub fn percentiles(&self) -> Percentiles {
        if self.successes.is_empty() {
            return Percentiles::of(&self.conflicts);
        }
        Percentiles::of(&self.successes)
    }
}

fn due(call: &Call) -> Duration {
    call.ended.saturating_sub(call.took)
}

#[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    count as f64 / elapsed.as_secs_f64()
}
