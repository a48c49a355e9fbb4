//! Points that were spent before anybody knew, and are to be paid.
//!
//! This process alone remembers them, of as many callers as of everything else: a flood of
//! addresses makes it forget those who have not asked for longest.

use super::{Budget, LimitKey, MOST_CALLERS};
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What everybody owes.
pub struct Owed(Cache<(LimitKey, Budget), Arc<AtomicU32>>);

impl Default for Owed {
    fn default() -> Self {
        Self(Cache::new(MOST_CALLERS))
    }
}

impl Owed {
    /// What a caller owes of a budget; it is for whoever takes it to see that it is paid.
    pub fn take(&self, key: &LimitKey, budget: Budget) -> u32 {
        let owed = self.0.get(&(key.clone(), budget));
        owed.map_or(0, |owed| owed.swap(0, Ordering::Relaxed))
    }

    /// A caller owes so many more.
    pub fn add(&self, key: &LimitKey, budget: Budget, points: u32) {
        if points == 0 {
            return;
        }
        let none = || Ok::<_, Infallible>(Arc::default());
        let owed = match self.0.get_or_insert_with(&(key.clone(), budget), none) {
            Ok(owed) => owed,
            Err(never) => match never {},
        };
        // The closure always has an answer.
        let _ = owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |owed: u32| {
            Some(owed.saturating_add(points))
        });
    }
}
