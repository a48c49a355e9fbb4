//! What became of a transaction whose COMMIT was not answered.

use crate::db::failure::has_had_no_such_transaction;
use crate::db::transaction_id::{self, TransactionStatus};
use crate::db::{Database, changes};
use crate::domain::DomainError;
use crate::domain::batch::End;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it is done.
    Committed,
    /// None of it is.
    RolledBack,
    /// The database cannot tell, or does not know it.
    Unknown,
}

/// A backend that knows that its client is gone ends within milliseconds: it is looked for so
/// often.
const PAUSE: Duration = Duration::from_millis(20);
/// And for so long, or as long as a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the database over other connections, until one can tell.
pub(super) async fn of(database: &Database, end: End) -> Fate {
    if matches!(end, End::RolledBack) {
        return Fate::RolledBack;
    }
    let started = Instant::now();
    loop {
        match look(database, end).await {
            Ok(Some(fate)) => return fate,
            Ok(None) => {}
            Err(DomainError::Database(error)) if has_had_no_such_transaction(&error) => {
                return Fate::RolledBack;
            }
            Err(error) => {
                tracing::warn!(%error, "it cannot be told yet what became of a batch");
            }
        }
        if started.elapsed() > PATIENCE {
            return Fate::Unknown;
        }
        sleep(PAUSE).await;
    }
}

/// What became of it; `None` while it has not ended.
///
/// A number that has committed is not enough. After a crash, or on a standby that took over, the
/// numbers of transactions that were lost are given again: only what the transaction
/// itself has left behind tells that it was this one.
async fn look(database: &Database, end: End) -> Result<Option<Fate>, DomainError> {
    let End::Unknown(transaction, trace) = end else {
        return Ok(Some(Fate::RolledBack));
    };
    let mut connection = database.connection().await?;
    let status = transaction_id::status(&mut connection, transaction).await?;
    Ok(match (status, trace) {
        (Some(TransactionStatus::InProgress), _) => None,
        (Some(TransactionStatus::Aborted), _) => Some(Fate::RolledBack),
        (Some(TransactionStatus::Committed), Some(trace)) => {
            let is_there = changes::is_there(&mut connection, trace).await?;
            Some(if is_there {
                Fate::Committed
            } else {
                Fate::RolledBack
            })
        }
        (Some(TransactionStatus::Committed), None) | (None, _) => Some(Fate::Unknown),
    })
}
