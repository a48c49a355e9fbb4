//! Creating events.

use crate::db::events::{self, Event, EventDetails, NewEvent};
use crate::db::{seats, venues};
use crate::domain::permissions::require;
use crate::domain::plan_cache::PlanCache;
use crate::domain::{DomainError, event_policies, price_list, text};
use crate::model::ids::{PlanId, VenueId};
use crate::model::money::is_currency;
use crate::model::status::OrphanRule;
use crate::model::{Caller, Permission};
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};

/// How long a hold may last with all its extensions when nobody says, in seconds;
/// longer if one lasts longer without any.
const USUAL_HOLD_TOTAL_SECONDS: i32 = 1_800;

/// What a new event is.
#[derive(Clone, Debug)]
pub struct CreateEvent {
    /// Where it takes place.
    pub venue: VenueId,
    /// The drawing its seats are on.
    pub plan: PlanId,
    /// What it is called.
    pub name: String,
    /// When the performance starts.
    pub starts_at: DateTime<Utc>,
    /// Start of the sale window, if it has one.
    pub sale_starts_at: Option<DateTime<Utc>>,
    /// End of the sale window, if it has one.
    pub sale_ends_at: Option<DateTime<Utc>>,
    /// ISO 4217 code of the prices.
    pub currency: String,
    /// Category and amount in minor units: one for each category of the plan.
    pub prices: Vec<(String, i64)>,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: i32,
    /// How many seats one hold may have.
    pub max_seats_per_hold: i32,
    /// When it ends, if that is known.
    pub ends_at: Option<DateTime<Utc>>,
    /// How long a hold may last with all its extensions, in seconds; `None` for the
    /// usual time.
    pub hold_total_seconds: Option<i32>,
    /// How many seats one buyer may have, held and booked; `None` for no limit.
    pub max_seats_per_buyer: Option<i32>,
    /// How many running holds one buyer may have; `None` for no limit.
    pub max_holds_per_buyer: Option<i32>,
    /// What happens to whoever leaves a single seat alone.
    pub orphan_rule: OrphanRule,
}

/// Creates an event as a draft, with a seat for each place of its plan.
///
/// # Errors
/// When the caller may not, the input makes no sense, venue or plan are
/// not there, or the database fails.
pub async fn create_event(
    connection: &mut AsyncPgConnection,
    plans: &PlanCache,
    caller: &Caller,
    command: CreateEvent,
) -> Result<Event, DomainError> {
    require(caller, Permission::ManageEvents)?;
    if !is_currency(&command.currency) {
        let message = "not an ISO 4217 currency code in capitals, such as EUR";
        return Err(DomainError::invalid("currency", message));
    }
    let details = command.details()?;
    event_policies::check(&details)?;
    let plan = plans
        .get(connection, command.plan)
        .await
        .map_err(|error| match error {
            diesel::result::Error::NotFound => DomainError::NotFound {
                what: "seating plan",
            },
            other => DomainError::Database(other),
        })?;
    let prices = price_list::complete(&plan, &command.prices)?;
    let event = NewEvent {
        venue_id: command.venue,
        plan_id: command.plan,
        currency: command.currency,
        details,
    };
    let prices = &prices;
    let event = connection
        .transaction::<_, DomainError, _>(async |connection| {
            if venues::find(connection, &[event.venue_id])
                .await?
                .is_empty()
            {
                return Err(DomainError::NotFound { what: "venue" });
            }
            let event = events::insert(connection, &event, prices).await?;
            seats::create_for_event(connection, event.id, event.plan_id).await?;
            Ok(event)
        })
        .await?;
    Ok(event)
}

impl CreateEvent {
    fn details(&self) -> Result<EventDetails, DomainError> {
        let usual_total = USUAL_HOLD_TOTAL_SECONDS.max(self.hold_seconds);
        Ok(EventDetails {
            name: text::name("name", &self.name)?.to_owned(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            sale_starts_at: self.sale_starts_at,
            sale_ends_at: self.sale_ends_at,
            hold_seconds: self.hold_seconds,
            max_seats_per_hold: self.max_seats_per_hold,
            hold_total_seconds: self.hold_total_seconds.unwrap_or(usual_total),
            max_seats_per_buyer: self.max_seats_per_buyer,
            max_holds_per_buyer: self.max_holds_per_buyer,
            orphan_rule: self.orphan_rule,
        })
    }
}
