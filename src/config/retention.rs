//! How long changes of seats are kept.

use clap::Args;
use std::time::Duration;

/// How long changes of seats are kept, for the history of a seat and for watchers that
/// come back: the same for all processes on one database, or the strictest one wins.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Retention")]
pub struct RetentionSettings {
    /// How long a watcher may be away and still be sent only what has changed. No change
    /// that is younger is pruned, however many there are.
    #[arg(global = true, long, env = "USHER_RESUME_WINDOW", value_name = "TIME")]
    #[arg(default_value = "24h", value_parser = kept_time)]
    pub resume_window: Duration,
    /// How long changes are kept; staff see them in the history of a seat.
    #[arg(
        global = true,
        long,
        env = "USHER_HISTORY_RETENTION",
        value_name = "TIME"
    )]
    #[arg(default_value = "400days", value_parser = kept_time)]
    pub history_retention: Duration,
    /// How many changes are kept at most, the newest of all events; without it there is
    /// no such bound. Those in the resume window are kept even so.
    #[arg(global = true, long, env = "USHER_HISTORY_CHANGES")]
    #[arg(value_parser = clap::value_parser!(i64).range(1..), value_name = "COUNT")]
    pub history_changes: Option<i64>,
}

impl RetentionSettings {
    /// Whether the settings go together.
    ///
    /// # Errors
    /// When what is in the resume window would not be kept.
    pub fn check(&self) -> Result<(), RetentionTooShort> {
        if self.resume_window <= self.history_retention {
            return Ok(());
        }
        Err(RetentionTooShort {
            resume_window: humantime::format_duration(self.resume_window),
            history_retention: humantime::format_duration(self.history_retention),
        })
    }
}

/// Changes would be pruned that watchers have been promised.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the resume window of {resume_window} is longer than changes are kept, {history_retention}: \
     shorten '--resume-window' or lengthen '--history-retention'"
)]
pub struct RetentionTooShort {
    resume_window: humantime::FormattedDuration,
    history_retention: humantime::FormattedDuration,
}

/// A time of a second to a century, which is as good as for ever.
fn kept_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_hours(36_525 * 24)).contains(&time) {
        Ok(time)
    } else {
        Err("give a time from 1s to 100years".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_kept_for_a_second_to_a_century() {
        assert_eq!(
            kept_time("400days"),
            Ok(Duration::from_hours(400 * 24)),
            "longer than a year"
        );
        assert!(kept_time("1s").is_ok());
        assert!(kept_time("100years").is_ok());
        for bad in ["0s", "999ms", "101years", "-1s", "soon", "", "400"] {
            assert!(kept_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_in_the_resume_window_may_be_too_old_to_keep() {
        let day = Duration::from_hours(24);
        let settings = |resume_window, history_retention| RetentionSettings {
            resume_window,
            history_retention,
            history_changes: None,
        };
        assert!(settings(day, day).check().is_ok());
        let error = settings(2 * day, day).check().unwrap_err().to_string();
        assert!(error.contains("of 2days is"), "{error}");
        assert!(error.contains("kept, 1day:"), "{error}");
    }
}
