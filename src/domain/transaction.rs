//! One transaction for one use case, run again when it lost to another one.

use crate::config::Concurrency;
use crate::db::failure::{
    lost_to_another_transaction, took_a_taken_reference, used_a_used_key, waited_for_a_lock_in_vain,
};
use crate::domain::{DomainError, Environment};
use crate::model::Caller;
use backon::{BackoffBuilder, ExponentialBuilder};
use diesel_async::AsyncPgConnection;
use std::time::Duration;

/// The work of a use case inside its transaction. It may be run more than
/// once, so it has no effect outside the database.
pub trait UnitOfWork: Sync {
    /// What is found out before the transaction begins.
    type Reading: Default + Send + Sync;
    /// What it answers when it is done.
    type Success: Send;
    /// What it answers when the domain says no.
    type Refusal: Send;

    /// Looks at what need not be read inside the transaction, because the work checks
    /// it there: once for each `attempt`, which is 1 for the first.
    ///
    /// # Errors
    /// When the database fails; the work is not run then.
    fn read(
        &self,
        _connection: &mut AsyncPgConnection,
        _attempt: u32,
    ) -> impl Future<Output = Result<Self::Reading, DomainError>> + Send {
        async { Ok(Self::Reading::default()) }
    }

    /// Does the work. Whatever it wrote is undone when it answers [`Abort`].
    fn run(
        &self,
        connection: &mut AsyncPgConnection,
        reading: &Self::Reading,
    ) -> impl Future<Output = Result<Self::Success, Abort<Self::Refusal>>> + Send;
}

/// A command of a caller, on its way into its transaction: a use case makes it a
/// [`UnitOfWork`].
pub struct Work<'a, C> {
    /// What it works with.
    pub environment: &'a Environment,
    /// Who asks.
    pub caller: &'a Caller,
    /// For what.
    pub command: &'a C,
}

/// Why a transaction is rolled back.
#[derive(Debug)]
pub enum Abort<R> {
    /// The domain says no.
    Refused(R),
    /// The domain says no to what was read; the next reading may end otherwise.
    Outrun(R),
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
    /// How often it was tried, at least once.
    pub attempts: u32,
}

/// Tries at most, in batches and alone: with the pauses between them up to about two
/// seconds, as long as a lock is waited for.
const MAX_ATTEMPTS: usize = 20;

/// Runs `work` in a transaction: SERIALIZABLE if that is the strategy, otherwise
/// READ COMMITTED. A deadlock, a serialization failure, a reference that was taken or a key
/// that was used meanwhile says nothing about the work itself, and work that was
/// [outrun](Abort::Outrun) says so: both are run again, with growing, jittered pauses. Work that is outrun
/// every time is refused.
///
/// # Errors
/// What the work fails with; [`DomainError::Contended`] when the database sent
/// it back every time, or a lock was waited for in vain.
pub async fn run<W: UnitOfWork>(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    work: &W,
) -> Result<Settled<W::Success, W::Refusal>, DomainError> {
    let mut pauses = pauses();
    let mut attempts = 1;
    loop {
        let reading = work.read(connection, attempts).await?;
        let builder = connection.build_transaction();
        let mut transaction = match concurrency {
            Concurrency::Optimistic | Concurrency::Pessimistic => builder.read_committed(),
            Concurrency::Serializable => builder.serializable(),
        };
        let ended = transaction
            .run(async |connection| work.run(connection, &reading).await)
            .await;
        let pause = match &ended {
            Err(Abort::Failed(DomainError::Database(error))) if may_pass(error) => pauses.next(),
            Err(Abort::Outrun(_)) => pauses.next(),
            _ => None,
        };
        if let Some(pause) = pause {
            attempts += 1;
            tokio::time::sleep(pause).await;
            continue;
        }
        let result = match ended {
            Ok(success) => Ok(success),
            Err(Abort::Refused(refusal) | Abort::Outrun(refusal)) => Err(refusal),
            Err(Abort::Failed(error)) => return Err(in_the_end(error)),
        };
        return Ok(Settled { result, attempts });
    }
}

/// The pauses between attempts: one less than there may be.
pub fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(2))
        .with_max_delay(Duration::from_millis(100))
        .with_max_times(MAX_ATTEMPTS - 1)
        .with_jitter()
        .build()
}

/// Whether the failure says nothing about the work itself: run again, it may succeed.
pub fn may_pass(error: &diesel::result::Error) -> bool {
    lost_to_another_transaction(error) || took_a_taken_reference(error) || used_a_used_key(error)
}

/// What is told of a failure that nothing more is done about.
pub fn in_the_end(error: DomainError) -> DomainError {
    match error {
        DomainError::Database(error) if may_pass(&error) || waited_for_a_lock_in_vain(&error) => {
            DomainError::Contended
        }
        error => error,
    }
}
