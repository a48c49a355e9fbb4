//! Venues.

use crate::db::schema::venues;
use crate::model::ids::VenueId;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// A place, with a time zone.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = venues, check_for_backend(diesel::pg::Pg))]
pub struct Venue {
    /// Its identity.
    pub id: VenueId,
    /// Goes up by 1 with every update.
    pub version: i32,
    /// What it is called.
    pub name: String,
    /// An IANA time zone name.
    pub time_zone: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What of a venue is changed; `None` keeps what is there.
#[derive(Clone, Copy, Debug, AsChangeset)]
#[diesel(table_name = venues)]
pub struct VenueChanges<'a> {
    /// What it is called.
    pub name: Option<&'a str>,
    /// An IANA time zone name.
    pub time_zone: Option<&'a str>,
}

/// Creates a venue.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    name: &str,
    time_zone: &str,
) -> QueryResult<Venue> {
    diesel::insert_into(venues::table)
        .values((venues::name.eq(name), venues::time_zone.eq(time_zone)))
        .returning(Venue::as_returning())
        .get_result(connection)
        .await
}

/// Those of `ids` that exist, in no order.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &mut AsyncPgConnection, ids: &[VenueId]) -> QueryResult<Vec<Venue>> {
    venues::table
        .filter(venues::id.eq_any(ids))
        .select(Venue::as_select())
        .load(connection)
        .await
}

/// Changes a venue if it still is at `version`; answers the venue as it became, or
/// `None` when it was not updated.
///
/// # Errors
/// When the database fails.
pub async fn update(
    connection: &mut AsyncPgConnection,
    id: VenueId,
    version: i32,
    changes: VenueChanges<'_>,
) -> QueryResult<Option<Venue>> {
    diesel::update(venues::table.find(id).filter(venues::version.eq(version)))
        .set((changes, venues::version.eq(venues::version + 1)))
        .returning(Venue::as_returning())
        .get_result(connection)
        .await
        .optional()
}

/// The first `limit` venues with an id above `after`, in order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn page(
    connection: &mut AsyncPgConnection,
    after: Option<VenueId>,
    limit: i64,
) -> QueryResult<Vec<Venue>> {
    venues::table
        .filter(venues::id.gt(after.unwrap_or(VenueId(0))))
        .order(venues::id)
        .limit(limit)
        .select(Venue::as_select())
        .load(connection)
        .await
}

/// Whether there is any venue at all.
///
/// # Errors
/// When the database fails.
pub async fn any(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let any = diesel::dsl::exists(venues::table.select(venues::id));
    diesel::select(any).get_result(connection).await
}
