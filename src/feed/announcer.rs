//! Tells other processes that something was committed here.

use crate::feed::{Feed, FeedError};
use crate::model::causes::in_full;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use std::time::Duration;
use tokio::time::sleep;

/// The channel of PostgreSQL's NOTIFY for changes of seats. The payload is the name of the process
/// that has made them, which knows of them: the table says what.
pub(super) const SEAT_CHANGES: &str = "usher_seat_changes";
/// The channel for holds that have changed: their ids.
pub(super) const HOLDS: &str = "usher_holds";

/// How long before what could not be sent is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends one notification for all changes that were announced while the last
/// one was on its way. One that cannot be sent is left out: the others poll. Hints about
/// holds are sent when that is possible again.
pub(super) async fn run(feed: Feed) {
    loop {
        feed.shared.to_announce.notified().await;
        if let Err(error) = notify(&feed).await {
            tracing::debug!(
                error = in_full(&error),
                "other processes were not told of a change"
            );
            // They poll for seats. Of a hold they learn by nothing else.
            if feed.shared.holds.payload().is_some() {
                sleep(PAUSE).await;
                feed.shared.to_announce.notify_one();
            }
        }
    }
}

async fn notify(feed: &Feed) -> Result<(), FeedError> {
    let mut connection = feed.shared.database.connection().await?;
    connection
        .batch_execute(&format!("NOTIFY {SEAT_CHANGES}, '{}'", feed.shared.name))
        .await?;
    while let Some((payload, count)) = feed.shared.holds.payload() {
        diesel::sql_query("SELECT pg_notify($1, $2)")
            .bind::<Text, _>(HOLDS)
            .bind::<Text, _>(payload)
            .execute(&mut connection)
            .await?;
        feed.shared.holds.forget(count);
    }
    Ok(())
}
