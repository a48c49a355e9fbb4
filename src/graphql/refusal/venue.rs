//! Venues that are not as somebody believed.

use crate::db::venues;
use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::venue::Venue;
use async_graphql::SimpleObject;

/// The venue is not at the version that the decision was made on.
#[derive(SimpleObject)]
pub struct VenueVersionConflict {
    /// Always `VERSION_CONFLICT`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// The version that the decision was made on.
    expected_version: i32,
    /// The venue as it is now.
    venue: Venue,
}

impl VenueVersionConflict {
    pub(in crate::graphql) fn new(expected_version: i32, venue: venues::Venue) -> Self {
        Self {
            code: RefusalCode::VersionConflict,
            message: format!(
                "the venue is at version {}, not {expected_version}: look at it again",
                venue.version
            ),
            expected_version,
            venue: Venue(venue),
        }
    }
}
