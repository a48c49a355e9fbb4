//! `updateVenue`.

use crate::domain::update_venue::{self, UpdateVenue};
use crate::graphql::errors::ApiResult;
use crate::graphql::input::venue_id;
use crate::graphql::refusal::VenueVersionConflict;
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::venue::Venue;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// What to change of which venue: at least one of `name` and `timeZone`.
#[derive(InputObject)]
struct UpdateVenueInput {
    /// Global id of the venue.
    venue_id: ID,
    /// The version of the venue that the decision was made on.
    version: i32,
    /// What it is called from now on, at most 200 characters; stays as it is when left
    /// out.
    name: Option<String>,
    /// IANA name of its time zone from now on, such as `Europe/Berlin`; stays as it is
    /// when left out. The times of its events stay the same moments.
    time_zone: Option<String>,
}

/// What became of it.
#[derive(Union)]
enum UpdateVenueResult {
    /// The venue is changed.
    VenueUpdated(VenueUpdated),
    /// Somebody else has changed the venue.
    VenueVersionConflict(VenueVersionConflict),
}

/// The venue is changed.
#[derive(SimpleObject)]
struct VenueUpdated {
    /// The venue.
    venue: Venue,
}

#[derive(Default)]
pub struct UpdateVenueMutation;

#[Object]
impl UpdateVenueMutation {
    /// Changes a venue that is still at the version that was seen. For staff.
    async fn update_venue(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateVenueInput,
    ) -> ApiResult<UpdateVenueResult> {
        recorded(context, async move {
            let command = UpdateVenue {
                venue: venue_id("input.venueId", &input.venue_id)?,
                version: input.version,
                name: input.name,
                time_zone: input.time_zone,
            };
            let environment = &services(context)?.environment;
            let mut connection = connection(context).await?;
            let caller = caller(context);
            let result =
                update_venue::update_venue(&mut connection, environment, caller, command).await?;
            Ok(match result {
                Ok(venue) => UpdateVenueResult::VenueUpdated(VenueUpdated {
                    venue: Venue(venue),
                }),
                Err(update_venue::VenueVersionConflict(venue)) => {
                    let refusal = VenueVersionConflict::new(input.version, venue);
                    UpdateVenueResult::VenueVersionConflict(refusal)
                }
            })
        })
        .await
    }
}
