//! Lets commands share transactions: while one batch commits, the next gathers.
//!
//! ```text
//!  submit ──► queue of a lane ──► batch ──► decided    ──► answered
//!              (bounded, fair)      │  └───► put off    ──► first in the next batch
//!                                   ├──────► outrun     ──► alone, with pauses
//!                                   └─ undone: again, and then each one alone
//! ```
//!
//! No command waits for company: a lane that is idle takes what is there, one command or
//! many. All commands of one event go through one lane, where they settle in memory who is
//! first; other processes are met in the database, by the version checks.

mod alone;
mod fate;
mod lane;
mod queue;

use crate::config::BatchSettings;
use crate::db::{Database, DatabaseUnavailable};
use crate::domain::batch::{Commission, Decision, Outcome};
use crate::domain::idempotency::IdempotentRequest;
use crate::domain::{DomainError, Environment};
use crate::model::ids::EventId;
use queue::{Queue, Waiting};
use std::sync::Arc;

/// Where commands are brought; a clone is the same one.
#[derive(Clone)]
pub struct Batcher {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    environment: Environment,
    settings: BatchSettings,
    lanes: Vec<Queue>,
}

impl Batcher {
    /// For commands on this database. Nothing is done before its [lanes](Batcher::lanes) run.
    pub fn new(database: Database, environment: Environment, settings: BatchSettings) -> Self {
        let capacity = settings.queue.div_ceil(settings.lanes) as usize;
        let lanes = (0..settings.lanes).map(|_| Queue::new(capacity)).collect();
        Self {
            shared: Arc::new(Shared {
                database,
                environment,
                settings,
                lanes,
            }),
        }
    }

    /// What runs the batches: each for ever, and all of them together.
    pub fn lanes(&self) -> impl Iterator<Item = impl Future<Output = ()> + Send + use<>> {
        (0..self.shared.lanes.len()).map(|number| lane::run(self.clone(), number))
    }

    /// Has a command decided, together with others. Whoever goes away before its turn has
    /// come has asked nothing; from then on it is done all the same.
    ///
    /// # Errors
    /// When too many wait already, or the database cannot be reached.
    pub async fn submit<D: Decision>(
        &self,
        decision: D,
        request: Option<IdempotentRequest>,
    ) -> Result<Outcome<D>, DomainError> {
        let (commission, answered) = Commission::new(decision, request);
        let waiting = Waiting::new(Box::new(commission));
        self.queue_of(waiting.event()).push(waiting)?;
        answered.await.map_err(|_| {
            let stopped = "usher is stopping".into();
            DomainError::Unavailable(DatabaseUnavailable::Unreachable(stopped))
        })
    }

    /// How many commands wait for their batch.
    pub fn waiting(&self) -> usize {
        self.shared.lanes.iter().map(Queue::length).sum()
    }

    fn queue_of(&self, event: Option<EventId>) -> &Queue {
        let lanes = &self.shared.lanes;
        let number = event.map_or(0, |event| event.0.unsigned_abs());
        // At least one lane, so that this is one of them.
        let number = usize::try_from(number % lanes.len() as u64).unwrap_or(0);
        &lanes[number]
    }
}
