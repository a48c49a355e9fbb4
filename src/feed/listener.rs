//! Hears of changes that other processes committed, on a connection of its own.

use crate::db::changes;
use crate::feed::announcer::CHANNEL;
use crate::feed::{Feed, FeedError};
use crate::model::causes::in_full;
use backon::{BackoffBuilder, ExponentialBuilder};
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Watchers read this often even when nobody tells them to.
const POLL: Duration = Duration::from_secs(5);

/// Listens for good: a lost connection is opened again, with growing pauses.
pub(super) async fn run(feed: Feed) {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(POLL)
        .without_max_times()
        .with_jitter();
    let mut pause = pauses.build();
    loop {
        match listen(&feed, || pause = pauses.build()).await {
            Ok(()) => tracing::warn!("the listening connection was closed"),
            Err(error) => {
                tracing::warn!(error = in_full(&error), "the listening connection was lost");
            }
        }
        tokio::time::sleep(pause.next().unwrap_or(POLL)).await;
        // Without a listener the pauses are the poll.
        feed.shared.news.send_replace(());
    }
}

async fn listen(feed: &Feed, connected: impl FnOnce()) -> Result<(), FeedError> {
    let mut connection = feed.shared.database.dedicated_connection().await?;
    diesel::sql_query(format!("LISTEN {CHANNEL}"))
        .execute(&mut connection)
        .await?;
    // Another database may stand behind the same address by now.
    let state = changes::state(&mut connection).await?;
    feed.shared.epoch.store(state.epoch, Ordering::Relaxed);
    connected();
    // Registered first, read second: what was committed in between is found.
    feed.shared.news.send_replace(());
    let mut notifications = pin!(connection.notifications_stream());
    loop {
        match tokio::time::timeout(POLL, notifications.next()).await {
            Ok(Some(notification)) => drop(notification?),
            Ok(None) => return Ok(()),
            Err(_poll) => {}
        }
        feed.shared.news.send_replace(());
    }
}
