//! Seating plans in memory. A plan never changes, so this cache cannot go stale.

use crate::db::plans;
use crate::model::ids::PlanId;
use crate::model::seating_plan::SeatingPlan;
use diesel::QueryResult;
use diesel::result::Error::NotFound;
use diesel_async::AsyncPgConnection;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Seats of all cached plans together; about 400 bytes each.
const MAX_SEATS: u64 = 500_000;
/// Plans that are expected in the cache.
const EXPECTED_PLANS: usize = 100;

/// Plans by their id; the ones used least are dropped first. A clone is the
/// same cache.
#[derive(Clone)]
pub struct PlanCache {
    plans: Arc<Cache<PlanId, Arc<SeatingPlan>, BySeats>>,
}

#[derive(Clone)]
struct BySeats;

impl Weighter<PlanId, Arc<SeatingPlan>> for BySeats {
    fn weight(&self, _: &PlanId, plan: &Arc<SeatingPlan>) -> u64 {
        plan.seats.len() as u64
    }
}

impl Default for PlanCache {
    fn default() -> Self {
        let plans = Cache::with_weighter(EXPECTED_PLANS, MAX_SEATS, BySeats);
        Self {
            plans: Arc::new(plans),
        }
    }
}

impl PlanCache {
    /// The plan with this id, loaded once however many ask at the same time.
    ///
    /// # Errors
    /// `NotFound` when there is none; otherwise when the database fails.
    pub async fn get(
        &self,
        connection: &mut AsyncPgConnection,
        id: PlanId,
    ) -> QueryResult<Arc<SeatingPlan>> {
        self.plans
            .get_or_insert_async(&id, async {
                plans::load(connection, id)
                    .await?
                    .map(Arc::new)
                    .ok_or(NotFound)
            })
            .await
    }
}
