//! What resolvers work with, and how they reach it: how much of the database one operation may
//! ask for at a time is owned here. No resolver may take a connection from the pool past it.

use crate::batcher::Batcher;
use crate::db::transaction_id::TransactionId;
use crate::db::{Connection, Database, DatabaseUnavailable};
use crate::domain::Environment;
use crate::feed::{Feed, ReadyMap, SeatMap};
use crate::graphql::deadline;
use crate::graphql::errors::ApiResult;
use crate::graphql::input::FeedCursor;
use crate::model::Caller;
use crate::model::cursor::Cursor;
use crate::model::ids::EventId;
use async_graphql::Context;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All that the resolvers of one process share; a clone is the same.
#[derive(Clone)]
pub struct Services {
    /// The database.
    pub database: Database,
    /// The feed of its changes.
    pub feed: Feed,
    /// Where commands share transactions.
    pub batcher: Batcher,
    /// What its use cases work with.
    pub environment: Environment,
}

impl Services {
    /// Tells the watchers of `event` what `transaction` has changed about it; answers where
    /// that is in the feed.
    pub(super) fn publish(&self, event: EventId, transaction: TransactionId) -> FeedCursor {
        self.feed.announce_change(event, transaction);
        FeedCursor(self.feed.cursor_of_change(event, transaction))
    }
}

/// How many connections one operation has, or waits for, at a time.
const PLACES: usize = 4;

/// In the data of every operation: its places before the database. All its fields take turns at
/// them. The library asks for the fields of an object and the items of a list at the same time,
/// so that one document could otherwise stand in the line thousands of times.
///
/// Whoever has one waits for a connection or for a map that is being read, and nobody who has
/// those ever waits for a place: operations cannot wait crosswise.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES)))
    }
}

/// The services of the schema.
pub(super) fn services<'ctx>(context: &Context<'ctx>) -> ApiResult<&'ctx Services> {
    Ok(context.data::<Services>()?)
}

/// A connection of the pool; held while one resolver works, never longer, and never while it
/// asks for another one, or for a map. A query that nobody waits for any more gets none.
pub(super) async fn connection(context: &Context<'_>) -> ApiResult<Connection> {
    let place = place(context).await?;
    let connection = services(context)?.database.connection_for_request().await?;
    Ok(connection.at(place))
}

/// The map of an event, which is read from the database when it is not in memory.
pub(super) async fn ready_map(
    context: &Context<'_>,
    event: EventId,
    at_least: Option<Cursor>,
) -> ApiResult<ReadyMap> {
    let feed = &services(context)?.feed;
    let place = place(context).await?;
    feed.load(event).await?;
    // What it may have to wait for then is no work for the database.
    drop(place);
    Ok(feed.ready_map(event, at_least).await?)
}

/// The same, copied.
pub(super) async fn seat_map(
    context: &Context<'_>,
    event: EventId,
    at_least: Option<Cursor>,
) -> ApiResult<SeatMap> {
    Ok(ready_map(context, event, at_least).await?.copy())
}

/// One of the operation's places, when it is the turn of whoever asks.
async fn place(context: &Context<'_>) -> ApiResult<OwnedSemaphorePermit> {
    let Places(places) = context.data::<Places>()?;
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(|_| DatabaseUnavailable::Busy)?;
    // Only now: its fields may have waited for one another for long.
    deadline::check(context)?;
    Ok(place)
}

/// Who is asking. The transport always says; without it, nobody is.
pub(super) fn caller<'ctx>(context: &Context<'ctx>) -> &'ctx Caller {
    context.data_opt::<Caller>().unwrap_or(&Caller::Anonymous)
}
