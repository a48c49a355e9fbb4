//! Holds.

use crate::db::array_statement::{append, array_statement};
use crate::db::clock::{self, clock_timestamp};
use crate::db::schema::holds;
use crate::db::transaction_id::{TransactionId, pg_current_xact_id};
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::HoldStatus;
use chrono::{DateTime, Utc};
use diesel::dsl::{min, now};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};

/// Seats kept for one buyer until a time.
#[derive(Clone, Debug, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = holds, check_for_backend(diesel::pg::Pg))]
// One statement whatever is NULL, so that it is prepared once.
#[diesel(treat_none_as_default_value = false)]
pub struct Hold {
    /// The event whose seats it has.
    pub event_id: EventId,
    /// Its identity in that event.
    pub id: HoldId,
    /// SHA-256 of the secret in its token. Not part of what is remembered of an answer.
    #[serde(skip)]
    pub token_hash: Vec<u8>,
    /// Subject of the buyer's token; `None` for an anonymous one.
    pub buyer: Option<String>,
    /// Where it stands.
    pub status: HoldStatus,
    /// Its seats, ascending.
    pub seat_nos: Vec<SeatNo>,
    /// The price of each seat in minor units, in the order of `seat_nos`.
    pub amounts: Vec<i64>,
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// When it lapses, by the database's clock.
    pub expires_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Hold {
    /// The sum of its seats' prices, in minor units.
    pub fn total(&self) -> i64 {
        self.amounts.iter().sum()
    }
}

/// Declares a statement that inserts whole holds; `$tail` is what comes after that.
macro_rules! hold_statement {
    ($(#[$doc:meta])* struct $name:ident; $tail:literal) => {
        array_statement! {
            $(#[$doc])*
            ///
            /// Those of `seat_nos` and `amounts` from `first` to `last` are a hold's.
            struct $name;
            "INSERT INTO holds (event_id, id, token_hash, buyer, status, seat_nos, amounts, \
                                currency, expires_at, created_at) \
             SELECT new.event_id, new.id, new.token_hash, new.buyer, new.status, (",
            seat_nos: Integer = SeatNo, ")[new.first:new.last], (",
            amounts: BigInt = i64, ")[new.first:new.last], new.currency, new.expires_at, \
             new.created_at FROM unnest(",
            events: BigInt = EventId, ", ",
            ids: diesel::sql_types::Uuid = HoldId, ", ",
            token_hashes: Binary = Vec<u8>, ", ",
            buyers: Nullable<Text> = Option<String>, ", ",
            statuses: Text = HoldStatus, ", ",
            firsts: Integer = i32, ", ",
            lasts: Integer = i32, ", ",
            currencies: Text = String, ", ",
            expires_at: Timestamptz = DateTime<Utc>, ", ",
            created_at: Timestamptz = DateTime<Utc>,
            concat!(
                ") AS new (event_id, id, token_hash, buyer, status, first, last, currency, \
                           expires_at, created_at)",
                $tail
            )
        }

        impl<'a> FromIterator<&'a Hold> for $name {
            fn from_iter<Holds: IntoIterator<Item = &'a Hold>>(holds: Holds) -> Self {
                let mut statement = Self::default();
                for hold in holds {
                    let (first, last) = append(&mut statement.seat_nos, &hold.seat_nos);
                    append(&mut statement.amounts, &hold.amounts);
                    statement.firsts.push(first);
                    statement.lasts.push(last);
                    statement.events.push(hold.event_id);
                    statement.ids.push(hold.id);
                    statement.token_hashes.push(hold.token_hash.clone());
                    statement.buyers.push(hold.buyer.clone());
                    statement.statuses.push(hold.status);
                    statement.currencies.push(hold.currency.clone());
                    statement.expires_at.push(hold.expires_at);
                    statement.created_at.push(hold.created_at);
                }
                statement
            }
        }
    };
}

hold_statement! {
    /// Stores new ones.
    struct InsertHolds;
    ""
}

hold_statement! {
    /// Stores what may change about those that are there. They are found by the index that finds
    /// the conflict, which nothing has to be planned for: a plan of a join that was made for a few
    /// holds would read all of them.
    struct UpdateHolds;
    " ON CONFLICT (event_id, id) DO UPDATE \
     SET status = excluded.status, seat_nos = excluded.seat_nos, amounts = excluded.amounts"
}

/// Stores new holds of any events.
///
/// # Errors
/// When the database fails.
pub async fn insert_all<'a>(
    mut connection: &AsyncPgConnection,
    holds: impl IntoIterator<Item = &'a Hold>,
) -> QueryResult<usize> {
    let statement: InsertHolds = holds.into_iter().collect();
    statement.execute(&mut connection).await
}

/// As [`update`], for holds of any events that are locked, and so are there.
///
/// # Errors
/// When the database fails.
pub async fn update_all<'a>(
    mut connection: &AsyncPgConnection,
    holds: impl IntoIterator<Item = &'a Hold>,
) -> QueryResult<usize> {
    let statement: UpdateHolds = holds.into_iter().collect();
    statement.execute(&mut connection).await
}

array_statement! {
    /// Holds of any events, by their keys, one after the other as they are wanted: LATERAL, so that
    /// each is looked for, and not the wanted ones in all that there are.
    struct LockHolds returns HoldColumns;
    "SELECT held.* FROM unnest(",
    events: BigInt = EventId, ", ",
    ids: diesel::sql_types::Uuid = HoldId,
    ") AS wanted (event_id, id), LATERAL ( \
         SELECT event_id, id, token_hash, buyer, status, seat_nos, amounts, currency, expires_at, \
             created_at \
         FROM holds WHERE holds.event_id = wanted.event_id AND holds.id = wanted.id \
         FOR UPDATE \
     ) AS held"
}

/// The columns of a [`Hold`].
type HoldColumns = (
    BigInt,
    diesel::sql_types::Uuid,
    Binary,
    Nullable<Text>,
    Text,
    Array<Integer>,
    Array<BigInt>,
    Text,
    Timestamptz,
    Timestamptz,
);

/// Those of these holds of any events that there are, locked in this order until the transaction
/// ends. A hold is always locked before its seats.
///
/// # Errors
/// When the database fails.
pub async fn lock_all(
    mut connection: &AsyncPgConnection,
    keys: impl IntoIterator<Item = (EventId, HoldId)>,
) -> QueryResult<Vec<Hold>> {
    let (events, ids) = keys.into_iter().unzip();
    LockHolds { events, ids }.load(&mut connection).await
}

/// The hold with this key while it is running: active, and not lapsed by the
/// database's clock.
///
/// # Errors
/// When the database fails.
pub async fn find_running(
    connection: &mut AsyncPgConnection,
    event: EventId,
    id: HoldId,
) -> QueryResult<Option<Hold>> {
    holds::table
        .find((event, id))
        .filter(holds::status.eq(HoldStatus::Active))
        .filter(holds::expires_at.gt(now))
        .select(Hold::as_select())
        .first(connection)
        .await
        .optional()
}

/// The hold with this key, whatever became of it, and the database's clock.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &mut AsyncPgConnection,
    event: EventId,
    id: HoldId,
) -> QueryResult<Option<(Hold, DateTime<Utc>)>> {
    holds::table
        .find((event, id))
        .select((Hold::as_select(), clock_timestamp()))
        .first(connection)
        .await
        .optional()
}

/// The hold with this key, locked until the transaction ends, and the
/// database's clock when the lock was granted: it may have been waited for until
/// the hold had lapsed. A hold is always locked before its seats.
///
/// # Errors
/// When the database fails.
pub async fn lock(
    connection: &mut AsyncPgConnection,
    event: EventId,
    id: HoldId,
) -> QueryResult<Option<(Hold, DateTime<Utc>)>> {
    let hold = holds::table
        .find((event, id))
        .select(Hold::as_select())
        .for_update()
        .first(connection)
        .await
        .optional()?;
    let Some(hold) = hold else {
        return Ok(None);
    };
    // A statement of its own: within the one that waits, the clock may be read first.
    let granted_at = clock::read(connection).await?;
    Ok(Some((hold, granted_at)))
}

/// Writes what may change about a locked hold: its status, and the seats it
/// has with their prices. Answers the transaction that did.
///
/// # Errors
/// When the database fails.
pub async fn update(connection: &mut AsyncPgConnection, hold: &Hold) -> QueryResult<TransactionId> {
    diesel::update(holds::table.find((hold.event_id, hold.id)))
        .set((
            holds::status.eq(hold.status),
            holds::seat_nos.eq(&hold.seat_nos),
            holds::amounts.eq(&hold.amounts),
        ))
        .returning(pg_current_xact_id())
        .get_result(connection)
        .await
}

/// Moves the end of a locked hold to its `expires_at`.
///
/// # Errors
/// When the database fails.
pub async fn prolong(connection: &mut AsyncPgConnection, hold: &Hold) -> QueryResult<usize> {
    diesel::update(holds::table.find((hold.event_id, hold.id)))
        .set(holds::expires_at.eq(hold.expires_at))
        .execute(connection)
        .await
}

/// Up to `limit` of the `window` oldest holds that have lapsed and are not published as
/// such, locked: those of one event after one another, so that few events share them.
/// Those that another transaction has locked are left to it, and those in `but_not` to
/// another time.
///
/// # Errors
/// When the database fails.
pub async fn lock_lapsed(
    connection: &mut AsyncPgConnection,
    but_not: &[HoldId],
    window: i64,
    limit: i64,
) -> QueryResult<Vec<Hold>> {
    let beyond = holds::table
        .filter(holds::status.eq(HoldStatus::Active))
        .filter(holds::expires_at.le(now))
        .filter(holds::id.ne_all(but_not))
        .order(holds::expires_at)
        .offset(window)
        .select(holds::expires_at);
    let (beyond, current): (Option<DateTime<Utc>>, DateTime<Utc>) =
        diesel::select((beyond.single_value(), now.into_sql::<Timestamptz>()))
            .get_result(connection)
            .await?;
    holds::table
        .filter(holds::status.eq(HoldStatus::Active))
        .filter(holds::expires_at.le(beyond.unwrap_or(current)))
        .filter(holds::id.ne_all(but_not))
        .order((holds::event_id, holds::expires_at))
        .limit(limit)
        .select(Hold::as_select())
        .for_update()
        .skip_locked()
        .load(connection)
        .await
}

/// The active holds of an event, lapsed or not, locked in the order of their key.
/// Those that another transaction has locked are waited for.
///
/// # Errors
/// When the database fails.
pub async fn lock_active(
    connection: &mut AsyncPgConnection,
    event: EventId,
) -> QueryResult<Vec<Hold>> {
    holds::table
        .filter(holds::event_id.eq(event))
        .filter(holds::status.eq(HoldStatus::Active))
        .order(holds::id)
        .select(Hold::as_select())
        .for_update()
        .load(connection)
        .await
}

/// How long until the next active hold lapses, by the database's clock; not
/// positive when one has lapsed already, `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn until_next_lapse(
    connection: &mut AsyncPgConnection,
) -> QueryResult<Option<chrono::TimeDelta>> {
    let next = holds::table.filter(holds::status.eq(HoldStatus::Active));
    let (next, current): (Option<DateTime<Utc>>, DateTime<Utc>) = diesel::select((
        next.select(min(holds::expires_at)).single_value(),
        now.into_sql::<Timestamptz>(),
    ))
    .get_result(connection)
    .await?;
    Ok(next.map(|next| next - current))
}

/// Ends locked holds of one event.
///
/// # Errors
/// When the database fails.
pub async fn end(
    connection: &mut AsyncPgConnection,
    event: EventId,
    ids: &[HoldId],
    as_what: HoldStatus,
) -> QueryResult<usize> {
    diesel::update(
        holds::table
            .filter(holds::event_id.eq(event))
            .filter(holds::id.eq_any(ids)),
    )
    .set(holds::status.eq(as_what))
    .execute(connection)
    .await
}
