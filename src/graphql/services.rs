//! What resolvers work with, and how they reach it.

use crate::batcher::Batcher;
use crate::db::transaction_id::TransactionId;
use crate::db::{Connection, Database};
use crate::domain::Environment;
use crate::feed::Feed;
use crate::graphql::deadline;
use crate::graphql::errors::ApiResult;
use crate::graphql::input::FeedCursor;
use crate::model::Caller;
use crate::model::ids::EventId;
use async_graphql::Context;

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

/// The services of the schema.
pub(super) fn services<'ctx>(context: &Context<'ctx>) -> ApiResult<&'ctx Services> {
    Ok(context.data::<Services>()?)
}

/// A connection of the pool; held while one resolver works, never longer. A query that nobody
/// waits for any more gets none.
pub(super) async fn connection(context: &Context<'_>) -> ApiResult<Connection> {
    deadline::check(context)?;
    Ok(services(context)?.database.connection_for_request().await?)
}

/// Who is asking. The transport always says; without it, nobody is.
pub(super) fn caller<'ctx>(context: &Context<'ctx>) -> &'ctx Caller {
    context.data_opt::<Caller>().unwrap_or(&Caller::Anonymous)
}
