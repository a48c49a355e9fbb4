//! Owns which drawing of which plan is sent: drawn once, and kept with its representations.
//! None of it can go stale.

use crate::db::{Database, DatabaseUnavailable};
use crate::domain::plan_cache::PlanCache;
use crate::domain::plan_drawing;
use crate::http::representation::{Encoding, Kept, Representation, Unmade};
use crate::model::ids::PlanId;
use std::sync::Arc;

/// A plan could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PlanFailure {
    /// There is none with this id.
    #[error("there is no such plan")]
    NotFound,
    /// No connection was to be had.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The database failed.
    #[error("the plan could not be read")]
    Database(#[source] diesel::result::Error),
    /// It could not be drawn or compressed.
    #[error("the plan could not be drawn")]
    Undrawn(#[from] Unmade),
}

/// The drawings of all plans; a clone is the same.
#[derive(Clone)]
pub struct Drawings {
    database: Database,
    plans: PlanCache,
    kept: Kept<PlanId>,
}

impl Drawings {
    /// None yet.
    pub fn new(database: Database, plans: PlanCache) -> Self {
        Self {
            database,
            plans,
            kept: Kept::new(),
        }
    }

    /// The drawing in this encoding, if it has been made and is still there. Asks no
    /// database.
    pub fn cached(&self, id: PlanId, encoding: Encoding) -> Option<Arc<Representation>> {
        self.kept.get(&id, encoding)
    }

    /// The drawing in this encoding, made once however many ask at the same time.
    ///
    /// # Errors
    /// When there is no such plan, or it cannot be read.
    pub async fn make(
        &self,
        id: PlanId,
        encoding: Encoding,
    ) -> Result<Arc<Representation>, PlanFailure> {
        self.kept.make(id, encoding, self.draw(id)).await
    }

    async fn draw(&self, id: PlanId) -> Result<Arc<Representation>, PlanFailure> {
        let mut connection = self.database.connection_for_request().await?;
        let plan = self.plans.get(&mut connection, id).await;
        drop(connection);
        let plan = plan.map_err(|error| match error {
            diesel::result::Error::NotFound => PlanFailure::NotFound,
            error => PlanFailure::Database(error),
        })?;
        Ok(Representation::of(move || Ok(plan_drawing::render(&plan)?)).await?)
    }
}
