//! Where connections lead, and how each of them is opened.

use crate::config::DatabaseSettings;
use crate::db::database_url::{self, BadUrl, ConnectFailed, OpenError};
use crate::db::{encryption, timeouts, tls};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use secrecy::SecretString;
use std::io;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long what was sent may stay without an acknowledgement, and silence without a probe.
/// A host that is gone without a word, as after a failover, is given up after half a
/// minute; the system alone would take a quarter of an hour, or two hours for a listener.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How often a probe is sent again, and how many times.
const PROBES: (Duration, u32) = (Duration::from_secs(10), 3);

/// What tokio-postgres has unless a URL says otherwise.
const NO_PROBES_FOR: Duration = Duration::from_hours(2);

/// How long opening a connection may take in all, over all hosts of the URL.
const OPENING_TIMEOUT: Duration = Duration::from_secs(30);

/// How a URL is called that nobody has named.
const THE_URL: &str = "the database's URL";

/// The role that a URL names.
pub(super) fn role(url: &SecretString) -> Result<String, OpenError> {
    let (config, _) = database_url::read(url).map_err(bad_url)?;
    let role = config.get_user().ok_or_else(|| bad_url(BadUrl::NoUser))?;
    Ok(role.to_owned())
}

fn bad_url(source: BadUrl) -> OpenError {
    OpenError::Url {
        setting: THE_URL,
        source,
    }
}

/// Where connections lead, and with what they are opened.
pub(super) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    place: String,
}

impl Server {
    /// The one that `url` names.
    pub(super) fn new(url: &SecretString, settings: &DatabaseSettings) -> Result<Self, OpenError> {
        let (config, tls) = database_url::read(url).map_err(bad_url)?;
        Ok(Self {
            place: database_url::place(&config),
            tls: tls::connector(&tls).map_err(|source| OpenError::Tls {
                setting: THE_URL,
                source,
            })?,
            config: with_settings(config, settings),
        })
    }

    /// Host, port and database, for people. Nothing in it is secret.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The error of a connection that could not be opened.
    pub(super) fn failed(&self, source: ConnectFailed) -> OpenError {
        OpenError::Connect {
            place: self.place.clone(),
            source,
        }
    }

    /// A connection, and what there is to say about all of them, which is said once.
    pub(super) async fn connect_first(&self) -> Result<AsyncPgConnection, OpenError> {
        let opened = self.connect().await;
        let mut connection = opened.map_err(|error| self.failed(error))?;
        encryption::warn_if_missing(&self.config, &mut connection).await;
        timeouts::warn_if_missing(&self.config, &mut connection).await;
        Ok(connection)
    }

    /// A connection.
    pub(super) async fn connect(&self) -> Result<AsyncPgConnection, ConnectFailed> {
        // The driver's own limit ends when the line is up, and who has taken it may say nothing.
        let opening = tokio::time::timeout(OPENING_TIMEOUT, self.open());
        opening
            .await
            .map_err(|_| ConnectFailed::new(io::Error::from(io::ErrorKind::TimedOut)))?
    }

    async fn open(&self) -> Result<AsyncPgConnection, ConnectFailed> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(ConnectFailed::new)?;
        let mut connection = AsyncPgConnection::try_from_client_and_connection(client, connection)
            .await
            .map_err(ConnectFailed::new)?;
        // Lets `failure` know a deadlock by its message. A role that may not set it
        // has the server's language, where deadlocks are then reported, not retried.
        let _ = connection.batch_execute("SET lc_messages = 'C'").await;
        Ok(connection)
    }
}

/// What the settings say, where the URL does not say it itself.
fn with_settings(mut config: Config, settings: &DatabaseSettings) -> Config {
    if config.get_application_name().is_none() {
        config.application_name("usher");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(5));
    }
    // tokio-postgres itself sees to it that nothing waits for company (TCP_NODELAY).
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if config.get_keepalives_idle() == NO_PROBES_FOR {
        config.keepalives_idle(UNACKNOWLEDGED);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(PROBES.0);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(PROBES.1);
    }
    let options = timeouts::options(settings, config.get_options());
    config.options(options);
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Concurrency;

    fn configured(url: &str) -> Config {
        let settings = DatabaseSettings {
            concurrency: Concurrency::Optimistic,
            connections: 1,
            queue: 1,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
            idle_transaction_timeout: Duration::from_secs(1),
        };
        with_settings(url.parse().unwrap(), &settings)
    }

    #[test]
    fn a_host_that_is_gone_is_given_up_soon() {
        let config = configured("postgres://host/usher");
        assert!(config.get_keepalives());
        assert_eq!(config.get_keepalives_idle(), UNACKNOWLEDGED);
        assert_eq!(config.get_keepalives_interval(), Some(PROBES.0));
        assert_eq!(config.get_keepalives_retries(), Some(PROBES.1));
        assert_eq!(config.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED));
    }

    #[test]
    fn what_the_url_says_itself_counts() {
        let config = configured(
            "postgres://host/usher?tcp_user_timeout=7&keepalives_idle=8\
             &keepalives_interval=9&keepalives_retries=1&connect_timeout=2&application_name=a",
        );
        let seconds = Duration::from_secs;
        assert_eq!(config.get_tcp_user_timeout(), Some(&seconds(7)));
        assert_eq!(config.get_keepalives_idle(), seconds(8));
        assert_eq!(config.get_keepalives_interval(), Some(seconds(9)));
        assert_eq!(config.get_keepalives_retries(), Some(1));
        assert_eq!(config.get_connect_timeout(), Some(&seconds(2)));
        assert_eq!(config.get_application_name(), Some("a"));
    }
}
