//! How fast messages are made for the subscriptions of one caller.
//!
//! Whoever asks too much is refused; whoever watches too much is slowed. A watcher that waits
//! is told less often, and then more at once: it misses nothing. So nobody is cut off from
//! a sale that is busy, and nobody can have a server make messages without an end by watching the
//! same map in a thousand ways.
//!
//! What a message costs is known when it is made. So it is made as long as no more is owed than
//! a whole budget, and paid then: one at a time for each caller.

use crate::config::{Rate, RateLimit};
use metrics::counter;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until};

/// The pace of one caller; a clone is the same.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: Option<Rate>,
    /// When nothing is owed any more. Whoever makes a message has it meanwhile; the others
    /// wait in line.
    paid_at: Arc<Mutex<Instant>>,
}

/// The right to make a message now.
#[derive(Debug)]
pub struct Turn {
    /// Nothing where nobody is slowed.
    paying: Option<(Rate, OwnedMutexGuard<Instant>)>,
    /// Whether it was waited for.
    pub has_waited: bool,
}

/// Nobody's, which slows nobody.
impl Default for Pace {
    fn default() -> Self {
        Self::new(RateLimit::Off)
    }
}

impl Pace {
    /// One at which nothing is owed yet.
    pub fn new(limit: RateLimit) -> Self {
        let rate = match limit {
            RateLimit::Off => None,
            RateLimit::Rate(rate) => Some(rate),
        };
        Self {
            rate,
            paid_at: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Waits until one more message may be made.
    pub async fn turn(&self) -> Turn {
        let Some(rate) = self.rate else {
            return Turn {
                paying: None,
                has_waited: false,
            };
        };
        let (paid_at, mut has_waited) = match Arc::clone(&self.paid_at).try_lock_owned() {
            Ok(paid_at) => (paid_at, false),
            Err(_) => (Arc::clone(&self.paid_at).lock_owned().await, true),
        };
        let too_much = paid_at.checked_sub(rate.window());
        if let Some(until) = too_much.filter(|until| *until > Instant::now()) {
            counter!("usher_messages_slowed_total").increment(1);
            has_waited = true;
            sleep_until(until).await;
        }
        Turn {
            paying: Some((rate, paid_at)),
            has_waited,
        }
    }

    /// Whether anything is owed, or is about to be.
    pub(super) fn is_owed(&self) -> bool {
        match self.paid_at.try_lock() {
            Ok(paid_at) => *paid_at > Instant::now(),
            Err(_) => true,
        }
    }
}

impl Turn {
    /// So many points is what it cost.
    pub fn spend(self, points: u32) {
        if let Some((rate, mut paid_at)) = self.paying {
            *paid_at = (*paid_at).max(Instant::now()) + rate.interval() * points;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_caller_gets_a_burst_and_then_what_comes_back() {
        let pace = Pace::new("10/10s".parse().unwrap());
        let began = Instant::now();
        for _ in 0..10 {
            let turn = pace.turn().await;
            assert!(!turn.has_waited);
            turn.spend(1);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(pace.is_owed());
        for seconds in 0..5 {
            let turn = pace.turn().await;
            assert_eq!(began.elapsed(), Duration::from_secs(seconds));
            turn.spend(1);
        }
        // One that costs more than all there is goes on, and is paid by the next one.
        pace.turn().await.spend(100);
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        let turn = pace.turn().await;
        assert!(turn.has_waited);
        assert_eq!(began.elapsed(), Duration::from_secs(105));
        drop(turn);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!pace.is_owed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_makes_a_message_at_a_time() {
        let pace = Pace::new("10/10s".parse().unwrap());
        let first = pace.turn().await;
        let other = tokio::spawn({
            let pace = pace.clone();
            async move { pace.turn().await.has_waited }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!other.is_finished());
        first.spend(1);
        assert!(other.await.unwrap());
        let off = Pace::default();
        let (_one, two) = (off.turn().await, off.turn().await);
        assert!(!two.has_waited);
        two.spend(u32::MAX);
        assert!(!off.turn().await.has_waited);
    }
}
