//! How many subscriptions each caller runs.
//!
//! A subscription is charged when it begins, and then runs for as long as it likes. What it
//! costs from then on is bounded by how many there are, and by the [`Pace`] that those of a
//! caller have together.

use super::{LimitKey, Pace};
use crate::config::RateLimitSettings;
use metrics::counter;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Callers without a subscription that are looked through at once, to forget those who owe nothing.
const SWEPT_AT_ONCE: usize = 1_024;

/// What runs; a clone counts the same.
#[derive(Clone, Debug)]
pub struct RunningSubscriptions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: RateLimitSettings,
    callers: Mutex<Callers>,
}

/// Who runs a subscription, and who has run one and still owes something: otherwise all would
/// be forgiven whoever ends everything and begins anew.
#[derive(Debug)]
struct Callers {
    by_key: HashMap<LimitKey, OfCaller>,
    /// How large that may become before those who owe nothing any more are forgotten.
    sweep_at: usize,
}

#[derive(Debug)]
struct OfCaller {
    running: u32,
    pace: Pace,
}

/// One that runs, until this is dropped.
#[derive(Debug)]
pub struct RunningSubscription {
    shared: Arc<Shared>,
    key: LimitKey,
    pace: Pace,
}

/// The caller runs as many as one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("you run as many subscriptions as one caller may: end some first")]
pub struct TooManySubscriptions;

impl RunningSubscriptions {
    /// Nothing runs yet.
    pub fn new(settings: &RateLimitSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings: settings.clone(),
                callers: Mutex::new(Callers {
                    by_key: HashMap::new(),
                    sweep_at: SWEPT_AT_ONCE,
                }),
            }),
        }
    }

    /// Takes a place for one of this caller's.
    ///
    /// # Errors
    /// When there is none.
    pub fn start(&self, key: LimitKey) -> Result<RunningSubscription, TooManySubscriptions> {
        let Shared { settings, .. } = &*self.shared;
        let mut callers = self.shared.callers();
        if callers.by_key.len() >= callers.sweep_at {
            callers.sweep();
        }
        let of_caller = callers.by_key.entry(key.clone());
        let of_caller = of_caller.or_insert_with(|| OfCaller {
            running: 0,
            pace: Pace::new(settings.messages),
        });
        if of_caller.running >= settings.subscriptions_per_caller {
            counter!("usher_rate_limited_total", "budget" => "subscriptions").increment(1);
            return Err(TooManySubscriptions);
        }
        of_caller.running += 1;
        let pace = of_caller.pace.clone();
        Ok(RunningSubscription {
            shared: Arc::clone(&self.shared),
            key,
            pace,
        })
    }
}

impl RunningSubscription {
    /// That of all of its caller's.
    pub fn pace(&self) -> Pace {
        self.pace.clone()
    }
}

impl Shared {
    fn callers(&self) -> MutexGuard<'_, Callers> {
        // Nothing panics while it holds the lock.
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callers {
    fn sweep(&mut self) {
        self.by_key
            .retain(|_, of_caller| of_caller.running > 0 || of_caller.pace.is_owed());
        self.sweep_at = self.by_key.len() * 2 + SWEPT_AT_ONCE;
    }
}

impl Drop for RunningSubscription {
    fn drop(&mut self) {
        let mut callers = self.shared.callers();
        let Some(of_caller) = callers.by_key.get_mut(&self.key) else {
            return;
        };
        of_caller.running = of_caller.running.saturating_sub(1);
        if of_caller.running == 0 && !of_caller.pace.is_owed() {
            callers.by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{Instant, advance};

    fn subscriptions(per_caller: u32) -> RunningSubscriptions {
        RunningSubscriptions::new(&RateLimitSettings {
            subscriptions_per_caller: per_caller,
            messages: "100/10s".parse().unwrap(),
            ..RateLimitSettings::off()
        })
    }

    fn caller(number: usize) -> LimitKey {
        LimitKey::Subject(number.to_string().into())
    }

    #[tokio::test]
    async fn a_caller_has_so_many_and_a_place_again_when_one_ends() {
        let subscriptions = subscriptions(2);
        let start = |number| subscriptions.start(caller(number));
        let first = start(1).unwrap();
        let _second = start(1).unwrap();
        assert_eq!(start(1).unwrap_err(), TooManySubscriptions);
        let other = start(2).unwrap();
        drop(first);
        let _third = start(1).unwrap();
        assert_eq!(start(1).unwrap_err(), TooManySubscriptions);
        drop(other);
        assert_eq!(subscriptions.shared.callers().by_key.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_forgiven_who_ends_all_and_begins_anew() {
        let subscriptions = subscriptions(1);
        let began = Instant::now();
        for _ in 0..5 {
            let subscription = subscriptions.start(caller(1)).unwrap();
            subscription.pace().turn().await.spend(150);
        }
        // Of the last one 50 are owed beyond the 100 that may be.
        assert_eq!(began.elapsed(), Duration::from_secs(4 * 15 - 10));
        // Who owes nothing any more is forgotten, also of a crowd.
        for number in 2..5_000 {
            let subscription = subscriptions.start(caller(number)).unwrap();
            subscription.pace().turn().await.spend(1);
        }
        assert!(subscriptions.shared.callers().by_key.len() > 4_000);
        advance(Duration::from_mins(1)).await;
        for number in 5_000..15_000 {
            drop(subscriptions.start(caller(number)).unwrap());
        }
        drop(subscriptions.start(caller(15_000)).unwrap());
        let mut callers = subscriptions.shared.callers();
        callers.sweep();
        assert!(callers.by_key.is_empty());
    }
}
