//! `confirmHold`.

use crate::domain::confirm_hold::{self, ConfirmHold, ConfirmRefused};
use crate::domain::idempotency::Effect;
use crate::graphql::errors::ApiResult;
use crate::graphql::input::FeedCursor;
use crate::graphql::refusal::{
    HoldEnded, HoldLapsed, HoldNotFound, LimitExceeded, SaleNotOpen, hold_unusable,
};
use crate::graphql::services::{caller, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::booking::Booking;
use crate::graphql::types::seat::Seat;
use async_graphql::{Context, InputObject, Object, SimpleObject, Union};

/// Which hold to make final.
#[derive(InputObject)]
struct ConfirmHoldInput {
    /// The hold's token.
    token: String,
    /// What the payment provider calls the payment; kept with the booking.
    payment_reference: Option<String>,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// What became of it.
#[derive(Union)]
enum ConfirmHoldResult {
    /// The hold is a booking.
    HoldConfirmed(HoldConfirmed),
    /// There is no hold with that token.
    HoldNotFound(HoldNotFound),
    /// The hold was released.
    HoldEnded(HoldEnded),
    /// The hold has lapsed and somebody else has some of its seats.
    HoldLapsed(HoldLapsed),
    /// The event is cancelled, or the hold has lapsed and the sale is over.
    SaleNotOpen(SaleNotOpen),
    /// The hold has lapsed, or was made without signing in, and the buyer has too much
    /// otherwise.
    LimitExceeded(LimitExceeded),
}

/// The hold is a booking.
#[derive(SimpleObject)]
struct HoldConfirmed {
    /// The booking; the one from the first time, as it is now, when the hold was confirmed
    /// before.
    booking: Booking,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

#[derive(Default)]
pub struct ConfirmHoldMutation;

#[Object]
impl ConfirmHoldMutation {
    /// Makes a hold final. A hold that is confirmed already answers its booking
    /// again as it is now: look at its `status`, it may be cancelled meanwhile. A payment
    /// reference is added to a booking that has none, and never replaced by another. A hold
    /// that has lapsed is booked all the same if all of its seats are still unclaimed.
    async fn confirm_hold(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which hold.")] input: ConfirmHoldInput,
    ) -> ApiResult<ConfirmHoldResult> {
        recorded(context, async move {
            let command = ConfirmHold {
                token: input.token.parse().ok(),
                payment_reference: input.payment_reference,
                idempotency_key: input.idempotency_key,
            };
            let services = services(context)?;
            let (work, request) = confirm_hold::confirm_hold(caller(context), command)?;
            let (_, settled) = services.batcher.submit(work, request).await?;
            Ok(match settled?.result {
                Ok(Effect {
                    event,
                    record: confirmed,
                }) => {
                    let event = &event;
                    let cursor = services.publish(event.event.id, confirmed.booking.transaction_id);
                    ConfirmHoldResult::HoldConfirmed(HoldConfirmed {
                        booking: Booking::new(event, confirmed.booking, confirmed.seats),
                        cursor,
                    })
                }
                Err(ConfirmRefused::Hold(unusable)) => hold_unusable(unusable),
                Err(ConfirmRefused::HoldLapsed { event, lost }) => {
                    ConfirmHoldResult::HoldLapsed(HoldLapsed::new(Seat::all(&event, lost)))
                }
                Err(ConfirmRefused::LimitExceeded(exceeded)) => {
                    ConfirmHoldResult::LimitExceeded(LimitExceeded::new(exceeded))
                }
                Err(ConfirmRefused::SaleNotOpen(refusal)) => {
                    ConfirmHoldResult::SaleNotOpen(SaleNotOpen::new(&refusal))
                }
            })
        })
        .await
    }
}
