//! Moments at which something ends, if it ends at all.

use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The moment of this process at which a time of the calendar comes; now, if it is past.
/// What is beyond the timer's range never comes.
pub fn moment_of(time: DateTime<Utc>, now: DateTime<Utc>) -> Option<Instant> {
    let left = (time - now).to_std().unwrap_or(Duration::ZERO);
    Instant::now().checked_add(left)
}

/// Resolves at a moment; without one, never.
pub async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[tokio::test(start_paused = true)]
    async fn a_time_is_a_moment_of_this_process() {
        let (now, started) = (Utc::now(), Instant::now());
        let after = |time| moment_of(time, now).map(|moment| moment - started);
        assert_eq!(
            after(now + TimeDelta::hours(1)),
            Some(Duration::from_hours(1))
        );
        assert_eq!(after(now - TimeDelta::hours(1)), Some(Duration::ZERO));
        // The end of the calendar comes, if the system's clock goes so far.
        let _ = after(DateTime::<Utc>::MAX_UTC);
        until(moment_of(now + TimeDelta::hours(1), now)).await;
        assert_eq!(started.elapsed(), Duration::from_hours(1));
    }
}
