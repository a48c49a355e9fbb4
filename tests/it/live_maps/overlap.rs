//! Transactions that overlap, written past usher: they take their place in the feed
//! and commit after others that came later. Each writer has seats of its own, so that
//! nobody waits for a seat.

use diesel::QueryableByName;
use diesel::result::QueryResult;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use usher::model::ids::SeatNo;

/// Until a database that was away is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a transaction is held open for somebody to read past it, at most.
const HELD_OPEN: Duration = Duration::from_secs(2);

#[derive(QueryableByName)]
struct LastChange {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Blocks the seat, or gives it back.
pub async fn flip(connection: &mut AsyncPgConnection, event: i64, seat: SeatNo) -> QueryResult<()> {
    let change = format!(
        "UPDATE seats SET version = version + 1, actor = 'overlap', \
             status = CASE status WHEN 'BLOCKED' THEN 'AVAILABLE' ELSE 'BLOCKED' END, \
             cause = CASE status WHEN 'BLOCKED' THEN 'UNBLOCKED' ELSE 'BLOCKED' END \
         WHERE event_id = {event} AND seat_no = {seat}"
    );
    connection.batch_execute(&change).await
}

/// Flips pairs of seats in transactions that stay open for a moment in between, and of
/// which some are rolled back, until told to stop.
pub async fn dawdle(
    database_url: String,
    event: i64,
    seats: [SeatNo; 2],
    seed: u64,
    stop: CancellationToken,
) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !stop.is_cancelled() {
        let Ok(mut connection) = AsyncPgConnection::establish(&database_url).await else {
            sleep(PAUSE).await;
            continue;
        };
        while !stop.is_cancelled() {
            let pause = Duration::from_millis(rng.random_range(0..30));
            let end = if rng.random_bool(0.3) {
                "ROLLBACK"
            } else {
                "COMMIT"
            };
            let dawdled = async {
                connection.batch_execute("BEGIN").await?;
                flip(&mut connection, event, seats[0]).await?;
                sleep(pause).await;
                flip(&mut connection, event, seats[1]).await?;
                connection.batch_execute(end).await
            };
            if dawdled.await.is_err() {
                break;
            }
        }
    }
}

/// Again and again makes a change that commits late, until told to stop; answers how
/// often it did. `progress` is that of the reader who is to be led astray.
pub async fn mislead(
    database_url: String,
    event: i64,
    [late, early]: [SeatNo; 2],
    mut progress: watch::Receiver<i64>,
    stop: CancellationToken,
) -> u32 {
    let mut misled = 0;
    while !stop.is_cancelled() {
        match mislead_once(&database_url, event, [late, early], &mut progress).await {
            Ok(true) => misled += 1,
            // The database is away, or the reader is.
            Ok(false) | Err(_) => sleep(PAUSE).await,
        }
    }
    misled
}

/// One transaction takes its place in the feed; another one comes after it, commits, and
/// is read; then the first one commits. Answers whether it went like that.
pub async fn mislead_once(
    database_url: &str,
    event: i64,
    [late, early]: [SeatNo; 2],
    progress: &mut watch::Receiver<i64>,
) -> Result<bool, diesel::result::ConnectionError> {
    let mut first = AsyncPgConnection::establish(database_url).await?;
    let mut second = AsyncPgConnection::establish(database_url).await?;
    let misled = async {
        first.batch_execute("BEGIN").await?;
        flip(&mut first, event, late).await?;
        flip(&mut second, event, early).await?;
        let query = format!(
            "SELECT max(id) AS id FROM seat_changes \
             WHERE event_id = {event} AND seat_no = {early}"
        );
        let last: LastChange = diesel::sql_query(query).get_result(&mut second).await?;
        let read = timeout(HELD_OPEN, progress.wait_for(|id| *id >= last.id));
        let was_read = matches!(read.await, Ok(Ok(_)));
        first.batch_execute("COMMIT").await?;
        QueryResult::Ok(was_read)
    };
    Ok(misled.await.unwrap_or(false))
}
