//! `Subscription`.

use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::input::{FeedCursor, event_id};
use crate::graphql::node;
use crate::graphql::services::{caller, connection, services};
use crate::graphql::types::seat_map::SeatMapMessage;
use async_graphql::{Context, ID, Subscription as SubscriptionRoot};
use futures_util::{Stream, StreamExt};

/// What can be watched.
pub struct Subscription;

/// What can be watched.
#[SubscriptionRoot]
impl Subscription {
    /// The map of an event: a snapshot, then what changes, without a gap. With
    /// `after`, the changes since then and no snapshot; if they are not in the
    /// feed any more, a new snapshot that says why.
    async fn seat_map(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the event.")] event_id: ID,
        #[graphql(desc = "The newest cursor that came with this map: resumes there.")]
        after: Option<FeedCursor>,
    ) -> Result<impl Stream<Item = ApiResult<SeatMapMessage>> + use<>, ApiError> {
        let id = self::event_id("eventId", &event_id)?;
        let feed = services(context)?.feed.clone();
        let mut connection = connection(context).await?;
        let event = node::event_view(context, &mut connection, caller(context), id)
            .await?
            .ok_or_else(|| ApiError::new(code::NOT_FOUND, "there is no such event"))?;
        drop(connection);
        let messages = feed.watch_seat_map(id, after.map(|cursor| cursor.0));
        Ok(messages.map(move |message| Ok(SeatMapMessage::new(&event, message?))))
    }
}
