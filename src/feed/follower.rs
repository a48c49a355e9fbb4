//! Reads the feed of all events, in commit order, and leads the live maps on.
//!
//! One task a process, on a connection of its own, so that requests never keep it waiting
//! for one. News wakes it; without any it looks every few seconds. It reads up to the horizon,
//! below which all transactions have ended; what is committed above it is looked for again
//! soon, because a transaction before it is still running.

use crate::db::changes::{self, FeedState};
use crate::feed::reconnecting::pauses;
use crate::feed::{Feed, FeedError};
use crate::model::causes::in_full;
use backon::BackoffBuilder;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// It looks this often even when nobody tells it to.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// Changes that are read at once.
const PAGE: usize = 5_000;
/// How soon it looks again for what a running transaction holds back, at first and at last.
const SHORTEST_HELD_BACK: Duration = Duration::from_millis(5);
const LONGEST_HELD_BACK: Duration = Duration::from_millis(100);
/// From then on whoever holds the feed back is named, and this often.
const PATIENCE: Duration = Duration::from_secs(1);
const NAMED_EVERY: Duration = Duration::from_secs(10);
/// Longer than any statement may take: then the server is gone without a word.
const SILENCE: Duration = Duration::from_secs(30);

/// Follows for good: a lost connection is opened again, with growing pauses.
pub(super) async fn run(feed: Feed) {
    let mut follower = Follower {
        news: feed.shared.news.subscribe(),
        feed,
        held_back: None,
        last_round: Instant::now(),
    };
    let mut pause = pauses().build();
    let mut is_away = false;
    loop {
        let connected = || {
            pause = pauses().build();
            if std::mem::take(&mut is_away) {
                tracing::info!("the change feed is followed again");
            }
        };
        let Err(error) = follower.follow(connected).await;
        follower.feed.shared.maps.lose_sight();
        metrics::gauge!("usher_feed_lag_seconds").set(follower.last_round.elapsed().as_secs_f64());
        let error = in_full(&error);
        if is_away {
            tracing::debug!(error, "the change feed still cannot be followed");
        } else {
            tracing::warn!(error, "the change feed cannot be followed: trying again");
        }
        is_away = true;
        tokio::time::sleep(pause.next().unwrap_or(POLL)).await;
    }
}

struct Follower {
    feed: Feed,
    news: watch::Receiver<()>,
    held_back: Option<HeldBack>,
    /// When it last knew all that there was.
    last_round: Instant,
}

/// Changes are committed that may not be read yet.
struct HeldBack {
    since: Instant,
    next_look: Duration,
    named: Option<Instant>,
}

impl Follower {
    async fn follow(
        &mut self,
        mut connected: impl FnMut(),
    ) -> Result<std::convert::Infallible, FeedError> {
        let mut connection = self.feed.shared.database.dedicated_connection().await?;
        loop {
            self.news.mark_unchanged();
            let is_held_back = self.catch_up(&mut connection).await?;
            self.last_round = Instant::now();
            connected();
            self.feed.shared.maps.drop_idle();
            let pause = if is_held_back {
                self.note_held_back(&mut connection).await?
            } else {
                self.held_back = None;
                metrics::gauge!("usher_feed_held_back_seconds").set(0.0);
                POLL
            };
            // An error of the timer means nothing but "look again"; the sender lives as
            // long as the feed does.
            let _ = timeout(pause, self.news.changed()).await;
        }
    }

    /// Reads all that may be read; answers whether more is committed.
    async fn catch_up(&self, connection: &mut AsyncPgConnection) -> Result<bool, FeedError> {
        let maps = &self.feed.shared.maps;
        let mut state = in_time(changes::state(connection)).await?;
        let tip = if maps.is_to_skip(&state) {
            Some(in_time(changes::tip(connection, &state)).await?)
        } else {
            None
        };
        maps.meet(&state, tip);
        let mut lag = 0.0_f64;
        loop {
            let position = maps.progress().position;
            let page = in_time(changes::page(connection, position, state.horizon, PAGE)).await?;
            let afterwards = in_time(changes::afterwards(connection, &state)).await?;
            state.pruned_before = afterwards.pruned_before;
            if maps.is_lost(&state) {
                // The page may lack what was pruned before it was read: begin again.
                return Ok(true);
            }
            if let Some(first) = page.first() {
                lag = lag.max(age(first.changed_at, &state));
            }
            maps.apply(&page);
            metrics::counter!("usher_feed_changes_total").increment(page.len() as u64);
            if page.len() < PAGE {
                maps.end_round(state.horizon);
                metrics::gauge!("usher_feed_lag_seconds").set(lag);
                return Ok(afterwards.is_held_back);
            }
            // The next page tells of what was read long ago: so does the lag.
            metrics::gauge!("usher_feed_lag_seconds").set(lag);
        }
    }

    /// Answers how long to wait before the next look.
    async fn note_held_back(
        &mut self,
        connection: &mut AsyncPgConnection,
    ) -> Result<Duration, FeedError> {
        let held_back = self.held_back.get_or_insert_with(|| HeldBack {
            since: Instant::now(),
            next_look: SHORTEST_HELD_BACK,
            named: None,
        });
        let pause = held_back.next_look;
        held_back.next_look = (pause * 2).min(LONGEST_HELD_BACK);
        let duration = held_back.since.elapsed();
        metrics::gauge!("usher_feed_held_back_seconds").set(duration.as_secs_f64());
        let was_named = held_back
            .named
            .is_some_and(|named| named.elapsed() < NAMED_EVERY);
        if duration >= PATIENCE && !was_named {
            held_back.named = Some(Instant::now());
            let holder = in_time(changes::oldest_writer(connection)).await?;
            tracing::warn!(
                ?duration,
                pid = holder.as_ref().map(|holder| holder.pid),
                application_name = holder
                    .as_ref()
                    .map(|holder| holder.application_name.as_str()),
                transaction_milliseconds = holder.as_ref().map(|holder| holder.milliseconds),
                "a transaction that does not end holds the change feed back"
            );
        }
        Ok(pause)
    }
}

async fn in_time<T>(query: impl Future<Output = QueryResult<T>>) -> Result<T, FeedError> {
    match timeout(SILENCE, query).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(FeedError::Silent),
    }
}

/// In seconds, by the database's clock alone.
fn age(changed_at: DateTime<Utc>, state: &FeedState) -> f64 {
    (state.now - changed_at).as_seconds_f64().max(0.0)
}
