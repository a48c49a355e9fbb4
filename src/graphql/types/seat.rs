//! Seats.

use crate::db::seats::SeatState;
use crate::domain::event_view::EventView;
use crate::domain::seat_history;
use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::pagination::{Connection, PageRequest};
use crate::graphql::services::{caller, connection};
use crate::graphql::types::money::Money;
use crate::graphql::types::seat_history::SeatHistoryEntry;
use crate::model::global_id::GlobalId;
use crate::model::seating_plan::PlanSeat;
use crate::model::status;
use async_graphql::{Context, Enum, ID, InputObject, Object};
use std::sync::Arc;

/// Steps of a seat on one page at most.
const MAX_STEPS_PER_PAGE: usize = 100;

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

    /// What became of it, a page at a time, in order of version. It begins with the step
    /// to version 2: at version 1 it was made with its event, and nobody did that to it.
    /// Steps are kept for a time only: it begins later when some are gone.
    /// For staff and the box office: everybody else is answered an error.
    async fn history(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 when left out.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor, from `pageInfo.endCursor`.")] after: Option<
            String,
        >,
    ) -> ApiResult<Connection<SeatHistoryEntry>> {
        let (event, seat_no) = (self.event.event.id, self.state.seat_no);
        let list = format!("history:{event}:{seat_no}");
        let page = PageRequest::new(&list, first, after.as_deref(), MAX_STEPS_PER_PAGE)?;
        let mut connection = connection(context).await?;
        let seat = (event, seat_no);
        let caller = caller(context);
        let steps =
            seat_history::page(&mut connection, caller, seat, page.after, page.limit()).await?;
        Ok(page.connection(
            steps,
            |step| step.version.into(),
            |step| SeatHistoryEntry::new(event, step),
        ))
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
    /// Whether it asks for anything but a status.
    pub fn asks_of_places(&self) -> bool {
        self.zone.is_some() || self.category.is_some() || self.accessible.is_some()
    }

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
