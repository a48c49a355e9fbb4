//! Runs one batch after the other.

use crate::batcher::attempt::{Ended, attempt};
use crate::batcher::queue::Room;
use crate::batcher::{Shared, alone, answers, apart};
use crate::db::Connection;
use crate::domain::batch::{Member, Run};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// A batch that is undone is run again so often before it is taken apart.
pub(super) const RUNS: usize = 3;

/// How long a batch waits for a lock: who has it may keep it, and many wait with the one who
/// wants it.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// The same, where the settings do not ask for less. Alone it is waited for as long as they say.
pub(super) fn lock_timeout(shared: &Shared) -> Duration {
    LOCK_TIMEOUT.min(shared.database.lock_timeout())
}

pub(super) async fn run(shared: Arc<Shared>, number: usize) {
    let Some(queue) = shared.lanes.get(number) else {
        return;
    };
    let mut last = 0;
    loop {
        queue.is_wanted().await;
        // While a connection is waited for, more may arrive.
        let connection = shared.database.connection().await;
        // Those whose requests are being read come along: they run before this does. With
        // nobody else there it takes no time.
        tokio::task::yield_now().await;
        let size = half(queue.length(), last).min(shared.settings.size as usize);
        let members = queue.take(Room::new(size));
        if members.is_empty() {
            continue;
        }
        last = members.len();
        match connection {
            Ok(connection) => {
                let settled = settle(&shared, connection, members);
                // Whoever waits for one of them is told; the lane goes on for the others.
                if AssertUnwindSafe(settled).catch_unwind().await.is_err() {
                    tracing::error!("a batch did not come to its end");
                }
            }
            Err(error) => answers::refuse(members, &error.into()),
        }
    }
}

/// How many of those who are in play go into the next batch. Those of the `last` one are being
/// answered, and most will ask again: with half of all, the requests of one half are read and
/// answered while the other half is in the database. If all went along, both would take
/// turns at being idle.
fn half(waiting: usize, last: usize) -> usize {
    waiting.min(FEW.max((waiting + last).div_ceil(2)))
}

/// So few go together in any case.
const FEW: usize = 16;

async fn settle(shared: &Arc<Shared>, connection: Connection, mut members: Vec<Box<dyn Member>>) {
    metrics::histogram!("usher_batch_size")
        .record(f64::from(u32::try_from(members.len()).unwrap_or(u32::MAX)));
    let mut how = Run {
        lock_timeout: Some(lock_timeout(shared)),
        ..Run::default()
    };
    let mut connection = Some(connection);
    for _ in 0..RUNS {
        match attempt(shared, &mut connection, &mut members, &mut how).await {
            Ended::Done => return answers::give(shared, connection, members),
            Ended::Undone => {}
            Ended::Failed(error) => {
                tracing::debug!(%error, "a batch has failed");
                break;
            }
            Ended::GivenUp(error) => return answers::refuse(members, &error),
        }
    }
    drop(connection);
    if members.len() > 1 {
        tokio::spawn(apart::run(Arc::clone(shared), members));
        return;
    }
    // Whoever was the only one has had its tries with the patience of many.
    for member in members {
        tokio::spawn(alone::run(Arc::clone(shared), member));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_those_in_play_go_along_and_few_do_in_any_case() {
        assert_eq!(half(1, 0), 1);
        assert_eq!(half(FEW, 0), FEW);
        assert_eq!(half(64, 0), 32);
        assert_eq!(half(59, 5), 32);
        assert_eq!(half(32, 32), 32, "it stays so");
        assert_eq!(half(10, 200), 10, "nobody is waited for");
    }
}
