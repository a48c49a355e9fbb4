//! Which Redis is shared, if one is.

use super::reading::{path, some_time};
use super::secret::{self, Secret, SecretError};
use clap::Args;
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// Which Redis is shared with other processes, if one is. Nothing is kept there that usher
/// could not do without.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Redis")]
pub struct RedisSettings {
    /// A Redis to share rate limits and warm maps through, as a URL. Without it each process
    /// counts alone, and reads its maps from PostgreSQL.
    #[arg(
        global = true,
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    redis_url: Option<Secret>,
    /// A file with that URL, in place of it.
    #[arg(global = true, long, env = "REDIS_URL_FILE", value_name = "FILE")]
    #[arg(value_parser = path)]
    redis_url_file: Option<PathBuf>,
    /// How long one operation in Redis may take. One that takes longer is given up, and
    /// Redis is left alone for a while.
    #[arg(
        global = true,
        long = "redis-timeout",
        env = "USHER_REDIS_TIMEOUT",
        id = "redis_timeout"
    )]
    #[arg(default_value = "100ms", value_parser = some_time, value_name = "TIME")]
    pub timeout: Duration,
    /// What all keys in Redis begin with.
    #[arg(
        global = true,
        long = "redis-prefix",
        env = "USHER_REDIS_PREFIX",
        id = "redis_prefix"
    )]
    #[arg(default_value = "usher", value_parser = key_prefix, value_name = "TEXT")]
    pub prefix: String,
}

impl RedisSettings {
    /// These settings with this URL.
    pub fn new(redis_url: Option<SecretString>, timeout: Duration, prefix: String) -> Self {
        Self {
            redis_url: redis_url.map(Secret::from),
            redis_url_file: None,
            timeout,
            prefix,
        }
    }

    /// Reads the URL if it is given in a file.
    ///
    /// # Errors
    /// When that holds no secret, or is given beside the URL itself.
    pub(super) fn read_file(&mut self) -> Result<(), SecretError> {
        let file = self.redis_url_file.take();
        self.redis_url = secret::given("REDIS_URL", self.redis_url.as_ref(), file.as_deref())?;
        Ok(())
    }

    /// The Redis to use, if one is named. An empty variable names none.
    pub fn url(&self) -> Option<&SecretString> {
        self.redis_url.as_ref().and_then(Secret::get)
    }
}

/// What people can read and type when they look for the keys.
fn key_prefix(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic();
    if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("give 1 to 64 printable ASCII characters without spaces".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_plain_text() {
        assert_eq!(key_prefix("usher:blue").as_deref(), Ok("usher:blue"));
        for bad in ["", "two words", "é", &"x".repeat(65)] {
            assert!(key_prefix(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_variable_names_no_redis() {
        let settings = |url: &str| {
            let url = Some(SecretString::from(url));
            RedisSettings::new(url, Duration::from_millis(100), "usher".to_owned())
        };
        assert!(settings("").url().is_none());
        assert!(settings("redis://localhost").url().is_some());
    }
}
