//! Changes that are written past usher, more than anybody could buy: how far behind
//! the follower is, and when a watcher of one of the events is told. Each transaction is
//! followed by the notification that another usher would send.

use crate::crowd::Crowd;
use crate::event::{field, on_sale};
use crate::page::{Output, Page};
use crate::report::{Times, new_histogram};
use crate::sample::{self, Answered};
use crate::server::Server;
use crate::watch::last_change;
use crate::{Outcome, sound};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::time::{interval, sleep_until};
use tokio_postgres::Client;
use usher::model::ids::{EventId, SeatNo};

/// Connections that write, each to some of the events.
const WRITERS: usize = 4;
/// Seats of an event: a whole number of transactions.
const SEATS: usize = 5_000;
/// What usher says about itself.
const GAUGE: &str = "usher_feed_lag_seconds";
/// What wakes followers up.
const NOTIFY: &str = "NOTIFY usher_seat_changes";
/// How often the gauge is read.
const LOOK: Duration = Duration::from_millis(100);

/// How much is written, and where.
#[derive(clap::Args, Clone, Copy, Serialize)]
pub struct Lagging {
    /// Seats that change a second, in all events together.
    #[arg(long, default_value_t = 5000)]
    changes: u32,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Events, of which one is watched.
    #[arg(long, default_value_t = 5)]
    events: usize,
    /// Seats that change in one transaction.
    #[arg(long, default_value_t = 50)]
    batch: usize,
}

pub async fn run(lagging: Lagging, output: &Output) -> Outcome<()> {
    if lagging.batch == 0 || !SEATS.is_multiple_of(lagging.batch) {
        return Err(format!("give a batch that divides {SEATS}").into());
    }
    let server = Server::start(&[]).await?;
    let mut events = Vec::new();
    for _ in 0..lagging.events {
        events.push(on_sale(&server, &field(SEATS)).await?);
    }
    let watched = *events.first().ok_or("give one event at least")?;
    let crowd = Crowd::gather(&server.address, watched, 1).await?;
    let mut lags = new_histogram();
    let started = Instant::now();
    let written = tokio::select! {
        written = write(&server, &events, lagging) => written?,
        failed = follow_gauge(&server.address, &mut lags) => return failed,
    };
    let elapsed = started.elapsed();
    let seen = crowd.leave(last_change(&server, watched).await?).await?;
    if seen.unserved > 0 {
        return Err("the run is void: the watcher missed something".into());
    }
    sample::check(&server, watched, &seen.samples).await?;
    sound::check(&server).await?;
    let mut delays = Vec::new();
    for sample in &seen.samples {
        delays.push(sample.delays(&written.answered)?);
    }
    let page = report(
        lagging,
        &written,
        &Times::new(elapsed, delays),
        &lags,
        elapsed,
    );
    page.write("lag", &lagging, output)?;
    server.stop().await
}

/// What was written.
struct Written {
    changes: usize,
    /// Of the event that is watched.
    answered: Answered,
    /// How long after its time the latest transaction began.
    behind: Duration,
}

/// Changes seats at the rate, one event after the other.
async fn write(server: &Server, events: &[EventId], lagging: Lagging) -> Outcome<Written> {
    let pause = Duration::from_secs(1) * u32::try_from(lagging.batch)? / lagging.changes;
    let count = u64::from(lagging.changes) * u64::from(lagging.seconds);
    let count = usize::try_from(count)? / lagging.batch;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..WRITERS {
        let (sql, events) = (server.sql().await?, events.to_vec());
        let mut written = Written::new();
        tasks.push(tokio::spawn(async move {
            for turn in (number..count).step_by(WRITERS) {
                let due = started + pause * u32::try_from(turn)?;
                sleep_until(due.into()).await;
                written.behind = written.behind.max(due.elapsed());
                let event = events[turn % events.len()];
                let first = turn / events.len() * lagging.batch % SEATS;
                let changed = flip(&sql, event, first, lagging.batch).await?;
                let now = Instant::now();
                sql.batch_execute(NOTIFY).await?;
                written.changes += changed.len();
                if event == events[0] {
                    let answers = changed.into_iter().map(|change| (change, now));
                    written.answered.extend(answers);
                }
            }
            Outcome::Ok(written)
        }));
    }
    let mut all = Written::new();
    for task in tasks {
        let written = task.await??;
        all.changes += written.changes;
        all.answered.extend(written.answered);
        all.behind = all.behind.max(written.behind);
    }
    Ok(all)
}

impl Written {
    fn new() -> Self {
        Self {
            changes: 0,
            answered: Answered::new(),
            behind: Duration::ZERO,
        }
    }
}

/// Blocks seats that follow one another, or gives them back, in one transaction;
/// answers which came to which version.
async fn flip(
    sql: &Client,
    event: EventId,
    first: usize,
    count: usize,
) -> Outcome<Vec<(SeatNo, i32)>> {
    let statement = "UPDATE seats SET version = version + 1, actor = 'bench', \
             status = CASE status WHEN 'BLOCKED' THEN 'AVAILABLE' ELSE 'BLOCKED' END, \
             cause = CASE status WHEN 'BLOCKED' THEN 'UNBLOCKED' ELSE 'BLOCKED' END \
         WHERE event_id = $1 AND seat_no >= $2 AND seat_no < $3 RETURNING seat_no, version";
    let (first, end) = (SeatNo::try_from(first)?, SeatNo::try_from(first + count)?);
    let rows = sql.query(statement, &[&event.0, &first, &end]).await?;
    let change = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(change).collect()
}

/// Notes what usher says about its lag, in microseconds, for as long as anybody waits.
async fn follow_gauge(address: &str, lags: &mut Histogram<u64>) -> Outcome<()> {
    let mut again = interval(LOOK);
    loop {
        again.tick().await;
        let url = format!("http://{address}/metrics");
        let text = reqwest::get(url).await?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(GAUGE));
        if let Some(value) = value {
            let lag = Duration::from_secs_f64(value.trim().parse()?);
            lags.record(u64::try_from(lag.as_micros())?)?;
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
fn report(
    lagging: Lagging,
    written: &Written,
    arrivals: &Times,
    lags: &Histogram<u64>,
    elapsed: Duration,
) -> Page {
    let seconds = elapsed.as_secs_f64();
    let milliseconds = |quantile| match lags.len() {
        0 => "none".to_owned(),
        _ => format!("{:.1}", lags.value_at_quantile(quantile) as f64 / 1000.0),
    };
    println!(
        "{} seats a transaction, {} events, {seconds:.1} s\n",
        lagging.batch, lagging.events
    );
    let mut page = Page::default();
    page.head(&format!(
        "| changes/s | begun late ms | {GAUGE}, p50 ms | {GAUGE}, max ms \
         | commit to arrival, p50 ms | p99 ms | max ms |"
    ));
    page.row(&format!(
        "| {:.0} | {:.0} | {} | {} | {:.1} | {:.1} | {:.1} |",
        written.changes as f64 / seconds,
        written.behind.as_secs_f64() * 1000.0,
        milliseconds(0.5),
        milliseconds(1.0),
        arrivals.at(0.5),
        arrivals.at(0.99),
        arrivals.at(1.0),
    ));
    page
}
