//! `holdSeats`.

use crate::domain::hold_seats::{self, HoldSeats};
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::{ConflictPolicy, SeatVersionInput, event_id, seat_versions};
use crate::graphql::mutation::seats_held::HoldSeatsResult;
use crate::graphql::services::{caller, services};
use crate::graphql::staff_trail::recorded;
use async_graphql::{Context, ID, InputObject, Object};

/// Which seats to hold.
#[derive(InputObject)]
struct HoldSeatsInput {
    /// Global id of the event.
    event_id: ID,
    /// The seats, each once: all of them are held or none.
    seats: Vec<SeatVersionInput>,
    /// Add them to the hold of this token instead of making a new one; the hold
    /// keeps its time.
    hold_token: Option<String>,
    /// What is done when a seat is not at the version that was seen.
    #[graphql(default_with = "ConflictPolicy::Report")]
    on_conflict: ConflictPolicy,
    /// A key of the client's own choice for this request, of up to 255 characters: sent
    /// again with the same key and input, its lists in the same order, within 24 hours, it
    /// is answered again and not done again. Without a token of their own, callers must take at least 16.
    idempotency_key: Option<String>,
}

#[derive(Default)]
pub struct HoldSeatsMutation;

#[Object]
impl HoldSeatsMutation {
    /// Holds seats for the caller, at the versions that the caller saw: all of
    /// them or none. A seat whose hold has lapsed can be held as if it were
    /// available.
    async fn hold_seats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which seats.")] input: HoldSeatsInput,
    ) -> ApiResult<HoldSeatsResult> {
        recorded(context, async move {
            let command = HoldSeats::try_from(input)?;
            let into_hold = command.into_hold.clone();
            let (work, request) = hold_seats::hold_seats(caller(context), command)?;
            let services = services(context)?;
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

impl TryFrom<HoldSeatsInput> for HoldSeats {
    type Error = ApiError;

    fn try_from(input: HoldSeatsInput) -> Result<Self, Self::Error> {
        let event = event_id("input.eventId", &input.event_id)?;
        let seats = seat_versions("input.seats", event, &input.seats)?;
        let into_hold = input.hold_token.map(|token| token.parse().ok());
        Ok(Self {
            event,
            seats,
            into_hold,
            on_conflict: input.on_conflict.into(),
            idempotency_key: input.idempotency_key,
        })
    }
}
