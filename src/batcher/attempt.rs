//! One run of some commands in one transaction, and what is to be done after it.

use crate::batcher::Shared;
use crate::batcher::fate::{self, Fate};
use crate::db::failure::connection_was_lost;
use crate::db::{Connection, DatabaseUnavailable};
use crate::domain::batch::{self, Member, Run, Undone};
use crate::domain::{DomainError, transaction};

/// How it ended.
pub(super) enum Ended {
    /// It is done: each command says how it stands.
    Done,
    /// It is not, and may be when it is run again.
    Undone,
    /// It is not, and together it will not be.
    Failed(DomainError),
    /// There is no database to do it, or nobody knows whether it is done.
    GivenUp(DomainError),
}

/// Runs the commands once, on the connection that is held, or on another one; holds it
/// afterwards if it can be used.
pub(super) async fn attempt(
    shared: &Shared,
    held: &mut Option<Connection>,
    members: &mut [Box<dyn Member>],
    how: &mut Run,
) -> Ended {
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => match shared.database.connection().await {
            Ok(connection) => connection,
            Err(error) => return Ended::GivenUp(error.into()),
        },
    };
    let ended = batch::run(&mut connection, &shared.environment, members, how).await;
    match ended {
        Ok(()) => {
            *held = Some(connection);
            Ended::Done
        }
        Err(Undone::Outrun(lost)) => {
            *held = Some(connection);
            how.lost.extend(lost);
            Ended::Undone
        }
        Err(Undone::Failed {
            error: DomainError::Database(error),
            end,
        }) if connection_was_lost(&error) => {
            drop(connection);
            match fate::of(&shared.database, end).await {
                Fate::Committed => Ended::Done,
                Fate::RolledBack => Ended::Undone,
                Fate::Unknown => {
                    let lost = DatabaseUnavailable::Unreachable(error.into());
                    Ended::GivenUp(lost.into())
                }
            }
        }
        Err(Undone::Failed {
            error: DomainError::Database(error),
            ..
        }) if transaction::may_pass(&error) => {
            *held = Some(connection);
            Ended::Undone
        }
        Err(Undone::Failed { error, .. }) => {
            *held = Some(connection);
            Ended::Failed(error)
        }
    }
}
