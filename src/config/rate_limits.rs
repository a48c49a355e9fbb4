//! How much one caller may ask, and which proxies say who asks.
//!
//! It owns the form of a rate: points, and the time in which they come back. It must never
//! say what an operation costs.

use super::TrustedProxies;
use clap::Args;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

const READS: &str = "60000/1m";
const WRITES: &str = "12000/1m";
const SOCKETS: &str = "600/1m";
const SOCKET_MESSAGES: &str = "1000/20s";
const SOCKETS_PER_ADDRESS: u32 = 200;
const SUBSCRIPTIONS_PER_CALLER: u32 = 1_000;
const MESSAGES: &str = "10000/10s";
const MAX_SOCKETS: u32 = 50_000;

/// Points come back at most so often: the shared arithmetic counts in microseconds, and a
/// rate is to be true to a hundredth.
const MOST_PER_SECOND: u128 = 10_000;
const PERIODS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(24);

/// How much one caller may ask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rate limits")]
pub struct RateLimitSettings {
    /// What one caller may read: so many points of cost at once, and as many again within the
    /// time; or off.
    #[arg(
        global = true,
        long = "rate-reads",
        env = "USHER_RATE_READS",
        id = "rate_reads"
    )]
    #[arg(default_value = READS, value_name = "POINTS/TIME")]
    pub reads: RateLimit,
    /// What one caller may write, likewise.
    #[arg(
        global = true,
        long = "rate-writes",
        env = "USHER_RATE_WRITES",
        id = "rate_writes"
    )]
    #[arg(default_value = WRITES, value_name = "POINTS/TIME")]
    pub writes: RateLimit,
    /// How many sockets and event streams may be opened from one address, likewise.
    #[arg(
        global = true,
        long = "rate-sockets",
        env = "USHER_RATE_SOCKETS",
        id = "rate_sockets"
    )]
    #[arg(default_value = SOCKETS, value_name = "COUNT/TIME")]
    pub sockets: RateLimit,
    /// How many messages may come on one socket, pings among them, likewise.
    #[arg(
        global = true,
        long = "rate-socket-messages",
        env = "USHER_RATE_SOCKET_MESSAGES",
        id = "rate_socket_messages"
    )]
    #[arg(default_value = SOCKET_MESSAGES, value_name = "COUNT/TIME")]
    pub socket_messages: RateLimit,
    /// Sockets and event streams that may be open from one address at the same time.
    #[arg(
        global = true,
        long = "sockets-per-address",
        env = "USHER_SOCKETS_PER_ADDRESS"
    )]
    #[arg(default_value_t = SOCKETS_PER_ADDRESS, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub sockets_per_address: u32,
    /// Sockets and event streams that may be open in this process.
    #[arg(global = true, long = "max-sockets", env = "USHER_MAX_SOCKETS")]
    #[arg(default_value_t = MAX_SOCKETS, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_sockets: u32,
    /// Subscriptions that one caller may run at the same time.
    #[arg(
        global = true,
        long = "subscriptions-per-caller",
        env = "USHER_SUBSCRIPTIONS_PER_CALLER"
    )]
    #[arg(default_value_t = SUBSCRIPTIONS_PER_CALLER, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub subscriptions_per_caller: u32,
    /// How much may be done to make the messages of one caller's subscriptions: so many points at
    /// once, and as many again within the time; or off. Beyond it they come less often.
    #[arg(
        global = true,
        long = "rate-messages",
        env = "USHER_RATE_MESSAGES",
        id = "rate_messages"
    )]
    #[arg(default_value = MESSAGES, value_name = "POINTS/TIME")]
    pub messages: RateLimit,
    /// Proxies whose `X-Forwarded-For` and `X-Request-Id` are believed: addresses and
    /// networks, with commas between them.
    #[arg(global = true, long = "trusted-proxies", env = "USHER_TRUSTED_PROXIES")]
    #[arg(default_value = "", value_name = "NETWORKS")]
    pub trusted_proxies: TrustedProxies,
}

/// As without flags and variables.
impl Default for RateLimitSettings {
    fn default() -> Self {
        let known = |text: &str| text.parse().unwrap_or(RateLimit::Off);
        Self {
            reads: known(READS),
            writes: known(WRITES),
            sockets: known(SOCKETS),
            socket_messages: known(SOCKET_MESSAGES),
            sockets_per_address: SOCKETS_PER_ADDRESS,
            max_sockets: MAX_SOCKETS,
            subscriptions_per_caller: SUBSCRIPTIONS_PER_CALLER,
            messages: known(MESSAGES),
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

impl RateLimitSettings {
    /// Nobody is limited.
    pub fn off() -> Self {
        Self {
            reads: RateLimit::Off,
            writes: RateLimit::Off,
            sockets: RateLimit::Off,
            socket_messages: RateLimit::Off,
            sockets_per_address: u32::MAX,
            max_sockets: u32::MAX,
            subscriptions_per_caller: u32::MAX,
            messages: RateLimit::Off,
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

/// Whether something is limited, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// It is not.
    Off,
    /// By this rate.
    Rate(Rate),
}

/// So many points at once, and as many again within each period: a bucket of so many tokens
/// that is filled evenly, in one period from empty to full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    points: NonZeroU32,
    period: Duration,
}

impl Rate {
    /// So many within such a time: a second to a day, and no more than can be counted.
    pub(crate) const fn new(points: NonZeroU32, period: Duration) -> Self {
        Self { points, period }
    }

    /// How many points there are at most.
    pub fn points(self) -> NonZeroU32 {
        self.points
    }

    /// How long it takes until one point is there again, in whole microseconds: a little
    /// longer rather than shorter.
    pub fn interval(self) -> Duration {
        let points = u128::from(self.points.get());
        let micros = self.period.as_micros().div_ceil(points);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// How long it takes until all points are there again.
    pub fn window(self) -> Duration {
        self.interval() * self.points.get()
    }
}

/// Why a text says no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRate {
    /// It has another form.
    #[error("give a number and a time, such as 600/1m, or off")]
    Form,
    /// Nothing would ever be allowed.
    #[error("give a number of 1 to 4294967295 before the slash, or off")]
    Number,
    /// The time is none, or out of bounds.
    #[error("give a time from 1s to 24h after the slash, such as 600/1m")]
    Time,
    /// More than can be counted.
    #[error("give no more than {MOST_PER_SECOND} for each second, or off")]
    TooFast,
}

impl FromStr for RateLimit {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        if text.trim().eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        let (points, period) = text.split_once('/').ok_or(BadRate::Form)?;
        let points = points.trim().parse().map_err(|_| BadRate::Number)?;
        let period = period.trim();
        // A unit alone is one of it.
        let begins_with_number = period.starts_with(|first: char| first.is_ascii_digit());
        let period = if begins_with_number {
            humantime::parse_duration(period)
        } else {
            humantime::parse_duration(&format!("1{period}"))
        };
        let period = period.map_err(|_| BadRate::Time)?;
        if !PERIODS.contains(&period) {
            return Err(BadRate::Time);
        }
        let rate = Rate { points, period };
        if u128::from(rate.points.get()) * 1_000 > MOST_PER_SECOND * period.as_millis() {
            return Err(BadRate::TooFast);
        }
        Ok(Self::Rate(rate))
    }
}

/// As it is read.
impl fmt::Display for RateLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::Rate(Rate { points, period }) => {
                let period = humantime::format_duration(*period).to_string();
                write!(formatter, "{points}/{}", period.replace(' ', ""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        match text.parse() {
            Ok(RateLimit::Rate(rate)) => rate,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_rate_is_points_and_a_time() {
        let read = rate("600/1m");
        assert_eq!(read.points().get(), 600);
        assert_eq!(read.interval(), Duration::from_millis(100));
        assert_eq!(read.window(), Duration::from_mins(1));
        assert_eq!(rate("600/m"), read);
        assert_eq!(rate(" 600 / 60s "), read);
        assert_eq!("off".parse(), Ok(RateLimit::Off));
        assert_eq!("OFF".parse(), Ok(RateLimit::Off));
        for text in ["off", "600/1m", "7/1h30m"] {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn points_never_come_back_faster_than_was_said() {
        let odd = rate("7/1s");
        assert_eq!(odd.interval(), Duration::from_micros(142_858));
        assert!(odd.window() >= Duration::from_secs(1));
    }

    #[test]
    fn what_is_no_rate_says_what_to_give() {
        for (text, error) in [
            ("", BadRate::Form),
            ("600", BadRate::Form),
            ("600 per minute", BadRate::Form),
            ("0/1m", BadRate::Number),
            ("-1/1m", BadRate::Number),
            ("many/1m", BadRate::Number),
            ("5000000000/1m", BadRate::Number),
            ("600/", BadRate::Time),
            ("600/soon", BadRate::Time),
            ("600/1ms", BadRate::Time),
            ("600/2days", BadRate::Time),
            ("10001/1s", BadRate::TooFast),
        ] {
            assert_eq!(text.parse::<RateLimit>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_defaults_are_rates() {
        let defaults = RateLimitSettings::default();
        for (limit, text) in [
            (defaults.reads, READS),
            (defaults.writes, WRITES),
            (defaults.sockets, SOCKETS),
            (defaults.messages, MESSAGES),
            (defaults.socket_messages, SOCKET_MESSAGES),
        ] {
            assert_eq!(limit.to_string(), text);
        }
    }
}
