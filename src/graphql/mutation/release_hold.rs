//! `releaseHold`.

use crate::domain::idempotency::Effect;
use crate::domain::release_hold::{self, ReleaseHold};
use crate::graphql::errors::ApiResult;
use crate::graphql::input::{FeedCursor, seat_ids};
use crate::graphql::refusal::{HoldEnded, HoldNotFound, hold_unusable};
use crate::graphql::services::{caller, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::hold::Hold;
use crate::graphql::types::seat::Seat;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// What to give back.
#[derive(InputObject)]
struct ReleaseHoldInput {
    /// The hold's token.
    token: String,
    /// Which of its seats; all of them when left out.
    seat_ids: Option<Vec<ID>>,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// What became of it.
#[derive(Union)]
enum ReleaseHoldResult {
    /// The seats are given back.
    SeatsReleased(SeatsReleased),
    /// There is no hold with that token.
    HoldNotFound(HoldNotFound),
    /// The hold is over.
    HoldEnded(HoldEnded),
}

/// The seats are given back.
#[derive(SimpleObject)]
struct SeatsReleased {
    /// The seats as they became.
    seats: Vec<Seat>,
    /// What is left of the hold; null when nothing is.
    hold: Option<Hold>,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

#[derive(Default)]
pub struct ReleaseHoldMutation;

#[Object]
impl ReleaseHoldMutation {
    /// Gives held seats back: all of a hold or some of it.
    async fn release_hold(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which hold, and which of its seats.")] input: ReleaseHoldInput,
    ) -> ApiResult<ReleaseHoldResult> {
        recorded(context, async move {
            let seats = input
                .seat_ids
                .map(|ids| seat_ids("input.seatIds", &ids))
                .transpose()?;
            let command = ReleaseHold {
                token: input.token.parse().ok(),
                seats,
                idempotency_key: input.idempotency_key,
            };
            let services = services(context)?;
            let (work, request) = release_hold::release_hold(caller(context), command)?;
            let (_, settled) = services.batcher.submit(work, request).await?;
            Ok(match settled?.result {
                Ok(Effect {
                    event,
                    record: released,
                }) => {
                    let event = &event;
                    let cursor = services.publish(event.event.id, released.transaction);
                    ReleaseHoldResult::SeatsReleased(SeatsReleased {
                        seats: Seat::all(event, released.released),
                        hold: released
                            .left
                            .map(|(hold, seats)| Hold::new(event, hold, seats)),
                        cursor,
                    })
                }
                Err(unusable) => hold_unusable(unusable),
            })
        })
        .await
    }
}
