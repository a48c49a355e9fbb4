//! Venues.

use crate::db::venues;
use crate::model::global_id::GlobalId;
use async_graphql::{ID, Object};

/// A place where events are held.
#[derive(Clone)]
pub struct Venue(pub venues::Venue);

/// A place where events are held.
#[Object]
impl Venue {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        GlobalId::Venue(self.0.id).to_string().into()
    }

    /// Goes up by 1 with every update.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// IANA name of its time zone, such as `Europe/Berlin`.
    async fn time_zone(&self) -> &str {
        &self.0.time_zone
    }
}
