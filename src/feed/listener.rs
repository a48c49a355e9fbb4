//! Hears of changes that other processes committed, on a connection of its own.

use crate::feed::announcer::{HOLDS, SEAT_CHANGES};
use crate::feed::follower::POLL;
use crate::feed::reconnecting::pauses;
use crate::feed::{Feed, FeedError};
use crate::model::causes::in_full;
use backon::BackoffBuilder;
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;
use std::pin::pin;

/// Listens for good: a lost connection is opened again, with growing pauses.
pub(super) async fn run(feed: Feed) {
    let mut pause = pauses().build();
    loop {
        match listen(&feed, || pause = pauses().build()).await {
            Ok(()) => tracing::debug!("the listening connection was closed"),
            // The follower has said it, and polls meanwhile.
            Err(error) => {
                tracing::debug!(error = in_full(&error), "the listening connection was lost");
            }
        }
        tokio::time::sleep(pause.next().unwrap_or(POLL)).await;
    }
}

async fn listen(feed: &Feed, connected: impl FnOnce()) -> Result<(), FeedError> {
    let mut connection = feed.shared.database.dedicated_connection().await?;
    for channel in [SEAT_CHANGES, HOLDS] {
        diesel::sql_query(format!("LISTEN {channel}"))
            .execute(&mut connection)
            .await?;
    }
    connected();
    // Registered first, read second: what was committed in between is found.
    feed.wake_follower();
    feed.shared.holds.hear_of_a_gap();
    let mut notifications = pin!(connection.notifications_stream());
    while let Some(notification) = notifications.next().await {
        let notification = notification?;
        if notification.channel == HOLDS {
            feed.shared.holds.hear_payload(&notification.payload);
        } else if notification.payload != feed.shared.name {
            feed.wake_follower();
        }
    }
    Ok(())
}
