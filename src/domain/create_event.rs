//! Creating events.

use crate::db::events::{self, Event, NewEvent};
use crate::db::{seats, venues};
use crate::domain::error::require_staff;
use crate::domain::plan_cache::PlanCache;
use crate::domain::{DomainError, text};
use crate::model::Caller;
use crate::model::ids::{PlanId, VenueId};
use crate::model::money::is_currency;
use crate::model::seating_plan::SeatingPlan;
use crate::model::status::OrphanRule;
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use std::collections::HashMap;

/// Seconds a hold may last: a day at most.
const HOLD_SECONDS: std::ops::RangeInclusive<i32> = 1..=86_400;
/// Seats a hold may have.
const SEATS_PER_HOLD: std::ops::RangeInclusive<i32> = 1..=500;
/// The highest price, in minor units: sums of a whole house stay far below 2⁶³.
const MAX_AMOUNT_MINOR: i64 = 1_000_000_000_000;

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
    /// How long a hold may last with all its extensions, in seconds.
    pub hold_total_seconds: i32,
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
/// When the caller is not staff, the input makes no sense, venue or plan are
/// not there, or the database fails.
pub async fn create_event(
    connection: &mut AsyncPgConnection,
    plans: &PlanCache,
    caller: &Caller,
    command: CreateEvent,
) -> Result<Event, DomainError> {
    require_staff(caller)?;
    check(&command)?;
    let plan = plans
        .get(connection, command.plan)
        .await
        .map_err(|error| match error {
            diesel::result::Error::NotFound => DomainError::NotFound {
                what: "seating plan",
            },
            other => DomainError::Database(other),
        })?;
    let prices = prices_in_order(&plan, &command.prices)?;
    let event = NewEvent {
        venue_id: command.venue,
        plan_id: command.plan,
        name: text::name("name", &command.name)?.to_owned(),
        starts_at: command.starts_at,
        sale_starts_at: command.sale_starts_at,
        sale_ends_at: command.sale_ends_at,
        currency: command.currency,
        hold_seconds: command.hold_seconds,
        max_seats_per_hold: command.max_seats_per_hold,
        ends_at: command.ends_at,
        hold_total_seconds: command.hold_total_seconds,
        max_seats_per_buyer: command.max_seats_per_buyer,
        max_holds_per_buyer: command.max_holds_per_buyer,
        orphan_rule: command.orphan_rule,
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

fn check(command: &CreateEvent) -> Result<(), DomainError> {
    if !is_currency(&command.currency) {
        let message = "not an ISO 4217 currency code in capitals, such as EUR";
        return Err(DomainError::invalid("currency", message));
    }
    if !HOLD_SECONDS.contains(&command.hold_seconds) {
        return Err(DomainError::invalid(
            "holdSeconds",
            "must be from 1 to 86400",
        ));
    }
    if !SEATS_PER_HOLD.contains(&command.max_seats_per_hold) {
        return Err(DomainError::invalid(
            "maxSeatsPerHold",
            "must be from 1 to 500",
        ));
    }
    if let (Some(start), Some(end)) = (command.sale_starts_at, command.sale_ends_at)
        && end <= start
    {
        return Err(DomainError::invalid(
            "saleEndsAt",
            "must be after saleStartsAt",
        ));
    }
    Ok(())
}

/// The prices in the order of the plan's categories, each priced exactly once.
fn prices_in_order(plan: &SeatingPlan, prices: &[(String, i64)]) -> Result<Vec<i64>, DomainError> {
    let mut by_category = HashMap::new();
    for (index, (category, amount)) in prices.iter().enumerate() {
        if !(0..=MAX_AMOUNT_MINOR).contains(amount) {
            let message = format!("must be from 0 to {MAX_AMOUNT_MINOR} minor units");
            let field = format!("prices[{index}].amountMinor");
            return Err(DomainError::invalid(field, message));
        }
        if by_category.insert(category.as_str(), *amount).is_some() {
            let field = format!("prices[{index}].category");
            return Err(DomainError::invalid(
                field,
                "this category is priced before",
            ));
        }
    }
    let mut ordered = Vec::with_capacity(plan.categories.len());
    let mut unpriced = Vec::new();
    for category in &plan.categories {
        match by_category.remove(category.name.as_str()) {
            Some(amount) => ordered.push(amount),
            None => unpriced.push(category.name.as_str()),
        }
    }
    if !unpriced.is_empty() {
        let message = format!("these categories have no price: {}", unpriced.join(", "));
        return Err(DomainError::invalid("prices", message));
    }
    if by_category.is_empty() {
        Ok(ordered)
    } else {
        let names: Vec<&str> = plan
            .categories
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let message = format!("the plan has only these categories: {}", names.join(", "));
        Err(DomainError::invalid("prices", message))
    }
}
