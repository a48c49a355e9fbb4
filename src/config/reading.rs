//! What a flag or a variable may say, where several settings have the same rule. A variable that
//! is set to nothing says nothing.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// What was given. An empty text or path gives nothing.
pub(super) fn unless_empty<T: AsRef<OsStr> + ?Sized>(given: Option<&T>) -> Option<&T> {
    given.filter(|given| !given.as_ref().is_empty())
}

/// The path of a file or folder. Takes an empty variable, as clap's own does not:
/// [`unless_empty`] then says that there is none.
#[allow(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
pub(super) fn path(text: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(text))
}

/// Yes or no, in the words that clap knows. An empty variable is no, which clap's
/// own parser refuses; what is no word is a mistake.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
        "" | "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err("give true or false".to_owned()),
    }
}

/// A time of up to a year, or none at all.
pub(super) fn time_or_none(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Ok(Duration::ZERO),
        _ => some_time(text),
    }
}

/// A time of a millisecond to a year: none at all, or for ever, is a mistake.
///
/// # Errors
/// When the text is no such time.
pub fn some_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(1)..=Duration::from_hours(365 * 24)).contains(&time) {
        Ok(time)
    } else {
        Err("give a time from 1ms to 365days".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_neither_nothing_nor_for_ever() {
        assert_eq!(some_time("1m 30s"), Ok(Duration::from_secs(90)));
        for bad in [
            "0s",
            "1ns",
            "366days",
            "18446744073709551615s",
            "soon",
            "-1s",
            "",
        ] {
            assert!(some_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delay_may_be_none_but_not_for_ever() {
        assert_eq!(time_or_none("0s"), Ok(Duration::ZERO));
        assert_eq!(time_or_none("10s"), Ok(Duration::from_secs(10)));
        for bad in ["1ns", "366days", "soon", "-1s", ""] {
            assert!(time_or_none(bad).is_err(), "{bad}");
        }
    }
}
