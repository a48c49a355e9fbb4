//! Redis, for what usher can do without: whatever is asked of it may fail, and then the
//! caller goes on as if there were none.
//!
//! ```text
//!            an operation fails, or takes too long: WARN, once
//!      up ────────────────────────────────────────────────────► away
//!       ▲                                                         │ left alone for a
//!       └───────────────── connected, PING answered: INFO ────────┘ growing pause
//! ```
//!
//! **Invariant:** nobody waits for a connection to be opened: while Redis is away an operation
//! fails at once. So an outage costs those who were waiting when it began one time limit, and
//! everybody else nothing.

use crate::config::RedisSettings;
use crate::model::causes::in_full;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisError, ServerErrorKind,
};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// How long it is left alone, at first and at last; up to twice that, so that processes
/// do not come back at the same moment.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A connection that was good for so long is no part of the outage before it.
const STEADY: Duration = Duration::from_mins(1);
/// How long it may take until it is connected to, if operations are to be quicker.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// A Redis, for any number of users; a clone is the same one.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    /// Where it is, for people; nothing in it is secret.
    place: String,
    prefix: String,
    limit: Duration,
    /// None while it is left alone.
    link: watch::Sender<Option<Link>>,
}

/// A program that Redis runs as a whole: nothing comes in between.
pub struct Script {
    text: &'static str,
    /// What Redis knows it by, once it was run.
    hash: String,
}

impl Script {
    /// The program of this text, in Lua.
    pub fn new(text: &'static str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }
}

#[derive(Clone)]
struct Link {
    connection: MultiplexedConnection,
    since: Instant,
    serial: u64,
}

/// The URL names no Redis that could be connected to. Its text is not shown: it may have the
/// password.
#[derive(Debug, thiserror::Error)]
#[error(
    "REDIS_URL cannot be read: it must look like redis://user:password@host:6379/0, \
     rediss://… for TLS, or unix:///path/to/socket"
)]
pub struct BadRedisUrl(#[source] BadUrl);

#[derive(Debug, thiserror::Error)]
enum BadUrl {
    #[error(transparent)]
    Unreadable(RedisError),
    #[error("#insecure is not supported: certificates are always verified")]
    Insecure,
}

/// An operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum RedisFailed {
    /// Redis was lost before, or right now, and is left alone for a while.
    #[error("Redis is away")]
    Away,
    /// Redis answered that it does not do this; other operations may do.
    #[error("Redis refused")]
    Refused(#[source] RedisError),
}

/// Why a connection is no good.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("no answer within {0:?}")]
    Silent(Duration),
    // It says what its source says.
    #[error("{0}")]
    Failed(RedisError),
}

impl Redis {
    /// The Redis that the settings name, if they name one. It is connected to at once, if it
    /// can be; otherwise [`Redis::keep`] goes on trying.
    ///
    /// # Errors
    /// When the URL cannot be read. A Redis that cannot be reached is no error.
    pub async fn open(settings: &RedisSettings) -> Result<Option<Self>, BadRedisUrl> {
        let Some(url) = settings.url() else {
            return Ok(None);
        };
        let (client, place) = read(url).map_err(BadRedisUrl)?;
        let shared = Shared {
            client,
            place,
            prefix: settings.prefix.clone(),
            limit: settings.timeout,
            link: watch::Sender::new(None),
        };
        let redis = Self {
            shared: Arc::new(shared),
        };
        match redis.connect(1).await {
            Ok(link) => redis.put_up(link),
            Err(error) => redis.say_away(&error),
        }
        Ok(Some(redis))
    }

    /// Connects again whenever the connection was lost, with growing pauses; never returns.
    /// Without it Redis stays away for good once it was lost.
    pub async fn keep(self) {
        // It was opened when nothing was counted yet.
        metrics::gauge!("usher_redis_up").set(if self.is_up() { 1.0 } else { 0.0 });
        let mut links = self.shared.link.subscribe();
        let mut pauses = new_pauses();
        let mut serial = 1;
        loop {
            // The sender is this one's own: there is no error.
            let since = links.borrow_and_update().as_ref().map(|link| link.since);
            let _ = links.wait_for(Option::is_none).await;
            if since.is_some_and(|since| since.elapsed() >= STEADY) {
                pauses = new_pauses();
            }
            loop {
                tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
                serial += 1;
                match self.connect(serial).await {
                    Ok(link) => {
                        self.put_up(link);
                        tracing::info!(redis = self.shared.place, "Redis is back");
                        break;
                    }
                    Err(error) => {
                        tracing::debug!(error = in_full(&error), "Redis is still away");
                    }
                }
            }
        }
    }

    /// The name of a key, which begins as all of usher's keys there do.
    pub fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.shared.prefix)
    }

    /// Whether an operation is worth trying.
    pub fn is_up(&self) -> bool {
        self.shared.link.borrow().is_some()
    }

    /// Does an operation, within the time limit.
    ///
    /// # Errors
    /// When it was not done, or nobody knows.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFailed> {
        let link = self.shared.link.borrow().clone();
        let Some(mut link) = link else {
            return Err(RedisFailed::Away);
        };
        let limit = self.shared.limit;
        let lost = match timeout(limit, command.query_async(&mut link.connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if is_about_the_command(&error) => {
                return Err(RedisFailed::Refused(error));
            }
            Ok(Err(error)) => Lost::Failed(error),
            Err(_) => Lost::Silent(limit),
        };
        self.lose(link.serial, &lost);
        Err(RedisFailed::Away)
    }

    /// Runs a script on one key, within the time limit for each of its round trips: one, or two
    /// when Redis does not know the script yet.
    ///
    /// # Errors
    /// When it was not run, or nobody knows.
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[String],
    ) -> Result<T, RedisFailed> {
        let call = |command: &str, what: &str| {
            let mut call = redis::cmd(command);
            call.arg(what).arg(1).arg(key).arg(arguments);
            call
        };
        match self.query(&call("EVALSHA", &script.hash)).await {
            Err(RedisFailed::Refused(error)) if is_unknown_script(&error) => {
                self.query(&call("EVAL", script.text)).await
            }
            answer => answer,
        }
    }

    async fn connect(&self, serial: u64) -> Result<Link, Lost> {
        let limit = self.shared.limit.max(CONNECT_LIMIT);
        // The limits are the ones here.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let client = &self.shared.client;
        let connecting = async {
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            redis::cmd("PING").exec_async(&mut connection).await?;
            Ok(connection)
        };
        match timeout(limit, connecting).await {
            Ok(Ok(connection)) => Ok(Link {
                connection,
                since: Instant::now(),
                serial,
            }),
            Ok(Err(error)) => Err(Lost::Failed(error)),
            Err(_) => Err(Lost::Silent(limit)),
        }
    }

    fn put_up(&self, link: Link) {
        metrics::gauge!("usher_redis_up").set(1.0);
        self.shared.link.send_replace(Some(link));
    }

    /// Drops the connection, if nobody else has: many may find it lost at the same time.
    fn lose(&self, serial: u64, lost: &Lost) {
        let is_first = self.shared.link.send_if_modified(|link| {
            let is_this = link.as_ref().is_some_and(|link| link.serial == serial);
            if is_this {
                *link = None;
            }
            is_this
        });
        if is_first {
            self.say_away(lost);
        }
    }

    fn say_away(&self, lost: &Lost) {
        metrics::gauge!("usher_redis_up").set(0.0);
        tracing::warn!(
            redis = self.shared.place,
            error = in_full(lost),
            "Redis is away: going on without it, and trying again"
        );
    }
}

fn new_pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Whether Redis serves, and only does not do this: a key is of another type, it may not be
/// written, there is no room for more. A server that is loading, or has become a replica,
/// is connected to anew, because another one may be there by then.
fn is_about_the_command(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::ResponseError | ServerErrorKind::NoPerm | ServerErrorKind::NoScript,
        )
        | ErrorKind::UnexpectedReturnType => true,
        ErrorKind::Extension => matches!(
            error.code(),
            Some("WRONGTYPE" | "OOM" | "MISCONF" | "NOREPLICAS")
        ),
        _ => false,
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Reads a URL; answers where it leads, for people.
fn read(url: &SecretString) -> Result<(Client, String), BadUrl> {
    let info = url
        .expose_secret()
        .into_connection_info()
        .map_err(BadUrl::Unreadable)?;
    let place = match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => return Err(BadUrl::Insecure),
        address => address.to_string(),
    };
    let client = Client::open(info).map_err(BadUrl::Unreadable)?;
    Ok((client, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_secrets() {
        for (url, shown) in [
            ("redis://localhost", "localhost:6379"),
            (
                "redis://anna:hunter2@example.org:7000/3",
                "example.org:7000",
            ),
            ("rediss://:hunter2@example.org", "example.org:6379"),
            ("unix:///run/redis.sock?pass=hunter2", "/run/redis.sock"),
        ] {
            let (_, place) = read(&url.into()).unwrap();
            assert_eq!(place, shown);
        }
    }

    #[test]
    fn a_bad_url_is_refused_and_not_shown() {
        for bad in [
            "hunter2",
            "http://hunter2@example.org",
            "redis://",
            "redis://hunter2:port@example.org:hunter2",
            "redis://example.org/hunter2",
            "rediss://:hunter2@example.org#insecure",
        ] {
            let error = read(&bad.into()).map(|_| ()).unwrap_err();
            let text = in_full(&BadRedisUrl(error));
            assert!(text.starts_with("REDIS_URL cannot be read"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
