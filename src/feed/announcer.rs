//! Tells other processes that something was committed here.

use crate::feed::{Feed, FeedError};
use crate::model::causes::in_full;
use diesel_async::SimpleAsyncConnection;

/// The channel of PostgreSQL's NOTIFY. The payload is empty: the table says what.
pub(super) const CHANNEL: &str = "usher_seat_changes";

/// Sends one notification for all changes that were announced while the last
/// one was on its way. One that cannot be sent is left out: the others poll.
pub(super) async fn run(feed: Feed) {
    loop {
        feed.shared.to_announce.notified().await;
        if let Err(error) = notify(&feed).await {
            tracing::debug!(
                error = in_full(&error),
                "other processes were not told of a change"
            );
        }
    }
}

async fn notify(feed: &Feed) -> Result<(), FeedError> {
    let mut connection = feed.shared.database.connection().await?;
    connection
        .batch_execute(&format!("NOTIFY {CHANNEL}"))
        .await?;
    Ok(())
}
