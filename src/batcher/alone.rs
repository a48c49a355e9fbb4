//! A command on its own, after no batch could do it: it waits for locks as long as it may, and
//! is run again with growing pauses.

use crate::batcher::fate::{self, Fate};
use crate::batcher::{Shared, lane};
use crate::db::failure::connection_was_lost;
use crate::domain::batch::{self, Member, Run, Standing, Undone};
use crate::domain::{DomainError, transaction};
use std::sync::Arc;
use std::time::Duration;

/// Answers it in the end.
pub(super) async fn run(shared: Arc<Shared>, member: Box<dyn Member>) {
    let mut members = [member];
    let decided = decide(&shared, &mut members).await;
    let [mut member] = members;
    if let Err(error) = decided {
        member.fail(error);
    }
    member.answer();
}

async fn decide(shared: &Shared, members: &mut [Box<dyn Member>; 1]) -> Result<(), DomainError> {
    // What the batch has tried counts.
    let mut pauses = transaction::pauses().skip(lane::RUNS);
    let mut how = Run::default();
    loop {
        let pause = pauses.next();
        if members.iter().any(|member| member.is_abandoned()) {
            return Ok(());
        }
        let mut connection = shared.database.connection().await?;
        how.is_last = pause.is_none();
        let ended = batch::run(&mut connection, &shared.environment, members, &how);
        match ended.await {
            Ok(()) => {
                if members
                    .iter()
                    .all(|member| member.standing() == Standing::Decided)
                {
                    return Ok(());
                }
            }
            Err(Undone {
                error: None, lost, ..
            }) => how.lost = lost.into_iter().collect(),
            Err(Undone {
                error: Some(DomainError::Database(error)),
                transaction,
                ..
            }) if connection_was_lost(&error) => {
                drop(connection);
                let mut another = shared.database.connection().await?;
                match fate::of(&mut another, transaction).await {
                    Fate::Committed => return Ok(()),
                    Fate::RolledBack => {}
                    Fate::Unknown => return Err(error.into()),
                }
                continue_or_end(pause).await?;
                continue;
            }
            Err(Undone {
                error: Some(DomainError::Database(error)),
                ..
            }) if transaction::may_pass(&error) => {}
            Err(Undone {
                error: Some(error), ..
            }) => return Err(transaction::in_the_end(error)),
        }
        // Nobody waits for its turn with a connection in hand.
        drop(connection);
        continue_or_end(pause).await?;
    }
}

async fn continue_or_end(pause: Option<Duration>) -> Result<(), DomainError> {
    tokio::time::sleep(pause.ok_or(DomainError::Contended)?).await;
    Ok(())
}
