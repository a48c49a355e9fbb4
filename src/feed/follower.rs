//! Reads the feed of all events, in commit order, and leads the live maps on.
//!
//! One task a process, on a connection of its own, so that requests never keep it waiting
//! for one. News wakes it; without any it looks every few seconds. It reads up to the horizon,
//! below which all transactions have ended; what is committed above it is looked for again
//! soon, because a transaction before it is still running.

use crate::db::changes;
use crate::db::feed_state::{self, FeedState, KnownFeed};
use crate::db::query_plans;
use crate::db::transaction_id::TransactionId;
use crate::feed::reconnecting::pauses;
use crate::feed::{Feed, FeedError};
use crate::model::causes::in_full;
use backon::BackoffBuilder;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// It looks this often even when nobody tells it to.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// Where the feed is kept is found out anew this often: what the role may ask for that can have
/// been granted to it meanwhile.
const LOCATED_EVERY: Duration = Duration::from_secs(5);
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

/// The transaction before which all had ended, and when that was seen. It was running then, if any
/// was.
#[derive(Clone, Copy)]
struct Oldest {
    transaction: TransactionId,
    seen: Instant,
}

/// Changes are committed that may not be read yet, because of one transaction.
struct HeldBack {
    /// That one.
    holder: TransactionId,
    /// When it was first seen.
    since: Instant,
    next_look: Duration,
    named: Option<Instant>,
}

impl HeldBack {
    /// What is known of the transaction that holds the feed back now. With another one than
    /// before all begins anew: short ones that follow one another closely may hold something
    /// back at every look, and none of them is to blame.
    fn by(known: &mut Option<Self>, oldest: Oldest) -> &mut Self {
        let Oldest { transaction, seen } = oldest;
        if known.as_ref().is_some_and(|one| one.holder != transaction) {
            *known = None;
        }
        known.get_or_insert_with(|| Self {
            holder: transaction,
            since: seen,
            next_look: SHORTEST_HELD_BACK,
            named: None,
        })
    }

    /// How long to wait before the next look; longer each time.
    fn pause(&mut self) -> Duration {
        let pause = self.next_look;
        self.next_look = (pause * 2).min(LONGEST_HELD_BACK);
        pause
    }

    /// Whether it is time to say who it is: it counts as said.
    fn is_to_be_named(&mut self, now: Instant) -> bool {
        let was_named = self.named.is_some_and(|named| now - named < NAMED_EVERY);
        let is_due = now - self.since >= PATIENCE && !was_named;
        if is_due {
            self.named = Some(now);
        }
        is_due
    }
}

impl Follower {
    async fn follow(
        &mut self,
        mut connected: impl FnMut(),
    ) -> Result<std::convert::Infallible, FeedError> {
        let mut connection = self.feed.shared.database.dedicated_connection().await?;
        in_time(connection.batch_execute(query_plans::IN_ORDER)).await?;
        let mut known = None;
        let mut located = Instant::now();
        loop {
            self.news.mark_unchanged();
            if located.elapsed() >= LOCATED_EVERY {
                known = None;
                located = Instant::now();
            }
            let oldest = self.catch_up(&mut connection, &mut known).await?;
            self.last_round = Instant::now();
            connected();
            self.feed.shared.maps.drop_idle();
            let pause = if let Some(oldest) = oldest {
                self.note_held_back(&mut connection, oldest).await?
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

    /// Reads all that may be read; when there is more, or may be, answers what had not ended yet.
    async fn catch_up(
        &self,
        connection: &mut AsyncPgConnection,
        known: &mut Option<KnownFeed>,
    ) -> Result<Option<Oldest>, FeedError> {
        let maps = &self.feed.shared.maps;
        let look = in_time(feed_state::look(connection, known)).await?;
        let mut state = look.state;
        let oldest = Oldest {
            transaction: state.horizon,
            seen: Instant::now(),
        };
        if maps.meet(&look) {
            maps.end_round(state.horizon);
            metrics::gauge!("usher_feed_lag_seconds").set(0.0);
            return Ok(look.is_held_back.then_some(oldest));
        }
        let mut lag = 0.0_f64;
        loop {
            let position = maps.progress().position;
            let page = in_time(changes::page(connection, position, state.horizon, PAGE)).await?;
            let afterwards = in_time(feed_state::afterwards(connection, &state)).await?;
            state.pruned_before = afterwards.pruned_before;
            if maps.is_lost(&state) {
                // The page may lack what was pruned before it was read: begin again.
                return Ok(Some(oldest));
            }
            if let Some(first) = page.first() {
                lag = lag.max(age(first.changed_at, &state));
            }
            maps.apply(&page);
            metrics::counter!("usher_feed_changes_total").increment(page.len() as u64);
            if page.len() < PAGE {
                maps.end_round(state.horizon);
                metrics::gauge!("usher_feed_lag_seconds").set(lag);
                return Ok(afterwards.is_held_back.then_some(oldest));
            }
            // The next page tells of what was read long ago: so does the lag.
            metrics::gauge!("usher_feed_lag_seconds").set(lag);
        }
    }

    /// Answers how long to wait before the next look.
    async fn note_held_back(
        &mut self,
        connection: &mut AsyncPgConnection,
        oldest: Oldest,
    ) -> Result<Duration, FeedError> {
        let held_back = HeldBack::by(&mut self.held_back, oldest);
        let pause = held_back.pause();
        let duration = oldest.seen - held_back.since;
        metrics::gauge!("usher_feed_held_back_seconds").set(duration.as_secs_f64());
        if held_back.is_to_be_named(oldest.seen) {
            let process = in_time(changes::oldest_writer(connection)).await?;
            tracing::warn!(
                ?duration,
                pid = process.as_ref().map(|process| process.pid),
                application_name = process
                    .as_ref()
                    .map(|process| process.application_name.as_str()),
                transaction_milliseconds = process.as_ref().map(|process| process.milliseconds),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn oldest(transaction: u64, seen: Instant) -> Oldest {
        let transaction = TransactionId(transaction);
        Oldest { transaction, seen }
    }

    #[test]
    fn whoever_holds_the_feed_back_for_long_is_named_and_not_all_the_time() {
        let (mut known, start) = (None, Instant::now());
        let mut named = Vec::new();
        for second in 0..25 {
            let now = start + Duration::from_secs(second);
            let held_back = HeldBack::by(&mut known, oldest(7, now));
            assert_eq!(now - held_back.since, Duration::from_secs(second));
            if held_back.is_to_be_named(now) {
                named.push(second);
            }
        }
        assert_eq!(named, [1, 11, 21]);
    }

    #[test]
    fn of_many_short_transactions_none_is_named_however_long_they_go_on() {
        let (mut known, start) = (None, Instant::now());
        for look in 0..100_u32 {
            let now = start + Duration::from_millis(300) * look;
            // Each is met three times.
            let held_back = HeldBack::by(&mut known, oldest((look / 3).into(), now));
            assert!(now - held_back.since < PATIENCE, "the oldest is the newest");
            assert!(!held_back.is_to_be_named(now));
        }
    }

    #[test]
    fn it_is_looked_for_soon_and_then_less_often_until_somebody_else_holds_the_feed_back() {
        let (mut known, now) = (None, Instant::now());
        let mut pauses = |holder| HeldBack::by(&mut known, oldest(holder, now)).pause();
        let of_one = [(); 7].map(|()| pauses(7).as_millis());
        assert_eq!(of_one, [5, 10, 20, 40, 80, 100, 100]);
        assert_eq!(pauses(8), SHORTEST_HELD_BACK);
    }
}
