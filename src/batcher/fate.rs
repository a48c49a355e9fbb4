//! What became of a transaction whose COMMIT was not answered.

use crate::db::DatabaseUnavailable;
use crate::db::transaction_id::{self, TransactionId, TransactionStatus};
use crate::domain::DomainError;
use diesel_async::AsyncPgConnection;
use std::time::Duration;

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

/// A backend that has lost its client ends within milliseconds: it is looked for so often.
const LOOKS: usize = 50;
/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks the database over another connection. Without a number it was never asked to commit.
pub(super) async fn of(
    connection: &mut AsyncPgConnection,
    transaction: Option<TransactionId>,
) -> Fate {
    let Some(transaction) = transaction else {
        return Fate::RolledBack;
    };
    for _ in 0..LOOKS {
        match transaction_id::status(connection, transaction).await {
            Ok(Some(TransactionStatus::Committed)) => return Fate::Committed,
            Ok(Some(TransactionStatus::Aborted)) => return Fate::RolledBack,
            Ok(Some(TransactionStatus::InProgress)) => tokio::time::sleep(PAUSE).await,
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, %transaction, "nobody can tell what became of a batch");
                break;
            }
        }
    }
    Fate::Unknown
}

/// What those are told whose command may have been done, or may not.
pub(super) fn away() -> DomainError {
    let lost = "the connection was lost".into();
    DomainError::Unavailable(DatabaseUnavailable::Unreachable(lost))
}
