//! Seats.

use crate::db::seats::SeatState;
use crate::domain::event_view::EventView;
use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::types::money::Money;
use crate::model::global_id::GlobalId;
use crate::model::seating_plan::PlanSeat;
use crate::model::status;
use async_graphql::{Enum, ID, InputObject, Object};
use std::sync::Arc;

/// One seat of one event, as it was at one version.
#[derive(Clone)]
pub struct Seat {
    event: Arc<EventView>,
    state: SeatState,
}

impl Seat {
    /// This seat of this event.
    pub fn new(event: &Arc<EventView>, state: SeatState) -> Self {
        Self {
            event: Arc::clone(event),
            state,
        }
    }

    /// All of these seats.
    pub fn all(event: &Arc<EventView>, states: impl IntoIterator<Item = SeatState>) -> Vec<Self> {
        states
            .into_iter()
            .map(|state| Self::new(event, state))
            .collect()
    }

    /// Its place in the plan's order.
    pub fn seat_no(&self) -> i32 {
        self.state.seat_no
    }

    /// A seat has a place in its plan: it was made from it.
    fn place(&self) -> ApiResult<&PlanSeat> {
        self.event.seat(self.state.seat_no).ok_or_else(not_in_plan)
    }
}

fn not_in_plan() -> ApiError {
    ApiError::new(code::INTERNAL, "the seat is not in its plan")
}

/// One seat of one event, as it was at one version.
#[Object]
impl Seat {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        GlobalId::Seat(self.event.event.id, self.state.seat_no)
            .to_string()
            .into()
    }

    /// What a ticket says, such as "Stalls, row F, seat 12".
    async fn label(&self) -> ApiResult<&str> {
        Ok(&self.place()?.label)
    }

    /// Name of its zone.
    async fn zone(&self) -> ApiResult<&str> {
        let zone = self.event.plan.zones.get(self.place()?.zone);
        zone.map(|zone| zone.name.as_str()).ok_or_else(not_in_plan)
    }

    /// Label of its row; null for a standing place.
    async fn row(&self) -> ApiResult<Option<&str>> {
        Ok(self.place()?.row.as_ref().map(|row| row.label.as_str()))
    }

    /// Its number in the row; null for a standing place.
    async fn number(&self) -> ApiResult<Option<&str>> {
        Ok(self.place()?.number.as_deref())
    }

    /// Name of its price category.
    async fn category(&self) -> ApiResult<&str> {
        let category = self.event.plan.categories.get(self.place()?.category);
        category
            .map(|category| category.name.as_str())
            .ok_or_else(not_in_plan)
    }

    /// Whether it is a place for wheelchair users.
    async fn accessible(&self) -> ApiResult<bool> {
        Ok(self.place()?.accessible)
    }

    /// Its centre, in plan units from the left; null for a standing place.
    async fn x(&self) -> ApiResult<Option<f64>> {
        Ok(self.place()?.x)
    }

    /// Its centre, in plan units from the top; null for a standing place.
    async fn y(&self) -> ApiResult<Option<f64>> {
        Ok(self.place()?.y)
    }

    /// Where it stands.
    async fn status(&self) -> SeatStatus {
        self.state.status.into()
    }

    /// Starts at 1 and goes up by exactly 1 with every change of status or
    /// owner. Pass it on with every decision about the seat.
    async fn version(&self) -> i32 {
        self.state.version
    }

    /// What it costs; null only when its category has no price.
    async fn price(&self) -> ApiResult<Option<Money>> {
        let category = self.place()?.category;
        Ok(self.event.price(category).map(Money::from))
    }
}

/// Where a seat stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "status::SeatStatus")]
pub enum SeatStatus {
    /// Anybody may hold it.
    Available,
    /// Kept for one buyer until a time; whoever asks after that time gets it.
    Held,
    /// Sold.
    Booked,
    /// Kept out of the sale by staff.
    Blocked,
}

/// Which seats a list has.
#[derive(InputObject, Default)]
pub struct SeatFilter {
    /// Only those in this status.
    pub status: Option<SeatStatus>,
    /// Only those in the zone of this name.
    pub zone: Option<String>,
    /// Only those in the category of this name.
    pub category: Option<String>,
    /// Only places for wheelchair users, or only the others.
    pub accessible: Option<bool>,
}

impl SeatFilter {
    /// Whether a place of the event's plan is asked for, whatever its status.
    pub fn matches_place(&self, event: &EventView, seat: &PlanSeat) -> bool {
        let zone = || {
            event
                .plan
                .zones
                .get(seat.zone)
                .map(|zone| zone.name.as_str())
        };
        let category = || {
            event
                .plan
                .categories
                .get(seat.category)
                .map(|category| category.name.as_str())
        };
        self.zone
            .as_deref()
            .is_none_or(|wanted| zone() == Some(wanted))
            && self
                .category
                .as_deref()
                .is_none_or(|wanted| category() == Some(wanted))
            && self
                .accessible
                .is_none_or(|wanted| seat.accessible == wanted)
    }
}
