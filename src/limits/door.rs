//! Who is refused without being asked what it is about: those who go on although they were told
//! to wait.
//!
//! To find out what is asked for costs something too: a body is read, a document parsed, Redis
//! asked. Whoever is refused now and then is worth that, because another budget may be full, or
//! something else cost less. Whoever does not stop is not, until the time that was told is over.
//!
//! It must never ask anybody, and never refuse for longer than was told.

use super::local::LocalBudget;
use super::{Clock, Decision, LimitKey};
use crate::config::Rate;
use governor::clock::Clock as _;
use governor::nanos::Nanos;
use quick_cache::sync::Cache;
use std::num::NonZeroU32;
use std::time::Duration;

/// How often one caller is refused after the work has been done, and by when as often again.
const REFUSALS: Rate = Rate::new(NonZeroU32::new(60).unwrap(), Duration::from_mins(1));

/// Closed doors that are remembered at most.
const MOST_CLOSED: usize = 65_536;

/// What one process remembers of those whom it has refused.
pub struct Door {
    clock: Clock,
    refusals: LocalBudget,
    closed: Cache<LimitKey, Closed>,
}

/// Why, and until when.
#[derive(Clone, Copy)]
struct Closed {
    until: Nanos,
    decision: Decision,
}

impl Door {
    /// Open to everybody.
    pub fn new(clock: Clock) -> Self {
        Self {
            refusals: LocalBudget::new(REFUSALS, clock.clone()),
            closed: Cache::new(MOST_CLOSED),
            clock,
        }
    }

    /// Somebody was refused, and told to wait.
    pub fn note(&self, key: &LimitKey, decision: Decision) {
        if self.refusals.check(key, NonZeroU32::MIN).allowed {
            return;
        }
        let until = self.clock.now() + decision.retry_after;
        self.closed.insert(key.clone(), Closed { until, decision });
    }

    /// The refusal of somebody to whom it is closed.
    pub fn refusal(&self, key: &LimitKey) -> Option<Decision> {
        let Closed { until, decision } = self.closed.get(key)?;
        let left = Duration::from(until.saturating_sub(self.clock.now()));
        if left.is_zero() {
            self.closed.remove(key);
            return None;
        }
        let passed = decision.retry_after.saturating_sub(left);
        Some(Decision {
            retry_after: left,
            reset_after: decision.reset_after.saturating_sub(passed),
            ..decision
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Budget;

    fn told_to_wait(seconds: u64) -> Decision {
        Decision {
            budget: Budget::Reads,
            allowed: false,
            limit: 10,
            window: Duration::from_mins(1),
            remaining: 0,
            reset_after: Duration::from_mins(1),
            retry_after: Duration::from_secs(seconds),
        }
    }

    fn somebody() -> LimitKey {
        LimitKey::Subject("somebody".into())
    }

    #[test]
    fn who_does_not_stop_is_refused_for_as_long_as_was_told() {
        let clock = Clock::by_hand();
        let door = Door::new(clock.clone());
        for _ in 0..60 {
            door.note(&somebody(), told_to_wait(6));
            assert_eq!(door.refusal(&somebody()), None);
        }
        door.note(&somebody(), told_to_wait(6));
        clock.advance(Duration::from_secs(2));
        let refusal = door.refusal(&somebody()).unwrap();
        assert_eq!(refusal.retry_after, Duration::from_secs(4));
        assert_eq!(refusal.reset_after, Duration::from_secs(58));
        assert_eq!(door.refusal(&LimitKey::Subject("other".into())), None);
        clock.advance(Duration::from_secs(4));
        assert_eq!(door.refusal(&somebody()), None);
    }

    #[test]
    fn who_was_refused_now_and_then_is_not() {
        let clock = Clock::by_hand();
        let door = Door::new(clock.clone());
        for _ in 0..1_000 {
            door.note(&somebody(), told_to_wait(6));
            assert_eq!(door.refusal(&somebody()), None);
            clock.advance(Duration::from_secs(1));
        }
    }
}
