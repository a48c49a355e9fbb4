//! A follower that gets it wrong: it remembers the highest id that it has read and
//! asks for higher ones. An id is taken before the commit, so whoever commits late is
//! skipped for good. What it believes is judged as what a watcher was told.

use crate::live_maps::journal::{Journal, Known, Message, Position, Told};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often it asks.
const PERIOD: Duration = Duration::from_millis(5);

#[derive(QueryableByName)]
struct Row {
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
}

/// Follows an event from before its first change until it is told to stop. Says how far
/// it has come after each reading, in which it may be interrupted by a restart.
pub async fn follow(
    database_url: String,
    event: i64,
    start: Known,
    progress: watch::Sender<i64>,
    stop: CancellationToken,
) -> Journal {
    let mut journal = Journal::default();
    journal.begin(None);
    journal.tell(Message {
        at: SystemTime::now(),
        snapshot: Some("SUBSCRIBED".to_owned()),
        position: Position {
            transaction: 0,
            id: 0,
        },
        seats: start
            .iter()
            .map(|(seat, (version, status))| Told {
                seat: *seat,
                version: *version,
                status: *status,
            })
            .collect(),
    });
    let mut again = interval(PERIOD);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    let mut last = 0;
    loop {
        // Everything has been written by the time it is told to stop: it reads once more.
        let is_last = stop.is_cancelled();
        if let Some(rows) = read(&database_url, &mut connection, event, last).await {
            last = rows.last().map_or(last, |row| row.id);
            if let Some(message) = Row::message(&rows) {
                journal.tell(message);
            }
            progress.send_replace(last);
            if is_last {
                journal.end();
                return journal;
            }
        }
        again.tick().await;
    }
}

/// What is new, unless the database is away.
async fn read(
    database_url: &str,
    connection: &mut Option<AsyncPgConnection>,
    event: i64,
    last: i64,
) -> Option<Vec<Row>> {
    if connection.is_none() {
        *connection = AsyncPgConnection::establish(database_url).await.ok();
    }
    let query = format!(
        "SELECT transaction_id::text::bigint AS transaction, id, seat_no, version, status \
         FROM seat_changes WHERE event_id = {event} AND id > {last} ORDER BY id"
    );
    let rows = diesel::sql_query(query)
        .load(connection.as_mut()?)
        .await
        .ok();
    if rows.is_none() {
        *connection = None;
    }
    rows
}

impl Row {
    fn message(rows: &[Self]) -> Option<Message> {
        let last = rows.last()?;
        let told = |row: &Self| Told {
            seat: row.seat_no,
            version: row.version,
            status: row.status.parse().unwrap(),
        };
        Some(Message {
            at: SystemTime::now(),
            snapshot: None,
            position: Position {
                transaction: last.transaction.try_into().unwrap(),
                id: last.id,
            },
            seats: rows.iter().map(told).collect(),
        })
    }
}
