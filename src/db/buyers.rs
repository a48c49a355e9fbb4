//! What one buyer has of one event, over all holds and bookings.

use crate::db::array_statement::array_statement;
use crate::db::schema::{bookings, holds};
use crate::model::ids::EventId;
use crate::model::status::{BookingStatus, HoldStatus};
use diesel::dsl::{count_star, now, sum};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text};
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

array_statement! {
    /// What counts against the limits of any buyers at any events: LATERAL, so that it is looked for
    /// buyer by buyer, and not the buyer in all that there is.
    struct Possessions returns (BigInt, Text, diesel::sql_types::Uuid, Bool, Integer);
    "SELECT wanted.event_id, wanted.buyer, counted.id, counted.is_hold, counted.seats \
     FROM unnest(",
    events: BigInt = EventId, ", ",
    buyers: Text = String,
    ") AS wanted (event_id, buyer), LATERAL ( \
         SELECT id, true AS is_hold, cardinality(seat_nos) AS seats FROM holds \
         WHERE holds.event_id = wanted.event_id AND holds.buyer = wanted.buyer \
             AND status = 'ACTIVE' AND expires_at > now() \
         UNION ALL \
         SELECT id, false, cardinality(seat_nos) FROM bookings \
         WHERE bookings.event_id = wanted.event_id AND bookings.buyer = wanted.buyer \
             AND status = 'CONFIRMED' \
     ) AS counted"
}

/// What each of these buyers has of its event.
///
/// # Errors
/// When the database fails.
pub async fn possessions(
    mut connection: &AsyncPgConnection,
    buyers: impl IntoIterator<Item = (EventId, String)>,
) -> QueryResult<Vec<((EventId, String), Possession)>> {
    type Row = (EventId, String, Uuid, bool, i32);
    let (events, buyers) = buyers.into_iter().unzip();
    let rows: Vec<Row> = Possessions { events, buyers }.load(&mut connection).await?;
    let possession = |(event, buyer, id, is_hold, seats): Row| {
        let seats = i64::from(seats);
        ((event, buyer), Possession { id, is_hold, seats })
    };
    Ok(rows.into_iter().map(possession).collect())
}
