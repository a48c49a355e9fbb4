//! The transaction of a batch: begun with the first statements and not before them, because
//! each round to the database takes as long as all that it does there.

use diesel::QueryResult;
use diesel::connection::TransactionManagerStatus;
use diesel_async::{
    AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection, TransactionManager,
};
use std::ops::{Deref, DerefMut};

/// A connection with a transaction that Diesel does not know of. Dropped before that has
/// ended, the connection counts as broken, and nobody is given it.
pub(super) struct Open<'connection> {
    connection: &'connection mut AsyncPgConnection,
}

impl<'connection> Open<'connection> {
    pub(super) fn new(connection: &'connection mut AsyncPgConnection) -> Self {
        status(connection).set_in_error();
        Self { connection }
    }

    pub(super) async fn commit(self) -> QueryResult<()> {
        self.connection.batch_execute("COMMIT").await?;
        *status(self.connection) = TransactionManagerStatus::default();
        Ok(())
    }

    pub(super) async fn roll_back(self) {
        if self.connection.batch_execute("ROLLBACK").await.is_ok() {
            *status(self.connection) = TransactionManagerStatus::default();
        }
    }
}

fn status(connection: &mut AsyncPgConnection) -> &mut TransactionManagerStatus {
    AnsiTransactionManager::transaction_manager_status_mut(connection)
}

impl Deref for Open<'_> {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.connection
    }
}

impl DerefMut for Open<'_> {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.connection
    }
}
