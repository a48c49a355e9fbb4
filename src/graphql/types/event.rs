//! Events.

use crate::db::seats::{self, SeatState};
use crate::domain::event_view::EventView;
use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::input::FeedCursor;
use crate::graphql::node::VenueLoader;
use crate::graphql::pagination::{Connection, PageRequest};
use crate::graphql::services::{connection, services};
use crate::graphql::types::availability::Availability;
use crate::graphql::types::money::Money;
use crate::graphql::types::seat::{Seat, SeatFilter};
use crate::graphql::types::seat_map::SeatMap;
use crate::graphql::types::seating_plan::SeatingPlan;
use crate::graphql::types::venue::Venue;
use crate::model::global_id::GlobalId;
use crate::model::ids::SeatNo;
use crate::model::status;
use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// Seats on one page at most.
const MAX_SEATS_PER_PAGE: usize = 1_000;

/// One performance on one seating plan.
#[derive(Clone)]
pub struct Event(pub Arc<EventView>);

/// One performance on one seating plan.
#[Object]
impl Event {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        GlobalId::Event(self.0.event.id).to_string().into()
    }

    /// Goes up by 1 with every update.
    async fn version(&self) -> i32 {
        self.0.event.version
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.event.name
    }

    /// Where it takes place.
    async fn venue(&self, context: &Context<'_>) -> ApiResult<Venue> {
        let venues = context.data::<DataLoader<VenueLoader>>()?;
        let venue = venues.load_one(self.0.event.venue_id).await?;
        venue
            .map(Venue)
            .ok_or_else(|| ApiError::new(code::INTERNAL, "the venue is missing"))
    }

    /// The drawing that its seats are on.
    async fn plan(&self) -> SeatingPlan {
        SeatingPlan(Arc::clone(&self.0.plan))
    }

    /// Where it stands.
    async fn status(&self) -> EventStatus {
        self.0.event.status.into()
    }

    /// When the performance starts.
    async fn starts_at(&self) -> DateTime<Utc> {
        self.0.event.starts_at
    }

    /// Before this nothing can be held, even while it is on sale; null when
    /// opening the sale alone decides.
    async fn sale_starts_at(&self) -> Option<DateTime<Utc>> {
        self.0.event.sale_starts_at
    }

    /// From this on nothing can be held; null when closing the sale alone decides.
    async fn sale_ends_at(&self) -> Option<DateTime<Utc>> {
        self.0.event.sale_ends_at
    }

    /// How long a hold lasts, in seconds.
    async fn hold_seconds(&self) -> i32 {
        self.0.event.hold_seconds
    }

    /// How many seats one hold may have.
    async fn max_seats_per_hold(&self) -> i32 {
        self.0.event.max_seats_per_hold
    }

    /// What a seat of each category costs, in the plan's order.
    async fn prices(&self) -> Vec<CategoryPrice> {
        let categories = self.0.plan.categories.iter().enumerate();
        categories
            .filter_map(|(index, category)| {
                let price = self.0.price(index)?.into();
                Some(CategoryPrice {
                    category: category.name.clone(),
                    price,
                })
            })
            .collect()
    }

    /// How many seats are in each status, by category and by zone.
    async fn availability(&self, context: &Context<'_>) -> ApiResult<Availability> {
        let mut connection = connection(context).await?;
        let states = seats::load_all(&mut connection, self.0.event.id).await?;
        Ok(Availability::count(&self.0, &states))
    }

    /// Every seat at one cursor.
    async fn seat_map(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Wait until the map shows the change that this cursor stands for, such as \
                    the one that a mutation answered; an error with the code \
                    `CURSOR_NOT_REACHED` when that takes too long."
        )]
        at_least: Option<FeedCursor>,
    ) -> ApiResult<SeatMap> {
        let feed = &services(context)?.feed;
        let map = feed
            .seat_map(self.0.event.id, at_least.map(|cursor| cursor.0))
            .await?;
        Ok(SeatMap::new(&self.0, map))
    }

    /// Its seats, a page at a time, in the plan's order.
    async fn seats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, at most 1000; 20 when left out.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor, from `pageInfo.endCursor`.")] after: Option<
            String,
        >,
        #[graphql(desc = "Which seats; all when left out.")] filter: Option<SeatFilter>,
    ) -> ApiResult<Connection<Seat>> {
        let list = format!("seats:{}", self.0.event.id);
        let page = PageRequest::new(&list, first, after.as_deref(), MAX_SEATS_PER_PAGE)?;
        let states = self
            .select(context, page, &filter.unwrap_or_default())
            .await?;
        let seats = Seat::all(&self.0, states);
        Ok(page.connection(seats, |seat| seat.seat_no().into(), |seat| seat))
    }
}

impl Event {
    /// The seats of a page and one more if there is one. What the plan decides
    /// is decided in memory; only the states of candidates are read, in bounded
    /// steps.
    async fn select(
        &self,
        context: &Context<'_>,
        page: PageRequest<'_>,
        filter: &SeatFilter,
    ) -> ApiResult<Vec<SeatState>> {
        let wanted = page.first + 1;
        let candidates: Vec<SeatNo> = (0..)
            .zip(&self.0.plan.seats)
            .filter(|(seat_no, seat)| {
                page.after.is_none_or(|after| i64::from(*seat_no) > after)
                    && filter.matches_place(&self.0, seat)
            })
            .map(|(seat_no, _)| seat_no)
            .collect();
        let mut connection = connection(context).await?;
        let mut selected = Vec::new();
        for step in candidates.chunks(MAX_SEATS_PER_PAGE + 1) {
            let states = seats::load(&mut connection, self.0.event.id, step).await?;
            selected.extend(states.into_iter().filter(|state| {
                filter
                    .status
                    .is_none_or(|status| status == state.status.into())
            }));
            if selected.len() >= wanted {
                break;
            }
        }
        selected.truncate(wanted);
        Ok(selected)
    }
}

/// What a seat of a category costs.
#[derive(SimpleObject)]
struct CategoryPrice {
    /// Name of the category.
    category: String,
    /// What one seat costs.
    price: Money,
}

/// Where an event stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "status::EventStatus")]
pub enum EventStatus {
    /// Being prepared; only staff see it.
    Draft,
    /// Seats can be held, inside the sale window if there is one.
    OnSale,
    /// The sale has ended. Holds that are running can still be confirmed.
    Closed,
    /// Called off.
    Cancelled,
}
