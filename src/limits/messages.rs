//! How much one socket may say, whatever it says: a ping is answered, and to read what is no
//! message takes time as well.

use super::Clock;
use super::local::quota;
use crate::config::RateLimit;
use governor::RateLimiter;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};

/// The messages that one socket may still send.
pub struct MessageBudget(Option<Limiter>);

type Limiter = RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>;

impl MessageBudget {
    /// All that the rate allows at once.
    pub fn new(limit: RateLimit, clock: &Clock) -> Self {
        Self(match limit {
            RateLimit::Off => None,
            RateLimit::Rate(rate) => {
                Some(RateLimiter::direct_with_clock(quota(rate), clock.clone()))
            }
        })
    }

    /// Takes one, if there is one left.
    pub fn take(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|limiter| limiter.check().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn messages_come_back_with_time() {
        let clock = Clock::by_hand();
        let budget = MessageBudget::new("10/10s".parse().unwrap(), &clock);
        assert_eq!((0..100).filter(|_| budget.take()).count(), 10);
        clock.advance(Duration::from_secs(2));
        assert_eq!((0..100).filter(|_| budget.take()).count(), 2);
        let free = MessageBudget::new(RateLimit::Off, &clock);
        assert_eq!((0..100).filter(|_| free.take()).count(), 100);
    }
}
