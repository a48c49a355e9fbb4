//! Budgets that this process alone counts, by governor.
//!
//! It owns how many callers are remembered. It must never grow with the number of those who
//! have asked: a flood of addresses makes it forget whom it has not seen for longest, who then
//! has a full budget once more.

use super::{Clock, LimitKey, Standing};
use crate::config::Rate;
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Callers that are remembered for each budget, at about 200 bytes each.
pub const MOST_CALLERS: usize = 65_536;

/// One budget of everybody's.
pub struct LocalBudget {
    rate: Rate,
    clock: Clock,
    limiter: RateLimiter<LimitKey, BoundedStates, Clock, StateInformationMiddleware>,
}

impl LocalBudget {
    /// A full one for everybody.
    pub fn new(rate: Rate, clock: Clock) -> Self {
        Self::with_room(rate, clock, MOST_CALLERS)
    }

    fn with_room(rate: Rate, clock: Clock, callers: usize) -> Self {
        let states = BoundedStates(Cache::new(callers));
        let limiter = RateLimiter::new(quota(rate), states, clock.clone());
        Self {
            rate,
            clock,
            limiter,
        }
    }

    /// How it is filled.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes so many points, or none. The cost must not exceed the whole budget.
    pub fn check(&self, key: &LimitKey, cost: NonZeroU32) -> Standing {
        let (interval, window) = (self.rate.interval(), self.rate.window());
        match self.limiter.check_key_n(key, cost) {
            Ok(Ok(state)) => {
                let spent = self.rate.points().get() - state.remaining_burst_capacity();
                Standing {
                    allowed: true,
                    debt: interval * spent,
                }
            }
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.clock.now());
                Standing {
                    allowed: false,
                    debt: (wait + window).saturating_sub(interval * cost.get()),
                }
            }
            // It costs more than there is ever room for.
            Err(_) => Standing {
                allowed: false,
                debt: window,
            },
        }
    }
}

/// The state of each caller, and of no more of them than there is room for.
struct BoundedStates(Cache<LimitKey, Arc<InMemoryState>>);

impl StateStore for BoundedStates {
    type Key = LimitKey;

    fn measure_and_replace<T, F, E>(&self, key: &LimitKey, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let made = self
            .0
            .get_or_insert_with(key, || Ok::<_, Infallible>(Arc::default()));
        let state = match made {
            Ok(state) => state,
            Err(never) => match never {},
        };
        state.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

/// A rate in governor's words.
pub(super) fn quota(rate: Rate) -> Quota {
    Quota::with_period(rate.interval())
        // Never none: an interval is at least a microsecond.
        .unwrap_or(Quota::per_second(NonZeroU32::MIN))
        .allow_burst(rate.points())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RateLimit;
    use std::net::Ipv4Addr;

    #[test]
    fn a_flood_of_addresses_takes_no_more_room_and_frees_nobody_who_asks_all_the_time() {
        let Ok(RateLimit::Rate(rate)) = "10/1h".parse() else {
            panic!("a rate");
        };
        let budget = LocalBudget::with_room(rate, Clock::by_hand(), 1_000);
        let cost = NonZeroU32::MIN;
        let regular = LimitKey::Subject("regular".into());
        let taken = (0..10).filter(|_| budget.check(&regular, cost).allowed);
        assert_eq!(taken.count(), 10);
        for number in 0..100_000 {
            let stranger = LimitKey::of_address(Ipv4Addr::from_bits(number).into());
            assert!(budget.check(&stranger, cost).allowed);
            if number % 100 == 0 {
                assert!(!budget.check(&regular, cost).allowed, "after {number}");
            }
        }
        assert!(budget.limiter_len() <= 1_000);
    }

    impl LocalBudget {
        fn limiter_len(&self) -> usize {
            self.limiter.len()
        }
    }

    impl governor::state::keyed::ShrinkableKeyedStateStore<LimitKey> for BoundedStates {
        fn retain_recent(&self, _: Nanos) {}

        fn len(&self) -> usize {
            self.0.len()
        }

        fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }
}
