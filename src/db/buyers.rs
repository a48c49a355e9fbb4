//! What one buyer has of one event, over all holds and bookings.

use crate::db::schema::{bookings, holds};
use crate::model::ids::EventId;
use crate::model::status::{BookingStatus, HoldStatus};
use diesel::dsl::{count_star, now, sum};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// What counts against a buyer's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Holds that are running, by the database's clock.
    pub holds: i64,
    /// Seats of these holds and of confirmed bookings.
    pub seats: i64,
}

diesel::define_sql_function! {
    /// How many elements an array has.
    fn cardinality(array: Array<Integer>) -> Integer;
}

/// What `buyer` has of an event, without the hold or booking `except`.
///
/// # Errors
/// When the database fails.
pub async fn holdings(
    connection: &mut AsyncPgConnection,
    event: EventId,
    buyer: &str,
    except: Uuid,
) -> QueryResult<Holdings> {
    let (holds, held): (i64, Option<i64>) = holds::table
        .filter(holds::event_id.eq(event))
        .filter(holds::buyer.eq(buyer))
        .filter(holds::status.eq(HoldStatus::Active))
        .filter(holds::expires_at.gt(now))
        .filter(holds::id.ne(except))
        .select((count_star(), sum(cardinality(holds::seat_nos))))
        .first(connection)
        .await?;
    let booked: Option<i64> = bookings::table
        .filter(bookings::event_id.eq(event))
        .filter(bookings::buyer.eq(buyer))
        .filter(bookings::status.eq(BookingStatus::Confirmed))
        .filter(bookings::id.ne(except))
        .select(sum(cardinality(bookings::seat_nos)))
        .first(connection)
        .await?;
    Ok(Holdings {
        holds,
        seats: held.unwrap_or(0) + booked.unwrap_or(0),
    })
}
