//! What was so in the end, and how it came to be so: the database's word.

use crate::live_maps::journal::{Known, Position};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use usher::model::ids::SeatNo;
use usher::model::status::SeatStatus;

/// The feed of an event, and its seats.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// In the order of the feed.
    pub changes: Vec<Change>,
    pub seats: Known,
    /// When nothing could be told, because PostgreSQL or a replica was being started.
    pub outages: Vec<(SystemTime, SystemTime)>,
    /// Where in `changes` a seat came to a version.
    places: BTreeMap<(SeatNo, i32), usize>,
}

/// A row of the feed.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub position: Position,
    pub seat: SeatNo,
    pub version: i32,
    pub status: SeatStatus,
    /// When it was written, which is before it was committed.
    pub at: SystemTime,
}

#[derive(QueryableByName)]
struct ChangeRow {
    #[diesel(sql_type = BigInt)]
    transaction: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Integer)]
    seat_no: i32,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    microseconds: i64,
}

#[derive(QueryableByName)]
struct SeatRow {
    #[diesel(sql_type = Integer)]
    seat_no: i32,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    status: String,
}

impl Truth {
    /// What the database says about an event, whose feed is whole.
    pub async fn of(
        sql: &mut AsyncPgConnection,
        event: i64,
        outages: Vec<(SystemTime, SystemTime)>,
    ) -> Self {
        let query = format!(
            "SELECT transaction_id::text::bigint AS transaction, id, seat_no, version, status, \
                 (extract(epoch FROM changed_at) * 1000000)::bigint AS microseconds \
             FROM seat_changes WHERE event_id = {event} ORDER BY transaction_id, id"
        );
        let rows: Vec<ChangeRow> = diesel::sql_query(query).load(sql).await.unwrap();
        let changes = rows.iter().map(ChangeRow::read).collect();
        Self::new(changes, seats(sql, event).await, outages)
    }

    /// With these changes in the order of the feed.
    pub fn new(changes: Vec<Change>, seats: Known, outages: Vec<(SystemTime, SystemTime)>) -> Self {
        let key = |change: &Change| (change.seat, change.version);
        let places = changes.iter().map(key).zip(0..).collect();
        Self {
            changes,
            seats,
            outages,
            places,
        }
    }

    /// The status that a seat had at a version, if it ever had that version.
    pub fn status(&self, seat: SeatNo, version: i32) -> Option<SeatStatus> {
        let at_first = (version == 1).then_some(SeatStatus::Available);
        at_first.or_else(|| self.change(seat, version).map(|change| change.status))
    }

    /// The change that made a seat come to a version.
    pub fn change(&self, seat: SeatNo, version: i32) -> Option<&Change> {
        let place = self.places.get(&(seat, version))?;
        self.changes.get(*place)
    }

    /// The changes after the one position, up to and with the other one.
    pub fn between(&self, after: Option<Position>, until: Position) -> &[Change] {
        let place = |position: Position| {
            self.changes
                .partition_point(|change| change.position <= position)
        };
        let end = place(until);
        let start = after.map_or(0, place).min(end);
        &self.changes[start..end]
    }

    /// From when on a watcher that subscribed at `began` could be told of what was
    /// written at `written`, if by `until` it was.
    pub fn could_be_told(
        &self,
        written: SystemTime,
        began: SystemTime,
        until: SystemTime,
    ) -> SystemTime {
        let mut from = written.max(began);
        for (down, up) in &self.outages {
            if *down < until {
                from = from.max(*up);
            }
        }
        from
    }
}

/// Every seat of an event, as it is in the database now.
pub async fn seats(sql: &mut AsyncPgConnection, event: i64) -> Known {
    let query = format!("SELECT seat_no, version, status FROM seats WHERE event_id = {event}");
    let rows: Vec<SeatRow> = diesel::sql_query(query).load(sql).await.unwrap();
    let read = |row: &SeatRow| (row.seat_no, (row.version, row.status.parse().unwrap()));
    rows.iter().map(read).collect()
}

impl ChangeRow {
    fn read(&self) -> Change {
        let since = Duration::from_micros(self.microseconds.try_into().unwrap());
        Change {
            position: Position {
                transaction: self.transaction.try_into().unwrap(),
                id: self.id,
            },
            seat: self.seat_no,
            version: self.version,
            status: self.status.parse().unwrap(),
            at: SystemTime::UNIX_EPOCH + since,
        }
    }
}
