//! How soon what was lost of the feed is asked for again: its connections, and maps.

use crate::feed::follower::POLL;
use backon::ExponentialBuilder;
use std::time::Duration;

/// Growing pauses, without an end, up to that between two looks at the feed.
pub fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(POLL)
        .without_max_times()
        .with_jitter()
}
