//! Somebody who watches a hold: its seats, its end, and what becomes of it.
//!
//! The seats that it has are watched on the live map, and hints tell of what no seat tells
//! ([`HoldNews`]). Either only makes it look: what is shown is read from the database, and so
//! is the time at which it looks again at the latest, which is when the hold lapses.

use crate::domain::event_view;
use crate::domain::watch_hold::{WatchedHold, look_at_hold};
use crate::feed::{HoldNews, MapWatcher};
use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::services::Services;
use crate::graphql::types::hold::Hold;
use crate::model::Caller;
use crate::model::token::HoldToken;
use async_stream::stream;
use backon::{ExponentialBuilder, Retryable};
use futures_util::Stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The database's clock and this one's do not run at quite the same speed.
const SOONEST_LOOK: Duration = Duration::from_millis(10);
/// How often it is tried again while the database is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The hold of this token, for as long as it runs.
pub(super) async fn watch(
    services: Services,
    caller: Caller,
    token: &str,
) -> ApiResult<impl Stream<Item = ApiResult<Hold>> + Send + use<>> {
    let not_found = || ApiError::new(code::NOT_FOUND, "there is no running hold with this token");
    let token: HoldToken = token.parse().map_err(|_| not_found())?;
    let watch = HoldWatch {
        services,
        caller,
        token,
    };
    // Before its map is loaded: anybody can make up a token that names any event.
    watch.look_while_it_runs().await?.ok_or_else(not_found)?;
    // Registered first, read second: no change in between is missed.
    let mut news = watch.services.feed.hold_news();
    let mut map = watch.services.feed.watch_changes(watch.token.event).await?;
    let mut seen = watch.look_while_it_runs().await?.ok_or_else(not_found)?;
    let mut connection = watch.services.database.connection_for_request().await?;
    let plans = &watch.services.environment.plans;
    let event = watch.token.event;
    let (event, _) = event_view::find(&mut connection, plans, &watch.caller, event).await?;
    drop(connection);
    let event = Arc::new(event);
    Ok(stream! {
        loop {
            yield Ok(Hold::new(&event, seen.hold.clone(), seen.seats.clone()));
            if !seen.is_running() {
                return;
            }
            loop {
                watch.until_it_is_worth_looking(&seen, &mut map, &mut news).await;
                // It is there for as long as its event is.
                let Some(now) = watch.look_patiently().await else { return };
                let before = std::mem::replace(&mut seen, now);
                if !seen.looks_like(&before) {
                    break;
                }
            }
        }
    })
}

/// What a watcher of a hold looks with.
struct HoldWatch {
    services: Services,
    caller: Caller,
    token: HoldToken,
}

impl HoldWatch {
    async fn look(&self) -> ApiResult<Option<WatchedHold>> {
        let mut connection = self.services.database.connection_for_request().await?;
        Ok(look_at_hold(&mut connection, &self.token, &self.caller).await?)
    }

    async fn look_while_it_runs(&self) -> ApiResult<Option<WatchedHold>> {
        Ok(self.look().await?.filter(WatchedHold::is_running))
    }

    /// Waits for the database as long as it takes: a countdown that stops with an error would
    /// tell its buyer nothing.
    async fn look_patiently(&self) -> Option<WatchedHold> {
        let pauses = ExponentialBuilder::default()
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times()
            .with_jitter();
        let look = || self.look();
        look.retry(pauses).await.ok().flatten()
    }

    async fn until_it_is_worth_looking(
        &self,
        seen: &WatchedHold,
        map: &mut MapWatcher,
        news: &mut HoldNews,
    ) {
        let left = seen.left.max(SOONEST_LOOK);
        tokio::select! {
            touched = map.due_about(&seen.hold.seat_nos) => {
                if touched.is_err() {
                    // The map was given up. While there is no new one the hold is looked at
                    // now and then.
                    match self.services.feed.watch_changes(self.token.event).await {
                        Ok(anew) => *map = anew,
                        Err(_) => sleep(left.min(LONGEST_PAUSE)).await,
                    }
                }
            }
            () = news.of(self.token.hold) => {}
            () = sleep(left) => {}
        }
    }
}
