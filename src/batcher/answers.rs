//! What comes after a batch: answers for those who have one, another turn for the others.

use crate::batcher::queue::Waiting;
use crate::batcher::{Shared, alone};
use crate::db::Connection;
use crate::domain::DomainError;
use crate::domain::batch::{self, Member, Standing};
use crate::model::causes::in_full;
use std::sync::Arc;

/// Answers those who have an answer; the others go on. Those who have lost a race are looked
/// after while the next batch runs.
pub(super) fn give(
    shared: &Arc<Shared>,
    connection: Option<Connection>,
    members: Vec<Box<dyn Member>>,
) {
    let (mut losers, mut put_off) = (Vec::new(), Vec::new());
    for mut member in members {
        match member.standing() {
            Standing::Decided if member.conflict().is_some() => losers.push(member),
            Standing::Decided => member.answer(),
            Standing::PutOff => put_off.push(Waiting::again(member)),
            Standing::Outrun => {
                tokio::spawn(alone::run(Arc::clone(shared), member));
            }
        }
    }
    // Those of one event keep their order.
    for waiting in put_off.into_iter().rev() {
        shared.queue_of(waiting.event()).put_back(waiting);
    }
    if losers.is_empty() {
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        // They are told of what they have lost, also when there are too many to look around.
        if let Ok(_turn) = shared.looking.try_acquire()
            && let Err(error) = look_around(&shared, connection, &mut losers).await
        {
            tracing::debug!(%error, "nothing is offered to those who lost");
        }
        for loser in losers {
            loser.answer();
        }
    });
}

async fn look_around(
    shared: &Shared,
    connection: Option<Connection>,
    losers: &mut [Box<dyn Member>],
) -> Result<(), DomainError> {
    let connection = match connection {
        Some(connection) => connection,
        None => shared.database.connection().await?,
    };
    batch::look_around(&connection, losers).await?;
    Ok(())
}

/// Tells all of them that the database cannot be reached, or is too busy; and the log, once.
pub(super) fn refuse(members: Vec<Box<dyn Member>>, cause: &DomainError) {
    tracing::warn!(cause = %in_full(cause), commands = members.len(), "a batch is given up");
    for mut member in members {
        member.fail(DomainError::GivenUp);
        member.answer();
    }
}
