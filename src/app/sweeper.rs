//! Publishes holds that have lapsed, soon after they have.

use crate::db::{Database, DatabaseUnavailable, holds};
use crate::domain::DomainError;
use crate::domain::lapse_holds::{Lapsed, lapse_holds};
use crate::feed::Feed;
use crate::graphql::Services;
use crate::model::causes::in_full;
use std::time::Duration;

/// Looks at least this often: another process may have made a hold that lapses
/// sooner than what this one knows of, and have died since.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// After a failure, and when other sweepers have all that has lapsed.
const PAUSE: Duration = Duration::from_millis(100);

/// Sweeps for good: sleeps until the next hold lapses, ends what has lapsed in
/// bounded batches, and tells the watchers. Safe in any number of processes.
pub async fn run(services: Services) {
    loop {
        match sweep(&services.database, &services.feed).await {
            Ok(until_next) => tokio::time::sleep(until_next).await,
            Err(error) => {
                tracing::warn!(
                    error = in_full(&error),
                    "lapsed holds could not be published"
                );
                tokio::time::sleep(LONGEST_SLEEP).await;
            }
        }
    }
}

/// The sweeper could not work.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// Ends what has lapsed; answers how long there is nothing to do.
async fn sweep(database: &Database, feed: &Feed) -> Result<Duration, SweepError> {
    let mut connection = database.connection().await?;
    let mut waiting = Vec::new();
    loop {
        let Lapsed { holds, seats, busy } = lapse_holds(&mut connection, &waiting).await?;
        if holds == 0 && busy.is_empty() {
            break;
        }
        waiting.extend(busy);
        if holds == 0 {
            continue;
        }
        tracing::info!(holds, seats, "holds have lapsed");
        metrics::counter!("usher_lapsed_holds_total").increment(holds as u64);
        feed.announce();
    }
    let next = holds::until_next_lapse(&mut connection)
        .await
        .map_err(DomainError::from)?;
    Ok(next.map_or(LONGEST_SLEEP, |next| {
        next.to_std().unwrap_or(PAUSE).min(LONGEST_SLEEP)
    }))
}
