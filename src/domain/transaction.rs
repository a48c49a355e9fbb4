//! One transaction for one use case, run again when it lost to another one.

use crate::db::failure::{lost_to_another_transaction, waited_for_a_lock_in_vain};
use crate::domain::DomainError;
use backon::{BackoffBuilder, ExponentialBuilder};
use diesel_async::AsyncPgConnection;
use std::time::Duration;

/// The work of a use case inside its transaction. It may be run more than
/// once, so it has no effect outside the database.
pub trait UnitOfWork: Sync {
    /// What it answers when it is done.
    type Success: Send;
    /// What it answers when the domain says no.
    type Refusal: Send;

    /// Does the work. Whatever it wrote is undone when it answers [`Abort`].
    fn run(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> impl Future<Output = Result<Self::Success, Abort<Self::Refusal>>> + Send;
}

/// Why a transaction is rolled back.
#[derive(Debug)]
pub enum Abort<R> {
    /// The domain says no.
    Refused(R),
    /// Something failed.
    Failed(DomainError),
}

impl<R> From<diesel::result::Error> for Abort<R> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(DomainError::Database(error))
    }
}

impl<R> From<DomainError> for Abort<R> {
    fn from(error: DomainError) -> Self {
        Self::Failed(error)
    }
}

/// How a unit of work ended.
#[derive(Debug)]
pub struct Settled<S, R> {
    /// Done, or refused.
    pub result: Result<S, R>,
    /// How many transactions it took, at least 1.
    pub attempts: u32,
}

/// Transactions that are tried at most.
const MAX_ATTEMPTS: usize = 6;

/// Runs `work` in a READ COMMITTED transaction. A deadlock or a serialization
/// failure says nothing about the work itself: it is run again, with growing,
/// jittered pauses.
///
/// # Errors
/// What the work fails with; [`DomainError::Contended`] when it lost every time,
/// or waited for a lock in vain.
pub async fn run<W: UnitOfWork>(
    connection: &mut AsyncPgConnection,
    work: &W,
) -> Result<Settled<W::Success, W::Refusal>, DomainError> {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(100))
        .with_max_times(MAX_ATTEMPTS - 1)
        .with_jitter()
        .build();
    let mut attempts = 1;
    loop {
        let ended = connection
            .build_transaction()
            .read_committed()
            .run(async |connection| work.run(connection).await)
            .await;
        match ended {
            Ok(success) => {
                return Ok(Settled {
                    result: Ok(success),
                    attempts,
                });
            }
            Err(Abort::Refused(refusal)) => {
                return Ok(Settled {
                    result: Err(refusal),
                    attempts,
                });
            }
            Err(Abort::Failed(DomainError::Database(error)))
                if lost_to_another_transaction(&error) =>
            {
                let Some(pause) = pauses.next() else {
                    return Err(DomainError::Contended);
                };
                attempts += 1;
                tokio::time::sleep(pause).await;
            }
            Err(Abort::Failed(DomainError::Database(error)))
                if waited_for_a_lock_in_vain(&error) =>
            {
                return Err(DomainError::Contended);
            }
            Err(Abort::Failed(error)) => return Err(error),
        }
    }
}
