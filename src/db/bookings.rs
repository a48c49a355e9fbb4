//! Bookings.

use crate::db::array_statement::{append, array_statement};
use crate::db::schema::bookings;
use crate::db::transaction_id::{TransactionId, pg_current_xact_id};
use crate::model::ids::{BookingId, EventId, HoldId, SeatNo};
use crate::model::status::BookingStatus;
use chrono::{DateTime, Utc};
use diesel::dsl::{AsSelect, SqlTypeOf};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};

/// A hold made final.
#[derive(Clone, Debug, Queryable, Selectable, Serialize, Deserialize)]
#[diesel(table_name = bookings, check_for_backend(Pg))]
pub struct Booking {
    /// The event whose seats it has.
    pub event_id: EventId,
    /// Its identity in that event.
    pub id: BookingId,
    /// Goes up by 1 with every update.
    pub version: i32,
    /// What a person reads out.
    pub reference: String,
    /// SHA-256 of the secret in the token of the hold that it was. Not part of what is
    /// remembered of an answer.
    #[serde(skip)]
    pub token_hash: Option<Vec<u8>>,
    /// Subject of the buyer's token; `None` for an anonymous one.
    pub buyer: Option<String>,
    /// Where it stands.
    pub status: BookingStatus,
    /// Its seats, ascending.
    pub seat_nos: Vec<SeatNo>,
    /// The price of each seat in minor units, in the order of `seat_nos`.
    pub amounts: Vec<i64>,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// What the payment provider calls the payment.
    pub payment_reference: Option<String>,
    /// The transaction that booked its seats, or last changed which it has.
    pub transaction_id: TransactionId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What a new booking is made of.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = bookings)]
// One statement whatever is NULL, so that it is prepared once.
#[diesel(treat_none_as_default_value = false)]
pub struct NewBooking {
    /// The event whose seats it has.
    pub event_id: EventId,
    /// Its identity in that event.
    pub id: BookingId,
    /// What a person reads out.
    pub reference: String,
    /// The hold that is confirmed.
    pub hold_id: Option<HoldId>,
    /// SHA-256 of the secret in that hold's token.
    pub token_hash: Option<Vec<u8>>,
    /// Subject of the buyer's token.
    pub buyer: Option<String>,
    /// Its seats, ascending.
    pub seat_nos: Vec<SeatNo>,
    /// The price of each seat in minor units.
    pub amounts: Vec<i64>,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// What the payment provider calls the payment.
    pub payment_reference: Option<String>,
}

impl Booking {
    /// The sum of its seats' prices, in minor units.
    pub fn total(&self) -> i64 {
        self.amounts.iter().sum()
    }
}

/// Stores a new booking.
///
/// # Errors
/// When the database fails; a unique violation when another booking of the
/// event has this reference or was made of this hold.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    booking: &NewBooking,
) -> QueryResult<Booking> {
    diesel::insert_into(bookings::table)
        .values(booking)
        .returning(Booking::as_returning())
        .get_result(connection)
        .await
}

array_statement! {
    /// One row for each booking; those of `seat_nos` and `amounts` from `first` to `last` are
    /// a booking's.
    struct InsertBookings;
    "INSERT INTO bookings (event_id, id, reference, hold_id, token_hash, buyer, seat_nos, \
                           amounts, currency, payment_reference) \
     SELECT new.event_id, new.id, new.reference, new.hold_id, new.token_hash, new.buyer, (",
    seat_nos: Integer = SeatNo, ")[new.first:new.last], (",
    amounts: BigInt = i64, ")[new.first:new.last], new.currency, new.payment_reference \
     FROM unnest(",
    events: BigInt = EventId, ", ",
    ids: diesel::sql_types::Uuid = BookingId, ", ",
    references: Text = String, ", ",
    holds: Nullable<diesel::sql_types::Uuid> = Option<HoldId>, ", ",
    token_hashes: Nullable<Binary> = Option<Vec<u8>>, ", ",
    buyers: Nullable<Text> = Option<String>, ", ",
    firsts: Integer = i32, ", ",
    lasts: Integer = i32, ", ",
    currencies: Text = String, ", ",
    payments: Nullable<Text> = Option<String>,
    ") AS new (event_id, id, reference, hold_id, token_hash, buyer, first, last, currency, \
               payment_reference)"
}

/// Stores new bookings of any events, in the transaction and at the time of its start.
///
/// # Errors
/// As [`insert`].
pub async fn insert_all<'a>(
    mut connection: &AsyncPgConnection,
    bookings: impl IntoIterator<Item = &'a NewBooking>,
) -> QueryResult<usize> {
    let mut statement = InsertBookings::default();
    for booking in bookings {
        let (first, last) = append(&mut statement.seat_nos, &booking.seat_nos);
        append(&mut statement.amounts, &booking.amounts);
        statement.firsts.push(first);
        statement.lasts.push(last);
        statement.events.push(booking.event_id);
        statement.ids.push(booking.id);
        statement.references.push(booking.reference.clone());
        statement.holds.push(booking.hold_id);
        statement.token_hashes.push(booking.token_hash.clone());
        statement.buyers.push(booking.buyer.clone());
        statement.currencies.push(booking.currency.clone());
        statement.payments.push(booking.payment_reference.clone());
    }
    statement.execute(&mut connection).await
}

impl NewBooking {
    /// The booking that it is once `transaction` has stored it, which began at `now`.
    pub fn stored(&self, transaction: TransactionId, now: DateTime<Utc>) -> Booking {
        Booking {
            event_id: self.event_id,
            id: self.id,
            version: 1,
            reference: self.reference.clone(),
            token_hash: self.token_hash.clone(),
            buyer: self.buyer.clone(),
            status: BookingStatus::Confirmed,
            seat_nos: self.seat_nos.clone(),
            amounts: self.amounts.clone(),
            currency: self.currency.clone(),
            payment_reference: self.payment_reference.clone(),
            transaction_id: transaction,
            created_at: now,
        }
    }
}

array_statement! {
    /// Bookings of any events, by the holds that they were.
    struct LockBookings returns (Nullable<diesel::sql_types::Uuid>, BookingColumns);
    "SELECT bookings.hold_id, bookings.event_id, id, version, reference, token_hash, buyer, status, \
            seat_nos, amounts, currency, payment_reference, transaction_id, created_at \
     FROM bookings, unnest(",
    events: BigInt = EventId, ", ",
    holds: diesel::sql_types::Uuid = HoldId,
    ") AS wanted (event_id, hold_id) \
     WHERE bookings.event_id = wanted.event_id AND bookings.hold_id = wanted.hold_id \
     ORDER BY bookings.event_id, id \
     FOR UPDATE OF bookings"
}

/// The columns of a [`Booking`].
type BookingColumns = SqlTypeOf<AsSelect<Booking, Pg>>;

/// The bookings that these holds became, with which hold each was, locked until the
/// transaction ends in the order of their keys.
///
/// # Errors
/// When the database fails.
pub async fn lock_by_holds(
    mut connection: &AsyncPgConnection,
    keys: impl IntoIterator<Item = (EventId, HoldId)>,
) -> QueryResult<Vec<(HoldId, Booking)>> {
    let (events, holds) = keys.into_iter().unzip();
    let rows: Vec<(Option<HoldId>, Booking)> =
        LockBookings { events, holds }.load(&mut connection).await?;
    let known = |(hold, booking): (Option<HoldId>, _)| Some((hold?, booking));
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The booking with this key.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &mut AsyncPgConnection,
    event: EventId,
    id: BookingId,
) -> QueryResult<Option<Booking>> {
    bookings::table
        .find((event, id))
        .select(Booking::as_select())
        .first(connection)
        .await
        .optional()
}

/// The booking with this reference.
///
/// # Errors
/// When the database fails.
pub async fn find_by_reference(
    connection: &mut AsyncPgConnection,
    event: EventId,
    reference: &str,
) -> QueryResult<Option<Booking>> {
    bookings::table
        .filter(bookings::event_id.eq(event))
        .filter(bookings::reference.eq(reference))
        .select(Booking::as_select())
        .first(connection)
        .await
        .optional()
}

/// As [`find_by_reference`], and locks it until the transaction ends. A booking is
/// always locked before its seats.
///
/// # Errors
/// When the database fails.
pub async fn lock_by_reference(
    connection: &mut AsyncPgConnection,
    event: EventId,
    reference: &str,
) -> QueryResult<Option<Booking>> {
    bookings::table
        .filter(bookings::event_id.eq(event))
        .filter(bookings::reference.eq(reference))
        .select(Booking::as_select())
        .for_update()
        .first(connection)
        .await
        .optional()
}

/// Writes what may change about a booking: its status, and the seats it has with
/// their prices. Only if it still is at the version of `booking`; answers it as it
/// became, or `None` when it was not updated.
///
/// # Errors
/// When the database fails.
pub async fn update(
    mut connection: &AsyncPgConnection,
    booking: &Booking,
) -> QueryResult<Option<Booking>> {
    diesel::update(
        bookings::table
            .find((booking.event_id, booking.id))
            .filter(bookings::version.eq(booking.version)),
    )
    .set((
        bookings::version.eq(bookings::version + 1),
        bookings::status.eq(booking.status),
        bookings::seat_nos.eq(&booking.seat_nos),
        bookings::amounts.eq(&booking.amounts),
        bookings::payment_reference.eq(&booking.payment_reference),
        bookings::transaction_id.eq(pg_current_xact_id()),
    ))
    .returning(Booking::as_returning())
    .get_result(&mut connection)
    .await
    .optional()
}
