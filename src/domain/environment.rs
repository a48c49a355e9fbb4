//! What every use case works with, beside its connection or its ledger.

use crate::config::Concurrency;
use crate::domain::plan_cache::PlanCache;

/// The same for all use cases of a process; a clone shares the cache.
#[derive(Clone)]
pub struct Environment {
    /// The seating plans.
    pub plans: PlanCache,
    /// How two who want the same seat are kept apart.
    pub concurrency: Concurrency,
}
