//! Events.

use crate::db::events;
use crate::db::seats::{self, SeatState};
use crate::domain::event_view::{self, EventView};
use crate::graphql::availability_counts::AvailabilityCounts;
use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::input::FeedCursor;
use crate::graphql::node::VenueLoader;
use crate::graphql::pagination::{Connection, PageRequest};
use crate::graphql::seats_shown;
use crate::graphql::services::{connection, ready_map, seat_map, services};
use crate::graphql::types::availability::Availability;
use crate::graphql::types::money::Money;
use crate::graphql::types::seat::{Seat, SeatFilter};
use crate::graphql::types::seat_map::SeatMap;
use crate::graphql::types::seating_plan::SeatingPlan;
use crate::graphql::types::time::Time;
use crate::graphql::types::venue::Venue;
use crate::model::global_id::GlobalId;
use crate::model::ids::SeatNo;
use crate::model::status;
use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Seats on one page at most.
const MAX_SEATS_PER_PAGE: usize = 1_000;

/// One performance on one seating plan.
#[derive(Clone)]
pub struct Event {
    row: events::Event,
    // Empty until a field needs it: a list of names must not load every plan.
    // All clones share it.
    view: Arc<OnceCell<Arc<EventView>>>,
}

impl From<events::Event> for Event {
    fn from(row: events::Event) -> Self {
        Self {
            row,
            view: Arc::default(),
        }
    }
}

impl From<Arc<EventView>> for Event {
    fn from(view: Arc<EventView>) -> Self {
        Self {
            row: view.event.clone(),
            view: Arc::new(OnceCell::from(view)),
        }
    }
}

/// One performance on one seating plan.
#[Object]
impl Event {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        GlobalId::Event(self.row.id).to_string().into()
    }

    /// Goes up by 1 with every update.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// Where it takes place.
    async fn venue(&self, context: &Context<'_>) -> ApiResult<Venue> {
        let venues = context.data::<DataLoader<VenueLoader>>()?;
        let venue = venues.load_one(self.row.venue_id).await?;
        venue
            .map(Venue)
            .ok_or_else(|| ApiError::new(code::INTERNAL, "the venue is missing"))
    }

    /// The drawing that its seats are on.
    async fn plan(&self, context: &Context<'_>) -> ApiResult<SeatingPlan> {
        let event = self.view(context).await?;
        Ok(SeatingPlan(Arc::clone(&event.plan)))
    }

    /// Where it stands.
    async fn status(&self) -> EventStatus {
        self.row.status.into()
    }

    /// When the performance starts.
    async fn starts_at(&self) -> Time {
        Time(self.row.starts_at)
    }

    /// Before this nothing can be held, even while it is on sale; null when
    /// opening the sale alone decides.
    async fn sale_starts_at(&self) -> Option<Time> {
        self.row.sale_starts_at.map(Time)
    }

    /// From this on nothing can be held; null when closing the sale alone decides.
    async fn sale_ends_at(&self) -> Option<Time> {
        self.row.sale_ends_at.map(Time)
    }

    /// How long a hold lasts, in seconds from when the server took up the request.
    async fn hold_seconds(&self) -> i32 {
        self.row.hold_seconds
    }

    /// How many seats one hold may have.
    async fn max_seats_per_hold(&self) -> i32 {
        self.row.max_seats_per_hold
    }

    /// When the performance ends; null when nobody has said.
    async fn ends_at(&self) -> Option<Time> {
        self.row.ends_at.map(Time)
    }

    /// How long a hold may last with all its extensions, in seconds.
    async fn hold_total_seconds(&self) -> i32 {
        self.row.hold_total_seconds
    }

    /// How many seats one buyer may have, held and booked; null for no limit. For
    /// buyers who are not signed in it counts for each of their holds.
    async fn max_seats_per_buyer(&self) -> Option<i32> {
        self.row.max_seats_per_buyer
    }

    /// How many running holds one signed-in buyer may have; null for no limit.
    async fn max_holds_per_buyer(&self) -> Option<i32> {
        self.row.max_holds_per_buyer
    }

    /// What happens to whoever leaves a single seat alone.
    async fn orphan_rule(&self) -> OrphanRule {
        self.row.orphan_rule.into()
    }

    /// What a seat of each category costs, in the plan's order.
    async fn prices(&self, context: &Context<'_>) -> ApiResult<Vec<CategoryPrice>> {
        let event = self.view(context).await?;
        let categories = event.plan.categories.iter().enumerate();
        let prices = categories
            .filter_map(|(index, category)| {
                let price = event.price(index)?.into();
                Some(CategoryPrice {
                    category: category.name.clone(),
                    price,
                })
            })
            .collect();
        Ok(prices)
    }

    /// How many seats are in each status, by category and by zone.
    async fn availability(&self, context: &Context<'_>) -> ApiResult<Arc<Availability>> {
        let event = self.view(context).await?;
        let map = ready_map(context, self.row.id, None).await?;
        seats_shown::pack(context, event.plan.seats.len())?;
        Ok(context.data::<AvailabilityCounts>()?.of(event, &map))
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
        let event = self.view(context).await?;
        let map = seat_map(context, self.row.id, at_least.map(|cursor| cursor.0)).await?;
        Ok(SeatMap::new(event, map))
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
        let list = format!("seats:{}", self.row.id);
        let page = PageRequest::new(&list, first, after.as_deref(), MAX_SEATS_PER_PAGE)?;
        let event = self.view(context).await?;
        let states = select(context, event, page, &filter.unwrap_or_default()).await?;
        let seats = Seat::all(event, states);
        Ok(page.connection(seats, |seat| seat.seat_no().into(), |seat| seat))
    }
}

impl Event {
    /// The event with its prices and its plan. Never call it with a connection in
    /// hand: it takes one, or waits for another field that is about to.
    async fn view(&self, context: &Context<'_>) -> ApiResult<&Arc<EventView>> {
        let load = async || {
            let plans = &services(context)?.environment.plans;
            let mut connection = connection(context).await?;
            let view = event_view::complete(&mut connection, plans, self.row.clone()).await?;
            Ok(Arc::new(view))
        };
        self.view.get_or_try_init(load).await
    }
}

/// The seats of a page and one more if there is one, by one statement. What the plan decides is
/// decided in memory, and only a status is asked of the database: the one that the rows say, as
/// `Seat.status` shows it.
async fn select(
    context: &Context<'_>,
    event: &EventView,
    page: PageRequest<'_>,
    filter: &SeatFilter,
) -> ApiResult<Vec<SeatState>> {
    let id = event.event.id;
    let Some(status) = filter.status else {
        let wanted = candidates(event, page, filter, page.first + 1);
        let mut connection = connection(context).await?;
        return Ok(seats::load(&mut connection, id, &wanted).await?);
    };
    // Where all places will do, the first one says enough.
    let asks_of_places = filter.asks_of_places();
    let most = if asks_of_places { usize::MAX } else { 1 };
    let candidates = candidates(event, page, filter, most);
    let Some(&from) = candidates.first() else {
        return Ok(Vec::new());
    };
    let among = asks_of_places.then_some(&candidates[..]);
    let mut connection = connection(context).await?;
    let (status, limit) = (status.into(), page.limit());
    let found = seats::load_in_status(&mut connection, id, status, from, among, limit).await?;
    drop(connection);
    // A page that is full ends where the search did.
    let last = found.get(page.first).map(|seat| seat.seat_no);
    let looked_at = (0..)
        .zip(&event.plan.seats)
        .filter(|(seat_no, _)| *seat_no >= from && last.is_none_or(|last| *seat_no <= last))
        .count();
    seats_shown::list(context, looked_at.saturating_sub(page.first + 1))?;
    Ok(found)
}

/// The first places of the event's plan that a page may show, at most so many.
fn candidates(
    event: &EventView,
    page: PageRequest<'_>,
    filter: &SeatFilter,
    most: usize,
) -> Vec<SeatNo> {
    (0..)
        .zip(&event.plan.seats)
        .filter(|(seat_no, seat)| {
            page.after.is_none_or(|after| i64::from(*seat_no) > after)
                && filter.matches_place(event, seat)
        })
        .map(|(seat_no, _)| seat_no)
        .take(most)
        .collect()
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
    /// Being prepared; only staff and the box office see it.
    Draft,
    /// Seats can be held, inside the sale window if there is one.
    OnSale,
    /// The sale has ended. Holds that are running can still be confirmed.
    Closed,
    /// Called off.
    Cancelled,
}

/// What happens to whoever takes seats so that a single free one is left alone, between
/// taken ones or at the end of a row, though the row has room for the party without that.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "status::OrphanRule")]
pub enum OrphanRule {
    /// Nothing.
    Off,
    /// The answer says which seats are left alone.
    Warn,
    /// It is refused.
    Enforce,
}
