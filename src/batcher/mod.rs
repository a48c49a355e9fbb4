//! Lets commands share transactions: while one batch commits, the next gathers.
//!
//! ```text
//!  submit ──► queue of a lane ──► batch ──► decided    ──► answered
//!              (bounded, fair)      │  └───► put off    ──► first in the next batch
//!                                   ├──────► outrun     ──► alone, with pauses
//!                                   └─ undone: again, then in halves until whoever is in
//!                                      the way is alone
//! ```
//!
//! No command waits for company: a lane that is idle takes what is there, one command or
//! many. All commands of one event go through one lane, where they settle in memory who is
//! first; other processes are met in the database, by the version checks.

mod alone;
mod answers;
mod apart;
mod attempt;
mod fate;
mod lane;
mod queue;

use crate::config::BatchSettings;
use crate::db::{Database, DatabaseUnavailable};
use crate::domain::batch::{Commission, Decision, NoAnswer, Outcome};
use crate::domain::idempotency::IdempotentRequest;
use crate::domain::{DomainError, Environment};
use crate::model::ids::EventId;
use crate::model::seldom::Seldom;
use queue::{Queue, Waiting};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How often it is said that mutations are sent away.
const SAID_EVERY: Duration = Duration::from_secs(1);

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
    /// The places of all lanes together: most commands may be for one event.
    places: Arc<Semaphore>,
    /// Turns at doing what no batch could do, in parts and alone: what many wait for does not
    /// take all connections with it, and who waits alone keeps no part from being done.
    parts: Semaphore,
    alone: Semaphore,
    /// Turns at looking for what those who have lost may have instead.
    looking: Semaphore,
    shed: Seldom,
}

impl Batcher {
    /// For commands on this database. Nothing is done before its [lanes](Batcher::lanes) run.
    pub fn new(database: Database, environment: Environment, settings: BatchSettings) -> Self {
        let connections = database.capacity();
        let quarter = (connections / 4).max(1) as usize;
        let lanes = settings.lanes.min(connections / 2).max(1);
        let shared = Shared {
            database,
            environment,
            lanes: (0..lanes).map(|_| Queue::default()).collect(),
            places: Arc::new(Semaphore::new(settings.queue as usize)),
            parts: Semaphore::new(quarter),
            alone: Semaphore::new(quarter),
            looking: Semaphore::new(quarter),
            shed: Seldom::every(SAID_EVERY),
            settings,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What runs the batches: each for ever, and all of them together.
    pub fn lanes(&self) -> impl Iterator<Item = impl Future<Output = ()> + Send + use<>> {
        (0..self.shared.lanes.len()).map(|number| lane::run(Arc::clone(&self.shared), number))
    }

    /// Has a command decided, together with others. Whoever goes away before its turn has
    /// come has asked nothing; from then on it is done all the same.
    ///
    /// # Errors
    /// When too many wait already, or it has waited for as long as a connection may be waited
    /// for: it is not done. And when the database cannot be reached, or the command fails.
    pub async fn submit<D: Decision>(
        &self,
        decision: D,
        request: Option<IdempotentRequest>,
    ) -> Result<Outcome<D>, DomainError> {
        let place = Arc::clone(&self.shared.places).try_acquire_owned();
        let Ok(place) = place else {
            return Err(self.shared.shed());
        };
        let (commission, answer) = Commission::new(decision, request);
        let waiting = Waiting::new(Box::new(commission), place);
        self.shared.queue_of(waiting.event()).push(waiting);
        let patience = self.shared.database.acquire_timeout();
        answer.within(patience).await.map_err(|none| match none {
            NoAnswer::Withdrawn => self.shared.shed(),
            NoAnswer::Lost => {
                let lost = "whoever was to do it has come to an end".into();
                DatabaseUnavailable::Unreachable(lost).into()
            }
        })
    }

    /// How many commands wait for their batch.
    pub fn waiting(&self) -> usize {
        self.shared.lanes.iter().map(Queue::length).sum()
    }
}

impl Shared {
    /// Counts one that is sent away, and says so, but not for each.
    fn shed(&self) -> DomainError {
        metrics::counter!("usher_batch_shed_total").increment(1);
        metrics::counter!("usher_shed_total", "reason" => "batch").increment(1);
        if let Some(times) = self.shed.now() {
            let waiting = self.settings.queue as usize - self.places.available_permits();
            tracing::warn!(
                waiting,
                times,
                "overloaded: mutations are sent away before their batch"
            );
        }
        DatabaseUnavailable::Busy.into()
    }

    /// A turn at doing what no batch could do.
    ///
    /// # Errors
    /// When it is waited for as long as a connection may be waited for: what is not done in
    /// batches would pile up without end behind a lock that many want.
    async fn turn<'a>(&self, turns: &'a Semaphore) -> Result<SemaphorePermit<'a>, DomainError> {
        let patience = self.database.acquire_timeout();
        match tokio::time::timeout(patience, turns.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(self.shed()),
        }
    }

    fn queue_of(&self, event: Option<EventId>) -> &Queue {
        let number = event.map_or(0, |event| event.0.unsigned_abs());
        // At least one lane, so that this is one of them.
        let number = usize::try_from(number % self.lanes.len() as u64).unwrap_or(0);
        &self.lanes[number]
    }
}
