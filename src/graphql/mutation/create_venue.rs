//! `createVenue`.

use crate::domain::create_venue;
use crate::graphql::errors::ApiResult;
use crate::graphql::services::{caller, connection};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::venue::Venue;
use async_graphql::{Context, InputObject, Object, SimpleObject, Union};

/// What a new venue is.
#[derive(InputObject)]
struct CreateVenueInput {
    /// What it is called, at most 200 characters.
    name: String,
    /// IANA name of its time zone, such as `Europe/Berlin`.
    time_zone: String,
}

/// What became of it.
#[derive(Union)]
enum CreateVenueResult {
    /// The venue is there.
    VenueCreated(VenueCreated),
}

/// The venue is there.
#[derive(SimpleObject)]
struct VenueCreated {
    /// The venue.
    venue: Venue,
}

#[derive(Default)]
pub struct CreateVenueMutation;

#[Object]
impl CreateVenueMutation {
    /// Creates a venue. For staff.
    async fn create_venue(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What it is.")] input: CreateVenueInput,
    ) -> ApiResult<CreateVenueResult> {
        recorded(context, async move {
            let mut connection = connection(context).await?;
            let CreateVenueInput { name, time_zone } = input;
            let venue =
                create_venue::create_venue(&mut connection, caller(context), &name, &time_zone)
                    .await?;
            Ok(CreateVenueResult::VenueCreated(VenueCreated {
                venue: Venue(venue),
            }))
        })
        .await
    }
}
