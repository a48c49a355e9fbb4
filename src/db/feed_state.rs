//! Which feed this is, and how far it reaches.
//!
//! **Invariant:** whoever goes on from a position asks *after* reading whether the feed is
//! whole from there. The horizon moves in the transaction that deletes, so that a
//! reader who missed a change sees the horizon behind it; one who had asked before would
//! have missed what was deleted in between.

use crate::db::changes::Position;
use crate::db::clock::clock_timestamp;
use crate::db::feed_origin::feed_identity;
use crate::db::schema::{feed, seat_changes};
use crate::db::transaction_id::{
    TransactionId, pg_current_snapshot, pg_snapshot_xmax, pg_snapshot_xmin,
};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// The feed as it stands. What is read after this shows at least every change of a transaction below
/// the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// Another one for each database, for each copy of it, and after each failover or
    /// recovery to an earlier moment (`feed_origin`).
    pub epoch: i64,
    /// Changes of transactions before this one may have been pruned: positions of this
    /// epoch that are before it do not lead on. All events have the same.
    pub pruned_before: TransactionId,
    /// All transactions before this one have ended.
    pub horizon: TransactionId,
    /// No transaction has this number yet, nor a higher one.
    pub next: TransactionId,
    /// What the database's clock says.
    pub now: DateTime<Utc>,
}

/// The feed as it stands, and where its last changes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How far it reaches.
    pub state: FeedState,
    /// After the last change that readers may take; where the feed begins when there is none.
    ///
    /// **Invariant:** this, and not the horizon itself, is how far a reader may say to have
    /// come. The numbers of transactions that were rolled back are written nowhere in time, so
    /// that a server which crashes may give them again, to changes that whoever had passed them
    /// would never see. A change that can be seen is written for good, and with it that all
    /// numbers up to its own are gone. (This needs `synchronous_commit`, which is on by default.)
    pub tip: Position,
    /// Whether a change is written and committed that readers may not take yet, because a
    /// transaction before it has not ended.
    pub is_held_back: bool,
}

/// Which feed a connection has found: the same one, as long as it finds the same table and the same
/// number in it. All else that tells a feed from its copies stays the same while a server runs, but
/// for what the role may ask of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFeed {
    table: Option<u32>,
    stored: i64,
    epoch: i64,
}

/// What a reader has to know after it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Afterwards {
    /// As [`Look::is_held_back`], of changes from the horizon that was read up to.
    pub is_held_back: bool,
    /// As [`FeedState::pruned_before`], now.
    pub pruned_before: TransactionId,
}

/// How far the feed reaches.
///
/// # Errors
/// When the database fails.
pub async fn read(connection: &mut AsyncPgConnection) -> QueryResult<FeedState> {
    let (epoch, reach) = feed::table
        .filter(feed::only_row)
        .select((feed_identity(feed::epoch), Reach::as_select()))
        .get_result::<(i64, Reach)>(connection)
        .await?;
    Ok(reach.state(epoch))
}

/// The same, and where the last changes are, for a connection that looks again and again. It
/// remembers which feed it has found: to find out where it is kept takes longer than all the rest.
///
/// # Errors
/// When the database fails.
pub async fn look(
    connection: &mut AsyncPgConnection,
    known: &mut Option<KnownFeed>,
) -> QueryResult<Look> {
    let row = feed::table.filter(feed::only_row);
    if let Some(known) = *known {
        let (table, stored, reach, ends) = row
            .select((to_regclass(TABLE), feed::epoch, Reach::as_select(), ends()))
            .get_result::<(Option<u32>, i64, Reach, Ends)>(connection)
            .await?;
        if (table, stored) == (known.table, known.stored) {
            return Ok(found(reach.state(known.epoch), ends));
        }
    }
    let (table, stored, epoch, reach, ends) = row
        .select((
            to_regclass(TABLE),
            feed::epoch,
            feed_identity(feed::epoch),
            Reach::as_select(),
            ends(),
        ))
        .get_result::<(Option<u32>, i64, i64, Reach, Ends)>(connection)
        .await?;
    *known = Some(KnownFeed {
        table,
        stored,
        epoch,
    });
    Ok(found(reach.state(epoch), ends))
}

/// What a reader has to know after it has read what this state let it read.
///
/// # Errors
/// When the database fails.
pub async fn afterwards(
    connection: &mut AsyncPgConnection,
    state: &FeedState,
) -> QueryResult<Afterwards> {
    let first_held_back = visible_in_order()
        .filter(seat_changes::transaction_id.ge(state.horizon))
        .single_value();
    let (first_held_back, pruned_before, pruned_of) = feed::table
        .filter(feed::only_row)
        .select((first_held_back, feed::horizon, feed::horizon_of))
        .get_result::<(Option<TransactionId>, _, _)>(connection)
        .await?;
    Ok(Afterwards {
        is_held_back: first_held_back.is_some(),
        pruned_before: pruned_in(state.epoch, pruned_before, pruned_of),
    })
}

/// The table that the feed's row is in.
const TABLE: &str = "feed";

diesel::define_sql_function! {
    /// The number of a table: another one once the table was restored in its place.
    fn to_regclass(name: Text) -> Nullable<Oid>;
}

/// How far the feed reaches, whichever it is.
#[derive(Queryable, Selectable)]
#[diesel(table_name = feed, check_for_backend(diesel::pg::Pg))]
struct Reach {
    #[diesel(column_name = horizon)]
    pruned_before: TransactionId,
    #[diesel(column_name = horizon_of)]
    pruned_of: Option<i64>,
    #[diesel(select_expression = pg_snapshot_xmin(pg_current_snapshot()))]
    horizon: TransactionId,
    #[diesel(select_expression = pg_snapshot_xmax(pg_current_snapshot()))]
    next: TransactionId,
    #[diesel(select_expression = clock_timestamp())]
    now: DateTime<Utc>,
}

impl Reach {
    fn state(&self, epoch: i64) -> FeedState {
        FeedState {
            epoch,
            pruned_before: pruned_in(epoch, self.pruned_before, self.pruned_of),
            horizon: self.horizon,
            next: self.next,
            now: self.now,
        }
    }
}

/// The transactions of the last change that readers may take, and of the first that they may not.
type Ends = (Option<TransactionId>, Option<TransactionId>);

#[diesel::dsl::auto_type(no_type_alias)]
fn ends() -> _ {
    (last_below_horizon(), first_held_back())
}

fn found(state: FeedState, (last, first_held_back): Ends) -> Look {
    Look {
        state,
        tip: match last {
            Some(last) => Position::after(last),
            None => Position::before(state.pruned_before),
        },
        is_held_back: first_held_back.is_some(),
    }
}

/// The transaction of the last change that readers may take.
#[diesel::dsl::auto_type]
fn last_below_horizon() -> _ {
    seat_changes::table
        .filter(seat_changes::transaction_id.lt(pg_snapshot_xmin(pg_current_snapshot())))
        .order((seat_changes::transaction_id.desc(), seat_changes::id.desc()))
        .select(seat_changes::transaction_id)
        .single_value()
}

/// The transactions of all changes that can be seen, in order: below `xmax`, as rows above it came
/// with a restored dump.
#[diesel::dsl::auto_type]
fn visible_in_order() -> _ {
    seat_changes::table
        .filter(seat_changes::transaction_id.lt(pg_snapshot_xmax(pg_current_snapshot())))
        .order((seat_changes::transaction_id, seat_changes::id))
        .select(seat_changes::transaction_id)
}

/// The transaction of the first change that readers may not take yet.
#[diesel::dsl::auto_type]
fn first_held_back() -> _ {
    visible_in_order()
        .filter(seat_changes::transaction_id.ge(pg_snapshot_xmin(pg_current_snapshot())))
        .single_value()
}

/// What came with a copy counts transactions of another database.
fn pruned_in(epoch: i64, pruned_before: TransactionId, pruned_of: Option<i64>) -> TransactionId {
    if pruned_of == Some(epoch) {
        pruned_before
    } else {
        TransactionId(0)
    }
}
