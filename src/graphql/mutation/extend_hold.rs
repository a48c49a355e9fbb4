//! `extendHold`.

use crate::domain::extend_hold::{self, ExtendHold, ExtendRefused};
use crate::domain::transaction::Settled;
use crate::graphql::errors::ApiResult;
use crate::graphql::refusal::{
    HoldEnded, HoldExtensionExhausted, HoldNotFound, SaleNotOpen, hold_unusable,
};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::hold::Hold;
use async_graphql::{Context, InputObject, Object, SimpleObject, Union};

/// Which hold to extend.
#[derive(InputObject)]
struct ExtendHoldInput {
    /// The hold's token.
    token: String,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// What became of it.
#[derive(Union)]
enum ExtendHoldResult {
    /// The hold lapses later.
    HoldExtended(HoldExtended),
    /// There is no hold with that token.
    HoldNotFound(HoldNotFound),
    /// The hold is over.
    HoldEnded(HoldEnded),
    /// The event is cancelled.
    SaleNotOpen(SaleNotOpen),
    /// The hold runs as long as it can already.
    HoldExtensionExhausted(HoldExtensionExhausted),
}

/// The hold lapses later. Its seats keep their versions.
#[derive(SimpleObject)]
struct HoldExtended {
    /// The hold with its new `expiresAt`.
    hold: Hold,
    /// How often it was tried, at least once.
    attempts: u32,
}

#[derive(Default)]
pub struct ExtendHoldMutation;

#[Object]
impl ExtendHoldMutation {
    /// Lets a hold run for as long as a new one from now on (`Event.holdSeconds`), but
    /// never longer than `Event.holdTotalSeconds` since it was made; never shorter than
    /// before. Call it before you send a buyer to a payment page. A sale that has closed
    /// meanwhile is no obstacle, as it is none to confirming the hold.
    async fn extend_hold(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which hold.")] input: ExtendHoldInput,
    ) -> ApiResult<ExtendHoldResult> {
        recorded(context, async move {
            let command = ExtendHold {
                token: input.token.parse().ok(),
                idempotency_key: input.idempotency_key,
            };
            let environment = &services(context)?.environment;
            let mut connection = connection(context).await?;
            let caller = caller(context);
            let Settled { result, attempts } =
                extend_hold::extend_hold(&mut connection, environment, caller, command).await?;
            drop(connection);
            if let Ok(effect) = &result {
                services(context)?.feed.announce_hold(effect.record.hold.id);
            }
            Ok(match result {
                Ok(effect) => ExtendHoldResult::HoldExtended(HoldExtended {
                    hold: Hold::new(&effect.event, effect.record.hold, effect.record.seats),
                    attempts,
                }),
                Err(ExtendRefused::Hold(unusable)) => hold_unusable(unusable),
                Err(ExtendRefused::SaleNotOpen(refusal)) => {
                    ExtendHoldResult::SaleNotOpen(SaleNotOpen::new(&refusal))
                }
                Err(ExtendRefused::Exhausted { expires_at }) => {
                    let refusal = HoldExtensionExhausted::new(expires_at);
                    ExtendHoldResult::HoldExtensionExhausted(refusal)
                }
            })
        })
        .await
    }
}
