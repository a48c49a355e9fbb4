//! Holds that all lapse at the same instant: how long until that is published.

use crate::event::{field, on_sale};
use crate::page::{Output, Page};
use crate::server::Server;
use crate::{Outcome, sound};
use serde::Serialize;
use std::time::Duration;
use tokio_postgres::Client;

/// How long the holds last: longer than it takes to make them, and than usher sleeps.
const AHEAD: &str = "3 seconds";
/// When the bench gives up.
const PATIENCE_SECONDS: f64 = 60.0;

/// How many lapse at once.
#[derive(clap::Args, Clone, Copy, Serialize)]
pub struct Lapsing {
    /// Holds of one seat each.
    #[arg(long, default_value_t = 10_000)]
    holds: usize,
    /// Events that they are spread over.
    #[arg(long, default_value_t = 1)]
    events: usize,
    /// How often.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub async fn run(lapsing: Lapsing, output: &Output) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    println!(
        "{} holds in {} events lapse at one instant\n",
        lapsing.holds, lapsing.events
    );
    let mut page = Page::default();
    page.head("| ushers | last change written after s | all readable after s | transactions |");
    for _ in 0..lapsing.rounds {
        page.row(&format!("| 1 | {}", round(&server, lapsing).await?));
    }
    let second = server.beside().await?;
    for _ in 0..lapsing.rounds {
        page.row(&format!("| 2 | {}", round(&server, lapsing).await?));
    }
    second.stop().await?;
    sound::check(&server).await?;
    page.write("lapse", &lapsing, output)?;
    server.stop().await
}

/// One row of the table: makes the holds, and waits until the last one is published.
async fn round(server: &Server, lapsing: Lapsing) -> Outcome<String> {
    let house = field(lapsing.holds / lapsing.events);
    let mut events: Vec<i64> = Vec::new();
    for _ in 0..lapsing.events {
        events.push(on_sale(server, &house).await?.0);
    }
    let sql = server.sql().await?;
    let instant = hold(&sql, &events).await?;
    let readable = until_published(&sql, &instant).await?;
    let query = "SELECT extract(epoch FROM max(changed_at) - $2::text::timestamptz)::float8, \
                     count(*), count(DISTINCT transaction_id), \
                     (SELECT count(*) FROM seats WHERE event_id = ANY ($1)) \
                 FROM seat_changes WHERE event_id = ANY ($1) AND cause = 'LAPSED'";
    let found = sql.query_one(query, &[&events, &instant]).await?;
    let (written, published, transactions, seats): (f64, i64, i64, i64) = (
        found.try_get(0)?,
        found.try_get(1)?,
        found.try_get(2)?,
        found.try_get(3)?,
    );
    if published != seats {
        return Err(format!("the run is void: {published} of {seats} were published").into());
    }
    Ok(format!("{written:.3} | {readable:.3} | {transactions} |"))
}

/// Makes a hold of each seat, in no order; answers when all of them lapse.
async fn hold(sql: &Client, events: &Vec<i64>) -> Outcome<String> {
    let statement = format!(
        "WITH wanted AS MATERIALIZED ( \
             SELECT event_id, seat_no, gen_random_uuid() AS id FROM seats \
             WHERE event_id = ANY ($1)), \
         held AS ( \
             UPDATE seats SET version = version + 1, status = 'HELD', owner_id = id, \
                 held_until = now() + interval '{AHEAD}', cause = 'HELD', actor = 'bench' \
             FROM wanted WHERE (seats.event_id, seats.seat_no) = \
                 (wanted.event_id, wanted.seat_no)) \
         INSERT INTO holds (event_id, id, token_hash, buyer, status, seat_nos, amounts, \
                            currency, expires_at) \
         SELECT event_id, id, sha256('secret'), NULL, 'ACTIVE', ARRAY[seat_no], \
                ARRAY[3000::bigint], 'EUR', now() + interval '{AHEAD}' \
         FROM wanted ORDER BY id"
    );
    sql.execute(&statement, &[events]).await?;
    let query = "SELECT max(expires_at)::text, max(expires_at) > clock_timestamp() \
                 FROM holds WHERE event_id = ANY ($1)";
    let made = sql.query_one(query, &[events]).await?;
    if !made.try_get::<_, bool>(1)? {
        return Err("the holds had lapsed before they were made".into());
    }
    Ok(made.try_get(0)?)
}

/// Waits until no hold is left to publish; answers how long after the instant that was,
/// by the database's clock.
async fn until_published(sql: &Client, instant: &String) -> Outcome<f64> {
    let query = "SELECT extract(epoch FROM clock_timestamp() - $1::text::timestamptz)::float8, \
                     EXISTS (SELECT FROM holds WHERE status = 'ACTIVE' \
                             AND expires_at <= $1::text::timestamptz)";
    let statement = sql.prepare(query).await?;
    loop {
        let found = sql.query_one(&statement, &[instant]).await?;
        let (since, is_left): (f64, bool) = (found.try_get(0)?, found.try_get(1)?);
        if !is_left {
            return Ok(since);
        }
        if since > PATIENCE_SECONDS {
            return Err("usher does not publish what has lapsed".into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
