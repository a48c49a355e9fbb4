//! Events and their prices.

use crate::db::schema::{event_prices, events};
use crate::model::ids::{EventId, PlanId, VenueId};
use crate::model::status::{EventStatus, OrphanRule};
use chrono::{DateTime, Utc};
use diesel::dsl::{array, now};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// One performance on one plan.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(diesel::pg::Pg))]
pub struct Event {
    /// Its identity.
    pub id: EventId,
    /// Goes up by 1 with every update.
    pub version: i32,
    /// Where it takes place.
    pub venue_id: VenueId,
    /// The drawing its seats are on.
    pub plan_id: PlanId,
    /// What it is called.
    pub name: String,
    /// Where it stands.
    pub status: EventStatus,
    /// When the performance starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends, if that is known.
    pub ends_at: Option<DateTime<Utc>>,
    /// Before this nothing can be held, even when the sale is open.
    pub sale_starts_at: Option<DateTime<Utc>>,
    /// From this on nothing can be held.
    pub sale_ends_at: Option<DateTime<Utc>>,
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: i32,
    /// How many seats one hold may have.
    pub max_seats_per_hold: i32,
    /// How long a hold may last with all its extensions, in seconds.
    pub hold_total_seconds: i32,
    /// How many seats one buyer may have, held and booked; `None` for no limit.
    pub max_seats_per_buyer: Option<i32>,
    /// How many running holds one buyer may have; `None` for no limit.
    pub max_holds_per_buyer: Option<i32>,
    /// What happens to whoever leaves a single seat alone.
    pub orphan_rule: OrphanRule,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What may be changed about an event.
#[derive(Clone, Debug, Insertable, AsChangeset)]
#[diesel(table_name = events, treat_none_as_null = true)]
pub struct EventDetails {
    /// What it is called.
    pub name: String,
    /// When the performance starts.
    pub starts_at: DateTime<Utc>,
    /// When it ends, if that is known.
    pub ends_at: Option<DateTime<Utc>>,
    /// Start of the sale window.
    pub sale_starts_at: Option<DateTime<Utc>>,
    /// End of the sale window.
    pub sale_ends_at: Option<DateTime<Utc>>,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: i32,
    /// How many seats one hold may have.
    pub max_seats_per_hold: i32,
    /// How long a hold may last with all its extensions, in seconds.
    pub hold_total_seconds: i32,
    /// How many seats one buyer may have, held and booked; `None` for no limit.
    pub max_seats_per_buyer: Option<i32>,
    /// How many running holds one buyer may have; `None` for no limit.
    pub max_holds_per_buyer: Option<i32>,
    /// What happens to whoever leaves a single seat alone.
    pub orphan_rule: OrphanRule,
}

/// What a new event is made of; it starts as a draft.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = events)]
pub struct NewEvent {
    /// Where it takes place.
    pub venue_id: VenueId,
    /// The drawing its seats are on.
    pub plan_id: PlanId,
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// The rest, which may be changed later.
    #[diesel(embed)]
    pub details: EventDetails,
}

impl Event {
    /// What may be changed about it.
    pub fn details(&self) -> EventDetails {
        EventDetails {
            name: self.name.clone(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            sale_starts_at: self.sale_starts_at,
            sale_ends_at: self.sale_ends_at,
            hold_seconds: self.hold_seconds,
            max_seats_per_hold: self.max_seats_per_hold,
            hold_total_seconds: self.hold_total_seconds,
            max_seats_per_buyer: self.max_seats_per_buyer,
            max_holds_per_buyer: self.max_holds_per_buyer,
            orphan_rule: self.orphan_rule,
        }
    }
}

/// Which events a page lists.
#[derive(Clone, Debug, Default)]
pub struct EventSelection {
    /// Only those in this status.
    pub status: Option<EventStatus>,
    /// Only those at this venue.
    pub venue: Option<VenueId>,
    /// Whether drafts are listed as well.
    pub drafts: bool,
    /// Only those that start at or after this time.
    pub starts_from: Option<DateTime<Utc>>,
    /// Only those that start before this time.
    pub starts_before: Option<DateTime<Utc>>,
}

/// Creates an event with a price for each category of its plan, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    event: &NewEvent,
    prices: &[i64],
) -> QueryResult<Event> {
    let event: Event = diesel::insert_into(events::table)
        .values(event)
        .returning(Event::as_returning())
        .get_result(connection)
        .await?;
    let prices: Vec<_> = (0..)
        .zip(prices)
        .map(|(category_no, amount): (i32, _)| {
            (
                event_prices::event_id.eq(event.id),
                event_prices::category_no.eq(category_no),
                event_prices::amount_minor.eq(amount),
            )
        })
        .collect();
    diesel::insert_into(event_prices::table)
        .values(prices)
        .execute(connection)
        .await?;
    Ok(event)
}

/// The event with this id, and the database's clock at the start of the transaction.
///
/// # Errors
/// When the database fails.
pub async fn find_now(
    connection: &mut AsyncPgConnection,
    id: EventId,
) -> QueryResult<Option<(Event, DateTime<Utc>)>> {
    events::table
        .find(id)
        .select((
            Event::as_select(),
            now.into_sql::<diesel::sql_types::Timestamptz>(),
        ))
        .first(connection)
        .await
        .optional()
}

/// Those of these events that there are, each with the price of every category in minor
/// units, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn find_priced(
    mut connection: &AsyncPgConnection,
    ids: &[EventId],
) -> QueryResult<Vec<(Event, Vec<i64>)>> {
    let prices = event_prices::table
        .filter(event_prices::event_id.eq(events::id))
        .order(event_prices::category_no)
        .select(event_prices::amount_minor);
    // In one statement: an event and its prices are those of one moment.
    events::table
        .filter(events::id.eq_any(ids))
        .select((Event::as_select(), array(prices)))
        .load(&mut connection)
        .await
}

/// The price of each category, in minor units, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn prices(connection: &mut AsyncPgConnection, id: EventId) -> QueryResult<Vec<i64>> {
    event_prices::table
        .filter(event_prices::event_id.eq(id))
        .order(event_prices::category_no)
        .select(event_prices::amount_minor)
        .load(connection)
        .await
}

/// The first `limit` selected events with an id above `after`, in order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn page(
    connection: &mut AsyncPgConnection,
    selection: &EventSelection,
    after: Option<EventId>,
    limit: i64,
) -> QueryResult<Vec<Event>> {
    let mut query = events::table
        .filter(events::id.gt(after.unwrap_or(EventId(0))))
        .order(events::id)
        .limit(limit)
        .select(Event::as_select())
        .into_boxed();
    if let Some(status) = selection.status {
        query = query.filter(events::status.eq(status));
    }
    if let Some(venue) = selection.venue {
        query = query.filter(events::venue_id.eq(venue));
    }
    if !selection.drafts {
        query = query.filter(events::status.ne(EventStatus::Draft));
    }
    if let Some(from) = selection.starts_from {
        query = query.filter(events::starts_at.ge(from));
    }
    if let Some(before) = selection.starts_before {
        query = query.filter(events::starts_at.lt(before));
    }
    query.load(connection).await
}

/// Moves an event to another status if it still is at `version` and in one of
/// the statuses `from`; answers the event as it became, or `None` when it was
/// not updated.
///
/// # Errors
/// When the database fails.
pub async fn update_status(
    connection: &mut AsyncPgConnection,
    id: EventId,
    version: i32,
    from: &[EventStatus],
    to: EventStatus,
) -> QueryResult<Option<Event>> {
    diesel::update(
        events::table
            .find(id)
            .filter(events::version.eq(version))
            .filter(events::status.eq_any(from)),
    )
    .set((
        events::status.eq(to),
        events::version.eq(events::version + 1),
    ))
    .returning(Event::as_returning())
    .get_result(connection)
    .await
    .optional()
}

/// Changes an event if it still is at `version`; answers the event as it became, or
/// `None` when it was not updated.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &mut AsyncPgConnection,
    id: EventId,
    version: i32,
    details: &EventDetails,
) -> QueryResult<Option<Event>> {
    diesel::update(events::table.find(id).filter(events::version.eq(version)))
        .set((details, events::version.eq(events::version + 1)))
        .returning(Event::as_returning())
        .get_result(connection)
        .await
        .optional()
}

/// Changes the price of a category; in the transaction that has [updated](update) the
/// event, so that two never change prices at once.
///
/// # Errors
/// When the database fails.
pub async fn update_price(
    connection: &mut AsyncPgConnection,
    id: EventId,
    category_no: i32,
    amount_minor: i64,
) -> QueryResult<usize> {
    diesel::update(event_prices::table.find((id, category_no)))
        .set(event_prices::amount_minor.eq(amount_minor))
        .execute(connection)
        .await
}

/// Whether there is any event at all.
///
/// # Errors
/// When the database fails.
pub async fn any(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let any = diesel::dsl::exists(events::table.select(events::id));
    diesel::select(any).get_result(connection).await
}
