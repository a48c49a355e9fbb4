//! `updateEvent`.

use crate::domain::update_event::{self, Change, UpdateEvent, UpdateEventRefused};
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::{event_id, time};
use crate::graphql::mutation::create_event::{CategoryPriceInput, amounts};
use crate::graphql::refusal::{EventStatusConflict, EventVersionConflict};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::event::{Event, OrphanRule};
use crate::graphql::types::time::Time;
use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject, Union};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// What to change of which event: at least one field beside `eventId` and `version`.
/// What is left out stays as it is. The event must make sense as a whole with what is
/// changed.
#[derive(InputObject)]
struct UpdateEventInput {
    /// Global id of the event.
    event_id: ID,
    /// The version of the event that the decision was made on.
    version: i32,
    /// What it is called, at most 200 characters.
    name: Option<String>,
    /// When the performance starts.
    starts_at: Option<Time>,
    /// When the performance ends: after `startsAt`; null when nobody knows any more.
    ends_at: MaybeUndefined<Time>,
    /// Before this nothing can be held, even while it is on sale; null for no such time.
    sale_starts_at: MaybeUndefined<Time>,
    /// From this on nothing can be held: after `saleStartsAt`; null for no such time.
    sale_ends_at: MaybeUndefined<Time>,
    /// New prices, for some categories or for all. Holds and bookings keep the prices
    /// that they were made with.
    prices: Option<Vec<CategoryPriceInput>>,
    /// How long a hold lasts from now on, in seconds: 1 to 86400. Running holds keep
    /// their time.
    hold_seconds: Option<i32>,
    /// How long a hold may last with all its extensions, in seconds: `holdSeconds` to
    /// 86400.
    hold_total_seconds: Option<i32>,
    /// How many seats one hold may have from now on: 1 to 500.
    max_seats_per_hold: Option<i32>,
    /// How many seats one buyer may have from now on, held and booked: 1 to 10000; null
    /// for no limit. Nobody loses any.
    max_seats_per_buyer: MaybeUndefined<i32>,
    /// How many running holds one signed-in buyer may have from now on: 1 to 10000; null
    /// for no limit. Nobody loses any.
    max_holds_per_buyer: MaybeUndefined<i32>,
    /// What happens to whoever leaves a single seat alone.
    orphan_rule: Option<OrphanRule>,
}

/// What became of it.
#[derive(Union)]
enum UpdateEventResult {
    /// The event is changed.
    Updated(EventUpdated),
    /// Somebody else has changed the event.
    VersionConflict(EventVersionConflict),
    /// The event is cancelled.
    StatusConflict(EventStatusConflict),
}

/// The event is changed.
#[derive(SimpleObject)]
struct EventUpdated {
    /// The event.
    event: Event,
}

#[derive(Default)]
pub struct UpdateEventMutation;

#[Object]
impl UpdateEventMutation {
    /// Changes an event that is still at the version that was seen and is not
    /// cancelled. Its venue, its plan and its currency stay. For staff.
    async fn update_event(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateEventInput,
    ) -> ApiResult<UpdateEventResult> {
        recorded(context, async move {
            let expected_version = input.version;
            let command = UpdateEvent::try_from(input)?;
            let environment = &services(context)?.environment;
            let mut connection = connection(context).await?;
            let caller = caller(context);
            let result =
                update_event::update_event(&mut connection, environment, caller, command).await?;
            Ok(match result {
                Ok(event) => UpdateEventResult::Updated(EventUpdated {
                    event: Arc::new(event).into(),
                }),
                Err(UpdateEventRefused::VersionConflict(event)) => {
                    let refusal = EventVersionConflict::new(expected_version, event);
                    UpdateEventResult::VersionConflict(refusal)
                }
                Err(UpdateEventRefused::Cancelled(event)) => {
                    UpdateEventResult::StatusConflict(EventStatusConflict::new(event))
                }
            })
        })
        .await
    }
}

impl TryFrom<UpdateEventInput> for UpdateEvent {
    type Error = ApiError;

    fn try_from(input: UpdateEventInput) -> Result<Self, Self::Error> {
        let starts_at = input.starts_at;
        Ok(Self {
            event: event_id("input.eventId", &input.event_id)?,
            version: input.version,
            name: input.name,
            starts_at: starts_at
                .map(|start| time("input.startsAt", start))
                .transpose()?,
            ends_at: change_of_time("input.endsAt", input.ends_at)?,
            sale_starts_at: change_of_time("input.saleStartsAt", input.sale_starts_at)?,
            sale_ends_at: change_of_time("input.saleEndsAt", input.sale_ends_at)?,
            prices: amounts(input.prices.unwrap_or_default()),
            hold_seconds: input.hold_seconds,
            hold_total_seconds: input.hold_total_seconds,
            max_seats_per_hold: input.max_seats_per_hold,
            max_seats_per_buyer: input.max_seats_per_buyer.into(),
            max_holds_per_buyer: input.max_holds_per_buyer.into(),
            orphan_rule: input.orphan_rule.map(Into::into),
        })
    }
}

fn change_of_time(field: &str, value: MaybeUndefined<Time>) -> ApiResult<Change<DateTime<Utc>>> {
    Ok(value
        .map_value(|value| time(field, value))
        .transpose()?
        .into())
}

/// Left out: as it is. Null: nothing.
impl<T> From<MaybeUndefined<T>> for Change<T> {
    fn from(value: MaybeUndefined<T>) -> Self {
        match value {
            MaybeUndefined::Undefined => Self::Keep,
            MaybeUndefined::Null => Self::To(None),
            MaybeUndefined::Value(value) => Self::To(Some(value)),
        }
    }
}
