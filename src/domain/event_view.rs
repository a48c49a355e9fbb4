//! An event with all that its seats are described by.

use crate::db::events::{self, Event};
use crate::domain::DomainError;
use crate::domain::plan_cache::PlanCache;
use crate::model::ids::{EventId, SeatNo};
use crate::model::money::Money;
use crate::model::seating_plan::{PlanSeat, SeatingPlan};
use crate::model::status::EventStatus;
use crate::model::{Caller, Permission};
use crate::trail;
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use std::sync::Arc;

/// An event, its prices and its plan.
#[derive(Clone, Debug)]
pub struct EventView {
    /// The event.
    pub event: Event,
    /// Price of each category in minor units, in the plan's order.
    pub prices: Vec<i64>,
    /// The drawing its seats are on.
    pub plan: Arc<SeatingPlan>,
}

impl EventView {
    /// What `seat_no` is in the plan, if the plan has it.
    pub fn seat(&self, seat_no: SeatNo) -> Option<&PlanSeat> {
        self.plan.seat(seat_no)
    }

    /// What a seat of this category costs.
    pub fn price(&self, category: usize) -> Option<Money> {
        let amount_minor = *self.prices.get(category)?;
        Some(Money {
            amount_minor,
            currency: self.event.currency.clone(),
        })
    }
}

/// The event as this caller may see it, and the database's clock at the start
/// of the transaction.
///
/// # Errors
/// When there is no such event for this caller, or the database fails.
pub async fn find(
    connection: &mut AsyncPgConnection,
    plans: &PlanCache,
    caller: &Caller,
    id: EventId,
) -> Result<(EventView, DateTime<Utc>), DomainError> {
    let (event, now) = find_event(connection, caller, id).await?;
    Ok((complete(connection, plans, event).await?, now))
}

/// As [`find`], but without prices and plan. A draft is seen by few.
///
/// # Errors
/// When there is no such event for this caller, or the database fails.
pub async fn find_event(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    id: EventId,
) -> Result<(Event, DateTime<Utc>), DomainError> {
    let found = events::find_now(connection, id).await?;
    found
        .filter(|(event, _)| may_see(event, caller))
        .ok_or(DomainError::NotFound { what: "event" })
}

/// Whether this caller may know of the event; who asks for a draft and may not is in the
/// security log.
pub fn may_see(event: &Event, caller: &Caller) -> bool {
    let may = event.status != EventStatus::Draft || caller.may(Permission::SeeDrafts);
    if !may {
        trail::refused(caller, format_args!("draft {}", event.id));
    }
    may
}

/// Adds prices and plan to an event.
///
/// # Errors
/// When the database fails.
pub async fn complete(
    connection: &mut AsyncPgConnection,
    plans: &PlanCache,
    event: Event,
) -> Result<EventView, DomainError> {
    let prices = events::prices(connection, event.id).await?;
    let plan = plans.get(connection, event.plan_id).await?;
    Ok(EventView {
        event,
        prices,
        plan,
    })
}

/// An event on sale without seats, for tests.
#[cfg(test)]
pub(super) fn example(id: EventId, now: DateTime<Utc>) -> EventView {
    use crate::model::ids::{PlanId, VenueId};
    use crate::model::status::OrphanRule;

    let plan_id = PlanId(1);
    let plan = (plan_id, now);
    let plan = SeatingPlan::new(plan, "Hall".into(), (1.0, 1.0), vec![], vec![], vec![]);
    let event = Event {
        id,
        version: 1,
        venue_id: VenueId(1),
        plan_id,
        name: "Evening".into(),
        status: EventStatus::OnSale,
        starts_at: now,
        ends_at: None,
        sale_starts_at: None,
        sale_ends_at: None,
        currency: "EUR".into(),
        hold_seconds: 600,
        max_seats_per_hold: 10,
        hold_total_seconds: 1_800,
        max_seats_per_buyer: None,
        max_holds_per_buyer: None,
        orphan_rule: OrphanRule::Off,
        created_at: now,
    };
    EventView {
        event,
        prices: Vec::new(),
        plan: Arc::new(plan),
    }
}
