//! What is said once in a while, however often it happens: a log that grows with an attack
//! is part of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Something that may happen at any rate, and is said at a bounded one.
#[derive(Debug)]
pub struct Seldom {
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_said: Option<Instant>,
    times: u64,
}

impl Seldom {
    /// It is said once in this time.
    pub fn every(pause: Duration) -> Self {
        Self {
            pause,
            state: Mutex::default(),
        }
    }

    /// It has happened. If it is to be said now: how often it has since it was said last.
    pub fn now(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.times += 1;
        let is_due = state
            .last_said
            .is_none_or(|last| now.saturating_duration_since(last) >= self.pause);
        if !is_due {
            return None;
        }
        state.last_said = Some(now);
        Some(std::mem::take(&mut state.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_seldom_with_how_often_it_was() {
        let seldom = Seldom::every(Duration::from_secs(1));
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(seldom.at(after(0)), Some(1));
        assert_eq!(seldom.at(after(0)), None);
        assert_eq!(seldom.at(after(999)), None);
        assert_eq!(seldom.at(after(1_000)), Some(3));
        assert_eq!(seldom.at(after(5_000)), Some(1));
    }
}
