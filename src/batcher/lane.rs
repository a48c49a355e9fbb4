//! Runs one batch after the other.

use crate::batcher::queue::{Queue, Waiting};
use crate::batcher::{Batcher, Shared, alone, fate};
use crate::db::failure::connection_was_lost;
use crate::db::{Connection, DatabaseUnavailable};
use crate::domain::batch::{self, Member, Run, Standing, Undone};
use crate::domain::{DomainError, transaction};
use std::sync::Arc;
use std::time::Duration;

/// A batch that is undone is run again so often before each command is run alone.
pub(super) const RUNS: usize = 3;

/// How long a batch waits for a lock: who has it may keep it, and many wait with the one who
/// wants it. Alone it is waited for as long as the settings say.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

pub(super) async fn run(batcher: Batcher, number: usize) {
    let shared = batcher.shared;
    let Some(queue) = shared.lanes.get(number) else {
        return;
    };
    loop {
        queue.is_wanted().await;
        // While a connection is waited for, more may arrive.
        let connection = shared.database.connection().await;
        // Those whose requests are being read come along: they run before this does. With
        // nobody else there it takes no time.
        tokio::task::yield_now().await;
        let patience = shared.database.acquire_timeout();
        let taken = queue.take(shared.settings.size as usize, patience);
        if taken.is_empty() {
            continue;
        }
        match connection {
            Ok(connection) => settle(&shared, queue, connection, taken).await,
            Err(error) => refuse(taken, &error),
        }
    }
}

fn refuse(taken: Vec<Waiting>, cause: &DatabaseUnavailable) {
    tracing::warn!(%cause, commands = taken.len(), "a batch has no connection");
    for mut waiting in taken {
        let unavailable = fate::away();
        waiting.member.fail(unavailable);
        waiting.member.answer();
    }
}

async fn settle(
    shared: &Arc<Shared>,
    queue: &Queue,
    mut connection: Connection,
    taken: Vec<Waiting>,
) {
    metrics::histogram!("usher_batch_size")
        .record(f64::from(u32::try_from(taken.len()).unwrap_or(u32::MAX)));
    let mut members: Vec<Box<dyn Member>> =
        taken.into_iter().map(|waiting| waiting.member).collect();
    let environment = &shared.environment;
    let mut how = Run {
        lock_timeout: Some(LOCK_TIMEOUT),
        ..Run::default()
    };
    for _ in 0..RUNS {
        let ended = batch::run(&mut connection, environment, &mut members, &how);
        let undone = match ended.await {
            Ok(()) => return let_go(shared, queue, connection, members),
            Err(undone) => undone,
        };
        match undone {
            Undone {
                error: None, lost, ..
            } => how.lost.extend(lost),
            Undone {
                error: Some(DomainError::Database(error)),
                transaction,
                ..
            } if connection_was_lost(&error) => {
                drop(connection);
                let Ok(another) = shared.database.connection().await else {
                    return fail(members);
                };
                connection = another;
                match fate::of(&mut connection, transaction).await {
                    fate::Fate::Committed => return let_go(shared, queue, connection, members),
                    fate::Fate::RolledBack => {}
                    fate::Fate::Unknown => return fail(members),
                }
            }
            Undone {
                error: Some(DomainError::Database(error)),
                ..
            } if transaction::may_pass(&error) => {}
            Undone { error, .. } => {
                tracing::debug!(?error, commands = members.len(), "a batch is taken apart");
                break;
            }
        }
    }
    metrics::counter!("usher_batches_taken_apart_total").increment(1);
    drop(connection);
    for member in members {
        tokio::spawn(alone::run(Arc::clone(shared), member));
    }
}

/// Answers those who have an answer; the others go on. Those who have lost a race are looked
/// after while the next batch runs.
fn let_go(
    shared: &Arc<Shared>,
    queue: &Queue,
    connection: Connection,
    members: Vec<Box<dyn Member>>,
) {
    let (mut losers, mut put_off) = (Vec::new(), Vec::new());
    for mut member in members {
        match member.standing() {
            Standing::Decided if member.conflict().is_some() => losers.push(member),
            Standing::Decided => member.answer(),
            Standing::PutOff => put_off.push(Waiting::new(member)),
            Standing::Outrun => {
                tokio::spawn(alone::run(Arc::clone(shared), member));
            }
        }
    }
    if !put_off.is_empty() {
        queue.put_back(put_off.into_iter());
    }
    if !losers.is_empty() {
        tokio::spawn(async move {
            if let Err(error) = batch::look_around(&connection, &mut losers).await {
                tracing::debug!(%error, "nothing is offered to those who lost");
            }
            drop(connection);
            for loser in losers {
                loser.answer();
            }
        });
    }
}

fn fail(members: Vec<Box<dyn Member>>) {
    for mut member in members {
        member.fail(fate::away());
        member.answer();
    }
}
