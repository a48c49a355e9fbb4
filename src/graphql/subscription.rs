//! `Subscription`.

use crate::graphql::availability_counts::AvailabilityCounts;
use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::hold_watcher;
use crate::graphql::input::{FeedCursor, event_id};
use crate::graphql::node;
use crate::graphql::services::{caller, connection, services};
use crate::graphql::types::availability::Availability;
use crate::graphql::types::hold::Hold;
use crate::graphql::types::seat_map::SeatMapMessage;
use crate::graphql::watching::{HandedOver, Handover, ToShow, WatchAnew};
use crate::model::cursor::Cursor;
use async_graphql::{Context, ID, Subscription as SubscriptionRoot};
use futures_util::{Stream, stream};
use std::sync::Arc;

/// What can be watched.
pub struct Subscription;

/// What can be watched.
#[SubscriptionRoot]
impl Subscription {
    /// The map of an event: a snapshot, then what changes, without a gap. With
    /// `after`, the changes since then and no snapshot; if they are not in the
    /// feed any more, a new snapshot that says why. It never ends by itself.
    async fn seat_map(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the event.")] event_id: ID,
        #[graphql(desc = "The newest cursor that came with this map: resumes there.")]
        after: Option<FeedCursor>,
    ) -> Result<impl Stream<Item = ApiResult<SeatMapMessage>> + use<>, ApiError> {
        let Some(to_show) = context.data_opt::<ToShow>() else {
            hand_over(context, &event_id, after.map(|cursor| cursor.0)).await?;
            return Ok(stream::iter(None));
        };
        let shown = to_show.message();
        let message = shown.map(|(event, message)| Ok(SeatMapMessage::new(event, message)));
        Ok(stream::iter(message))
    }

    /// How many seats of an event are in each status: as it is, and again whenever that
    /// has changed. It never ends by itself.
    async fn availability(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the event.")] event_id: ID,
    ) -> Result<impl Stream<Item = ApiResult<Arc<Availability>>> + use<>, ApiError> {
        let Some(to_show) = context.data_opt::<ToShow>() else {
            hand_over(context, &event_id, None).await?;
            return Ok(stream::iter(None));
        };
        let Some((event, map)) = to_show.map() else {
            return Ok(stream::iter(None));
        };
        let counts = context.data::<AvailabilityCounts>()?.of(event, &map);
        Ok(stream::iter(Some(Ok(counts))))
    }

    /// The hold of this token: as it is, and again whenever it has changed. When it is over
    /// the last message says what became of it (`Hold.end`), and the subscription ends.
    async fn hold(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The token that its owner was given.")] token: String,
    ) -> Result<impl Stream<Item = ApiResult<Hold>> + use<>, ApiError> {
        let services = services(context)?.clone();
        hold_watcher::watch(services, caller(context).clone(), &token).await
    }
}

/// Hands the watcher that this execution asks for to whoever runs it.
async fn hand_over(context: &Context<'_>, event_id: &ID, after: Option<Cursor>) -> ApiResult<()> {
    let id = self::event_id("eventId", event_id)?;
    let mut connection = connection(context).await?;
    let event = node::event_view(context, &mut connection, caller(context), id)
        .await?
        .ok_or_else(|| ApiError::new(code::NOT_FOUND, "there is no such event"))?;
    drop(connection);
    let feed = &services(context)?.feed;
    let watcher = match context.data_opt::<WatchAnew>() {
        Some(WatchAnew(reason)) => feed.watch_anew(id, *reason).await?,
        None => feed.watch(id, after).await?,
    };
    context
        .data::<Handover>()?
        .take_over(HandedOver { watcher, event });
    Ok(())
}
