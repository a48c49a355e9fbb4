//! How often one caller is written down.

use super::local::LocalBudget;
use super::{Clock, LimitKey};
use crate::config::Rate;
use crate::model::seldom::Seldom;
use std::num::NonZeroU32;
use std::time::Duration;

/// Lines of the log that one caller may cause.
const LINES: Rate = Rate::new(NonZeroU32::new(60).unwrap(), Duration::from_mins(1));

/// How often it is said that some were left out.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// The lines that callers have caused in a log.
pub struct Mentions {
    lines: LocalBudget,
    left_out: Seldom,
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention {
    /// A line of its own.
    Line,
    /// How often there was none, because the same callers have many already.
    LeftOut(u64),
    /// Nothing.
    Nothing,
}

impl Mentions {
    /// Nobody is mentioned yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            lines: LocalBudget::new(LINES, clock),
            left_out: Seldom::every(SAID_EVERY),
        }
    }

    /// There is one more thing to be said of somebody.
    pub fn of(&self, key: &LimitKey) -> Mention {
        if self.lines.check(key, NonZeroU32::MIN).allowed {
            return Mention::Line;
        }
        self.left_out
            .now()
            .map_or(Mention::Nothing, Mention::LeftOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_is_summed_up_and_others_are_written_down() {
        let clock = Clock::by_hand();
        let mentions = Mentions::new(clock.clone());
        let (flood, other) = (
            LimitKey::Subject("flood".into()),
            LimitKey::Subject("other".into()),
        );
        for _ in 0..60 {
            assert_eq!(mentions.of(&flood), Mention::Line);
        }
        assert_eq!(mentions.of(&flood), Mention::LeftOut(1));
        assert_eq!(mentions.of(&flood), Mention::Nothing);
        assert_eq!(mentions.of(&other), Mention::Line);
        clock.advance(Duration::from_secs(1));
        assert_eq!(mentions.of(&flood), Mention::Line);
    }
}
