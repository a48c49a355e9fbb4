//! How long a client may have the server wait until it takes more of what is sent to it.
//!
//! It owns one number, the time that is owed. While there is something to send and no room for
//! it, that grows with the time; each byte that is taken, and each moment in which nothing waits,
//! takes from it. Whoever takes nothing has used up the patience when it is over, and whoever
//! takes a little now and then soon after: less than the slowest rate is not enough in the long
//! run, however well the pauses are chosen. It must never look at the bytes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// What is left of the patience with one client.
pub struct SendPatience {
    patience: Duration,
    /// Bytes a second.
    slowest_rate: f64,
    owed: Duration,
    /// When that was so.
    at: Instant,
    /// Set while there is something to send and no room for it.
    until: Option<Pin<Box<Sleep>>>,
}

impl SendPatience {
    /// With a client that has kept nobody waiting yet.
    pub fn new(patience: Duration, slowest_rate: u32) -> Self {
        Self {
            patience,
            slowest_rate: f64::from(slowest_rate.max(1)),
            owed: Duration::ZERO,
            at: Instant::now(),
            until: None,
        }
    }

    /// Whether there is something to send and no room for it.
    pub fn is_tried(&self) -> bool {
        self.until.is_some()
    }

    /// So many bytes had room.
    pub fn sent(&mut self, bytes: usize) {
        let now = Instant::now();
        // Most is sent to those who owe nothing.
        if self.until.is_some() || !self.owed.is_zero() {
            self.settle(now);
            self.owed = self.owed.saturating_sub(self.worth_of(bytes));
        }
        self.until = None;
        self.at = now;
    }

    /// There is no room. Resolves when the patience is over.
    pub fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.until.is_none() {
            let now = Instant::now();
            self.settle(now);
            self.at = now;
            let left = self.patience.saturating_sub(self.owed);
            self.until = Some(Box::pin(sleep(left)));
        }
        match &mut self.until {
            Some(until) => until.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    fn settle(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.owed = if self.until.is_some() {
            self.owed.saturating_add(passed)
        } else {
            self.owed.saturating_sub(passed)
        };
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes")]
    fn worth_of(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.slowest_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::noop_waker_ref;
    use tokio::time::advance;

    const PATIENCE: Duration = Duration::from_secs(30);
    const RATE: u32 = 4096;

    fn is_over(patience: &mut SendPatience) -> bool {
        let mut context = Context::from_waker(noop_waker_ref());
        patience.poll_over(&mut context).is_ready()
    }

    /// How long one is waited for who takes so much after each such pause, and leaves no room;
    /// none if it is for an hour.
    async fn waited_for(bytes: usize, pause: Duration) -> Option<Duration> {
        let mut patience = SendPatience::new(PATIENCE, RATE);
        let began = Instant::now();
        while began.elapsed() < Duration::from_hours(1) {
            assert!(!is_over(&mut patience), "its time is not over yet");
            advance(pause).await;
            if is_over(&mut patience) {
                return Some(began.elapsed());
            }
            patience.sent(bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_or_too_little_is_not_waited_for() {
        let second = Duration::from_secs(1);
        // A byte a second, and a hundred.
        assert_eq!(waited_for(1, second).await.unwrap().as_secs(), 31);
        assert!(waited_for(100, second).await.unwrap().as_secs() < 35);
        // Half of the slowest rate, in whatever pieces.
        assert_eq!(waited_for(2048, second).await.unwrap().as_secs(), 59);
        assert!(waited_for(20 * 2048, 20 * second).await.unwrap().as_secs() < 65);
        // Much at once, and then nothing for too long.
        assert_eq!(waited_for(1_000_000, 31 * second).await, Some(31 * second));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_enough_is_waited_for() {
        let second = Duration::from_secs(1);
        assert_eq!(waited_for(4_200, second).await, None);
        assert_eq!(waited_for(29 * 4_200, 29 * second).await, None);
        assert_eq!(waited_for(1_000_000, 29 * second).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_without_trouble_is_credited() {
        let mut patience = SendPatience::new(PATIENCE, RATE);
        for _ in 0..10 {
            // A tunnel, and the time until the next one, with little to be sent meanwhile.
            assert!(!is_over(&mut patience));
            advance(Duration::from_secs(25)).await;
            assert!(!is_over(&mut patience));
            patience.sent(100);
            assert!(!patience.is_tried());
            advance(Duration::from_secs(30)).await;
            patience.sent(100);
        }
    }
}
