//! The time that budgets are filled by.

use governor::clock::{Clock as _, FakeRelativeClock};
use governor::nanos::Nanos;
use std::time::{Duration, Instant};

/// A clock: the system's, or one that a test moves.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Instant),
    ByHand(FakeRelativeClock),
}

/// The system's.
impl Default for Clock {
    fn default() -> Self {
        Self(Source::System(Instant::now()))
    }
}

impl Clock {
    /// One that stands still unless it is [advanced](Clock::advance). Its clones go with it.
    pub fn by_hand() -> Self {
        Self(Source::ByHand(FakeRelativeClock::default()))
    }

    /// Moves one that stands still; the system's goes by itself.
    pub fn advance(&self, time: Duration) {
        if let Source::ByHand(clock) = &self.0 {
            clock.advance(time);
        }
    }

    /// What it shows, if it stands still: who has a clock of their own is told.
    pub(super) fn time_by_hand(&self) -> Option<Duration> {
        match &self.0 {
            Source::System(_) => None,
            Source::ByHand(clock) => Some(clock.now().into()),
        }
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        match &self.0 {
            Source::System(start) => {
                let elapsed = start.elapsed().as_nanos();
                Nanos::new(u64::try_from(elapsed).unwrap_or(u64::MAX))
            }
            Source::ByHand(clock) => clock.now(),
        }
    }
}
