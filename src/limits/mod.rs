//! How much one caller may ask: budgets of points that come back evenly.
//!
//! ```text
//!   check(key, budget, cost) ──► Redis, if there is one and it is up ──► Decision
//!                       └──────► this process alone, otherwise ────────────┘
//! ```
//!
//! Both do the same arithmetic, the generic cell rate algorithm: a budget is a bucket of tokens
//! that is filled evenly. In Redis it is one script, and so one round trip and atomic; here it
//! is governor's. While Redis is away each process gives every caller a whole budget.
//!
//! What something costs beyond what was known before is owed, and paid with what its caller asks
//! for next. Subscriptions go on without asking: how many there are is limited, and they have a
//! pace.
//! Whoever does not stop when told to wait is refused by what is remembered here (`door`), before
//! anything is found out about what they ask for.
//!
//! It must never know a transport, nor what an operation is; what one costs it is told.

mod clock;
mod door;
mod key;
mod local;
mod mentions;
mod messages;
mod open_sockets;
mod owed;
mod pace;
mod running_subscriptions;
mod shared;

pub use clock::Clock;
pub use key::LimitKey;
pub use mentions::{Mention, Mentions};
pub use messages::MessageBudget;
pub use open_sockets::{OpenSocket, OpenSockets, TooManySockets};
pub use pace::{Pace, Turn};
pub use running_subscriptions::{RunningSubscription, RunningSubscriptions, TooManySubscriptions};

use crate::config::{Rate, RateLimit, RateLimitSettings};
use crate::db::redis::Redis;
use door::Door;
use local::{LocalBudget, MOST_CALLERS};
use metrics::counter;
use owed::Owed;
use shared::SharedBudgets;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// What points are taken from: each caller has one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Budget {
    /// Queries, and the beginning of subscriptions.
    Reads,
    /// Mutations.
    Writes,
    /// New sockets and event streams.
    Sockets,
}

impl Budget {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reads, Self::Writes, Self::Sockets];

    /// Its name, in headers, keys and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The budget that was asked.
    pub budget: Budget,
    /// Whether there were enough points. They are taken then, and none otherwise.
    pub allowed: bool,
    /// How many points there are when all are there.
    pub limit: u32,
    /// How long it takes from none to all.
    pub window: Duration,
    /// How many points are left.
    pub remaining: u32,
    /// How long it takes until all points are there again.
    pub reset_after: Duration,
    /// How long to wait until the same could be allowed; nothing if it was.
    pub retry_after: Duration,
}

/// Where an attempt leaves a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    allowed: bool,
    /// How long it takes until all points are there again.
    debt: Duration,
}

/// Counts what everybody asks for; a clone counts the same.
#[derive(Clone)]
pub struct Limiter {
    budgets: Arc<Budgets>,
}

struct Budgets {
    reads: Option<LocalBudget>,
    writes: Option<LocalBudget>,
    sockets: Option<LocalBudget>,
    shared: Option<SharedBudgets>,
    owed: Owed,
    operations_door: Door,
    sockets_door: Door,
}

impl Limiter {
    /// Allows what the settings say; together with other processes if they share a Redis.
    pub fn new(settings: &RateLimitSettings, redis: Option<Redis>, clock: &Clock) -> Self {
        let local = |limit| match limit {
            RateLimit::Off => None,
            RateLimit::Rate(rate) => Some(LocalBudget::new(rate, clock.clone())),
        };
        let budgets = Budgets {
            reads: local(settings.reads),
            writes: local(settings.writes),
            sockets: local(settings.sockets),
            shared: redis.map(|redis| SharedBudgets::new(redis, clock.clone())),
            owed: Owed::default(),
            operations_door: Door::new(clock.clone()),
            sockets_door: Door::new(clock.clone()),
        };
        Self {
            budgets: Arc::new(budgets),
        }
    }

    /// The refusal of somebody who has asked on and on although they were told to wait, before
    /// it is known what they ask for: reads or writes, or with [`Budget::Sockets`] a new socket.
    /// Nobody is asked for it, and nothing taken.
    pub fn refusal(&self, key: &LimitKey, budget: Budget) -> Option<Decision> {
        let refusal = self.budgets.door(budget).refusal(key)?;
        counter!("usher_rate_limited_total", "budget" => refusal.budget.name()).increment(1);
        Some(refusal)
    }

    /// Takes `cost` points from a budget, or none if they are not there. None is answered
    /// where nobody is limited.
    ///
    /// What is owed is taken with them. What costs more than the whole budget is taken to cost all of it: it waits for a full
    /// one and is then allowed, so that no answer tells anybody to wait for what can never be.
    pub async fn check(&self, key: &LimitKey, budget: Budget, cost: u32) -> Option<Decision> {
        let local = self.budgets.local(budget)?;
        let rate = local.rate();
        let cost = NonZeroU32::new(cost).unwrap_or(NonZeroU32::MIN);
        let cost = cost.min(rate.points());
        // What is owed is paid first, as much of it as a budget has beside the cost.
        let owed = self.budgets.owed.take(key, budget);
        let asked = cost;
        let cost = cost.saturating_add(owed).min(rate.points());
        let shared = match &self.budgets.shared {
            Some(shared) => shared.check(key, budget, rate, cost).await,
            None => None,
        };
        let standing = shared.unwrap_or_else(|| local.check(key, cost));
        let decision = Decision::of(budget, rate, cost, standing);
        let paid = if decision.allowed {
            cost.get() - asked.get()
        } else {
            0
        };
        self.budgets
            .owed
            .add(key, budget, owed.saturating_sub(paid));
        if !decision.allowed {
            self.budgets.door(budget).note(key, decision);
            counter!("usher_rate_limited_total", "budget" => budget.name()).increment(1);
        }
        Some(decision)
    }
}

impl Limiter {
    /// Takes `points` with what the caller asks for next: they were found out when it was done.
    pub fn owe(&self, key: &LimitKey, budget: Budget, points: u32) {
        if self.budgets.local(budget).is_some() {
            self.budgets.owed.add(key, budget, points);
        }
    }
}

impl Budgets {
    fn local(&self, budget: Budget) -> Option<&LocalBudget> {
        match budget {
            Budget::Reads => self.reads.as_ref(),
            Budget::Writes => self.writes.as_ref(),
            Budget::Sockets => self.sockets.as_ref(),
        }
    }

    fn door(&self, budget: Budget) -> &Door {
        match budget {
            Budget::Reads | Budget::Writes => &self.operations_door,
            Budget::Sockets => &self.sockets_door,
        }
    }
}

impl Decision {
    fn of(budget: Budget, rate: Rate, cost: NonZeroU32, standing: Standing) -> Self {
        let (interval, window) = (rate.interval(), rate.window());
        let Standing { allowed, debt } = standing;
        let left = window.saturating_sub(debt).as_micros() / interval.as_micros().max(1);
        let retry_after = if allowed {
            Duration::ZERO
        } else {
            (debt + interval * cost.get()).saturating_sub(window)
        };
        Self {
            budget,
            allowed,
            limit: rate.points().get(),
            window,
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset_after: debt,
            retry_after,
        }
    }
}

#[cfg(test)]
mod tests;
