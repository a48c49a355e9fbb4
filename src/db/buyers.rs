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

/// Something that counts against a buyer's limits: a hold that is running, by the database's
/// clock at the start of the transaction, or a confirmed booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Possession {
    /// The hold or booking.
    pub id: Uuid,
    /// Which of the two it is.
    pub is_hold: bool,
    /// How many seats it has.
    pub seats: i64,
}

/// What any of these buyers has of any of these events.
///
/// # Errors
/// When the database fails.
pub async fn possessions(
    mut connection: &AsyncPgConnection,
    events: &[EventId],
    buyers: &[&str],
) -> QueryResult<Vec<((EventId, String), Possession)>> {
    type Row = (EventId, Option<String>, Uuid, i32);
    let mut again = connection;
    let held = holds::table
        .filter(holds::event_id.eq_any(events))
        .filter(holds::buyer.eq_any(buyers))
        .filter(holds::status.eq(HoldStatus::Active))
        .filter(holds::expires_at.gt(now))
        .select((
            holds::event_id,
            holds::buyer,
            holds::id,
            cardinality(holds::seat_nos),
        ))
        .load::<Row>(&mut connection);
    let booked = bookings::table
        .filter(bookings::event_id.eq_any(events))
        .filter(bookings::buyer.eq_any(buyers))
        .filter(bookings::status.eq(BookingStatus::Confirmed))
        .select((
            bookings::event_id,
            bookings::buyer,
            bookings::id,
            cardinality(bookings::seat_nos),
        ))
        .load::<Row>(&mut again);
    let (held, booked) = futures_util::try_join!(held, booked)?;
    let held = held.into_iter().map(|row| (row, true));
    let booked = booked.into_iter().map(|row| (row, false));
    let possession = |((event, buyer, id, seats), is_hold): (Row, bool)| {
        let seats = i64::from(seats);
        Some(((event, buyer?), Possession { id, is_hold, seats }))
    };
    Ok(held.chain(booked).filter_map(possession).collect())
}
