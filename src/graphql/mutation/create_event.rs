//! `createEvent`.

use crate::domain::create_event::{self, CreateEvent};
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::{plan_id, time, venue_id};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::event::{Event, OrphanRule};
use crate::graphql::types::money::MinorUnits;
use crate::graphql::types::time::Time;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// What a seat of a category costs.
#[derive(InputObject)]
pub(super) struct CategoryPriceInput {
    /// Name of the category, as the plan has it.
    category: String,
    /// What one seat costs, in the currency's minor unit.
    amount_minor: MinorUnits,
}

/// What a new event is.
#[derive(InputObject)]
struct CreateEventInput {
    /// Global id of the venue.
    venue_id: ID,
    /// Global id of the seating plan.
    plan_id: ID,
    /// What it is called, at most 200 characters.
    name: String,
    /// When the performance starts.
    starts_at: Time,
    /// Before this nothing can be held, even while it is on sale.
    sale_starts_at: Option<Time>,
    /// From this on nothing can be held.
    sale_ends_at: Option<Time>,
    /// ISO 4217 code of the prices, such as `EUR`.
    currency: String,
    /// A price for each category of the plan.
    prices: Vec<CategoryPriceInput>,
    /// How long a hold lasts, in seconds: 1 to 86400.
    #[graphql(default = 600)]
    hold_seconds: i32,
    /// How many seats one hold may have: 1 to 500.
    #[graphql(default = 10)]
    max_seats_per_hold: i32,
    /// When the performance ends, if that is known: after `startsAt`.
    ends_at: Option<Time>,
    /// How long a hold may last with all its extensions, in seconds: `holdSeconds` to
    /// 86400. When left out it is 1800, or `holdSeconds` if that is more.
    hold_total_seconds: Option<i32>,
    /// How many seats one buyer may have, held and booked: 1 to 10000; no limit when
    /// left out. For buyers who are not signed in it counts for each of their holds.
    max_seats_per_buyer: Option<i32>,
    /// How many running holds one signed-in buyer may have: 1 to 10000; no limit when
    /// left out.
    max_holds_per_buyer: Option<i32>,
    /// What happens to whoever leaves a single seat alone.
    #[graphql(default_with = "OrphanRule::Off")]
    orphan_rule: OrphanRule,
}

/// What became of it.
#[derive(Union)]
enum CreateEventResult {
    /// The event is there.
    EventCreated(EventCreated),
}

/// The event is there, as a draft.
#[derive(SimpleObject)]
struct EventCreated {
    /// The event.
    event: Event,
}

#[derive(Default)]
pub struct CreateEventMutation;

#[Object]
impl CreateEventMutation {
    /// Creates an event as a draft, with a seat for each place of its plan; it
    /// is sold once its sale is opened. For staff.
    async fn create_event(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What it is.")] input: CreateEventInput,
    ) -> ApiResult<CreateEventResult> {
        recorded(context, async move {
            let command = CreateEvent::try_from(input)?;
            let plans = &services(context)?.environment.plans;
            let mut connection = connection(context).await?;
            let event =
                create_event::create_event(&mut connection, plans, caller(context), command)
                    .await?;
            Ok(CreateEventResult::EventCreated(EventCreated {
                event: event.into(),
            }))
        })
        .await
    }
}

/// Category and amount in minor units of each price.
pub(super) fn amounts(prices: Vec<CategoryPriceInput>) -> Vec<(String, i64)> {
    let amount = |price: CategoryPriceInput| (price.category, price.amount_minor.0);
    prices.into_iter().map(amount).collect()
}

impl TryFrom<CreateEventInput> for CreateEvent {
    type Error = ApiError;

    fn try_from(input: CreateEventInput) -> Result<Self, Self::Error> {
        Ok(Self {
            venue: venue_id("input.venueId", &input.venue_id)?,
            plan: plan_id("input.planId", &input.plan_id)?,
            name: input.name,
            starts_at: time("input.startsAt", input.starts_at)?,
            sale_starts_at: input
                .sale_starts_at
                .map(|start| time("input.saleStartsAt", start))
                .transpose()?,
            sale_ends_at: input
                .sale_ends_at
                .map(|end| time("input.saleEndsAt", end))
                .transpose()?,
            currency: input.currency,
            prices: amounts(input.prices),
            hold_seconds: input.hold_seconds,
            max_seats_per_hold: input.max_seats_per_hold,
            ends_at: input
                .ends_at
                .map(|end| time("input.endsAt", end))
                .transpose()?,
            hold_total_seconds: input.hold_total_seconds,
            max_seats_per_buyer: input.max_seats_per_buyer,
            max_holds_per_buyer: input.max_holds_per_buyer,
            orphan_rule: input.orphan_rule.into(),
        })
    }
}
