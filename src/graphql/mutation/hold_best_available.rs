//! `holdBestAvailable`.

use crate::domain::hold_best_available::{self, HoldBestAvailable};
use crate::domain::seating::party;
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::event_id;
use crate::graphql::mutation::seats_held::HoldSeatsResult;
use crate::graphql::services::{caller, services};
use crate::graphql::staff_trail::recorded;
use async_graphql::{Context, Enum, ID, InputObject, Object};

/// For whom to find seats.
#[derive(InputObject)]
struct HoldBestAvailableInput {
    /// Global id of the event.
    event_id: ID,
    /// How many seats: 1 to 1000, and no more than the event allows.
    quantity: i32,
    /// Only seats of the category of this name.
    category: Option<String>,
    /// Only seats of the zones of these names; of any when left out. A zone of general
    /// admission is held like any other.
    zones: Option<Vec<String>>,
    /// How many of the seats are to be places for wheelchair users: exactly so many are
    /// given, the others beside them. None is given unasked.
    #[graphql(default = 0)]
    accessible: i32,
    /// Whether the seats must be side by side.
    #[graphql(default_with = "Adjacency::Preferred")]
    adjacency: Adjacency,
    /// Add them to the hold of this token instead of making a new one; the hold
    /// keeps its time.
    hold_token: Option<String>,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// Whether people must sit side by side.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "party::Adjacency")]
enum Adjacency {
    /// All of them in one row without an aisle between, or in one standing zone; or not
    /// at all.
    Required,
    /// If that cannot be, in groups near one another, nobody alone. A party with places
    /// for wheelchair users is never parted.
    Preferred,
}

#[derive(Default)]
pub struct HoldBestAvailableMutation;

#[Object]
impl HoldBestAvailableMutation {
    /// Holds the best seats that are left: side by side in one row and near the middle of
    /// its zone's first row, if possible without leaving a single seat alone; or places of
    /// a standing zone; or, if the party may be parted, groups near one another. A race
    /// that was lost is run again on other seats, so this never answers `SeatConflict`
    /// of seats that the caller has not asked for.
    async fn hold_best_available(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "For whom.")] input: HoldBestAvailableInput,
    ) -> ApiResult<HoldSeatsResult> {
        recorded(context, async move {
            let command = HoldBestAvailable::try_from(input)?;
            let into_hold = command.into_hold.clone();
            let services = services(context)?;
            let (work, request) =
                hold_best_available::hold_best_available(caller(context), command)?;
            let (work, settled) = services.batcher.submit(work, request).await?;
            Ok(HoldSeatsResult::new(
                services,
                &work.holding,
                into_hold.as_ref(),
                settled?,
            ))
        })
        .await
    }
}

impl TryFrom<HoldBestAvailableInput> for HoldBestAvailable {
    type Error = ApiError;

    fn try_from(input: HoldBestAvailableInput) -> Result<Self, Self::Error> {
        Ok(Self {
            event: event_id("input.eventId", &input.event_id)?,
            quantity: input.quantity,
            accessible: input.accessible,
            category: input.category,
            zones: input.zones.unwrap_or_default(),
            adjacency: input.adjacency.into(),
            into_hold: input.hold_token.map(|token| token.parse().ok()),
            idempotency_key: input.idempotency_key,
        })
    }
}
