//! The API: parses input, calls one domain function, the batcher or the feed, maps
//! the result. Decides nothing.

mod availability_counts;
mod checking;
mod costs;
mod deadline;
mod errors;
mod hold_watcher;
mod input;
mod mutation;
mod node;
mod pagination;
mod query;
mod refusal;
mod seats_shown;
mod services;
mod staff_trail;
mod subscription;
mod types;
mod watching;

pub use checking::DocumentChecker;
pub use costs::{Costs, FieldCost, LARGEST_PAGE, ListSize};
pub use deadline::Deadline;
pub use errors::{OVERLOAD_PAUSE, RETRY_AFTER_MS, code};
pub use seats_shown::SeatsShown;
pub use services::{Places, Services};
pub use watching::{Subscriber, Watching};

use async_graphql::dataloader::DataLoader;
use async_graphql::{SDLExportOptions, Schema, SchemaBuilder};
use availability_counts::AvailabilityCounts;
use node::VenueLoader;

/// The schema with all that its resolvers use.
pub type UsherSchema = Schema<query::Query, mutation::Mutation, subscription::Subscription>;

/// The schema over these services, which tells what it is when it is `open`.
pub fn schema(services: Services, open: bool) -> UsherSchema {
    let venues = DataLoader::new(VenueLoader::new(services.database.clone()), tokio::spawn);
    let counts = AvailabilityCounts::default();
    let builder = builder().data(venues).data(counts).data(services);
    if open {
        return builder.finish();
    }
    // "Did you mean" would tell the names to whoever guesses.
    builder
        .disable_introspection()
        .disable_suggestions()
        .finish()
}

/// The schema without services: it says what the API is, checks operations, and runs those
/// that need no more.
pub fn schema_without_services() -> UsherSchema {
    builder().finish()
}

/// The schema definition language of the API, as `schema.graphql` has it.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().include_specified_by();
    schema_without_services().sdl_with_options(options)
}

fn builder() -> SchemaBuilder<query::Query, mutation::Mutation, subscription::Subscription> {
    Schema::build(
        query::Query,
        mutation::Mutation::default(),
        subscription::Subscription,
    )
    .register_output_type::<node::Node>()
    .register_output_type::<refusal::Refusal>()
}
