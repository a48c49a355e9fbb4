//! A database's URL: read, shown without its secrets, and explained when nobody
//! who could be used answers there.

use crate::db::tls;
use crate::db::tls::TlsError;
use crate::db::tls_options::{self, BadTlsOption, TlsOptions};
use crate::model::causes::in_full;
use secrecy::{ExposeSecret, SecretString};
use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL says nothing that could be connected to.
    #[error(
        "{setting} cannot be read: it must look like \
         postgres://user:password@host:5432/database?sslmode=verify-full, with the sslmode \
         disable, prefer, require or verify-full"
    )]
    Url {
        /// Where the URL was given.
        setting: &'static str,
        /// What is wrong with it.
        #[source]
        source: BadUrl,
    },
    /// What it says about TLS cannot be done.
    #[error("TLS to the database cannot be had ({setting})")]
    Tls {
        /// Where the URL was given.
        setting: &'static str,
        /// Why not.
        #[source]
        source: TlsError,
    },
    /// No connection that can be used was opened.
    #[error("cannot connect to {place}")]
    Connect {
        /// Where to, and how usher came to try it.
        place: String,
        /// Why not.
        #[source]
        source: ConnectFailed,
    },
}

/// What is wrong with a URL, without a part of it: any could be the password.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    /// It is none, or has an option that there is not.
    #[error(transparent)]
    Syntax(tokio_postgres::Error),
    /// The first one ends the password, and the rest would be taken for the host.
    #[error(
        "it has more than one @: in a user's name, in a password or after the host write it as %40"
    )]
    StrayAt,
    /// Nobody to connect to.
    #[error("it names no host")]
    NoHost,
    /// Nobody to give privileges to.
    #[error("it names no user")]
    NoUser,
    /// It asks for TLS in a way that there is not.
    #[error(transparent)]
    Tls(#[from] BadTlsOption),
}

/// A connection could not be opened.
#[derive(Debug)]
pub struct ConnectFailed {
    cause: Box<dyn Error + Send + Sync>,
}

impl OpenError {
    /// Adds where the place was named, for whoever has to correct it.
    #[must_use]
    pub fn named_by(self, setting: &'static str) -> Self {
        match self {
            Self::Connect { place, source } => Self::Connect {
                place: format!("{place} ({setting})"),
                source,
            },
            Self::Url { source, .. } => Self::Url { setting, source },
            Self::Tls { source, .. } => Self::Tls { setting, source },
        }
    }
}

impl ConnectFailed {
    pub(super) fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            cause: Box::new(cause),
        }
    }
}

/// The cause in full, and then what to do about it: that has to come last, and so
/// there is no source beside it.
impl Display for ConnectFailed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&in_full(self.cause.as_ref()))?;
        match hint(self.cause.as_ref()) {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Error for ConnectFailed {}

/// Reads a URL, which has to name a host.
pub(super) fn read(url: &SecretString) -> Result<(Config, TlsOptions), BadUrl> {
    let url = url.expose_secret();
    if has_stray_at(url) {
        return Err(BadUrl::StrayAt);
    }
    let (rest, tls) = tls_options::take(url)?;
    let config: Config = rest.parse().map_err(BadUrl::Syntax)?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(BadUrl::NoHost);
    }
    Ok((config, tls))
}

/// Whether an @ follows the one before the host: what stands between them is part
/// of the password, and would be shown as the host or the database.
fn has_stray_at(url: &str) -> bool {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    rest.is_some_and(|rest| rest.matches('@').count() > 1)
}

/// Where a URL leads: hosts, ports and database, and nothing that is secret.
pub(super) fn place(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    });
    let mut hosts: Vec<String> = hosts.collect();
    if hosts.is_empty() {
        let addresses = config.get_hostaddrs().iter();
        hosts = addresses.map(ToString::to_string).collect();
    }
    let ports = config.get_ports();
    let servers: Vec<String> = (0..)
        .zip(hosts)
        .map(|(number, host): (usize, _)| {
            // One port is every host's.
            let port = ports.get(number).or(ports.first()).unwrap_or(&5432);
            format!("{host}:{port}")
        })
        .collect();
    // Without a database's name the server takes the user's.
    let database = config.get_dbname().or(config.get_user());
    format!("{}/{}", servers.join(","), database.unwrap_or_default())
}

/// What to do about it, where that is known: the message alone has left people
/// guessing.
fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let by_code = [
        (
            SqlState::INVALID_PASSWORD,
            "check user and password; special characters are percent-encoded, as %40 for @",
        ),
        (
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            "check the user's name, and whether the server's pg_hba.conf lets it in from here",
        ),
        (
            SqlState::INVALID_CATALOG_NAME,
            "create it first, as with createdb, or name another one",
        ),
        (
            SqlState::TOO_MANY_CONNECTIONS,
            "let the server have more connections, or usher ask for fewer: \
             USHER_DATABASE_CONNECTIONS",
        ),
    ];
    let code = error
        .downcast_ref::<tokio_postgres::Error>()
        .and_then(tokio_postgres::Error::code);
    if let Some(code) = code {
        let known = by_code.into_iter().find(|(known, _)| known == code);
        return known.map(|(_, hint)| hint);
    }
    if let Some(hint) = tls::hint(error) {
        return Some(hint);
    }
    let message = in_full(error);
    if message.contains("does not support TLS") {
        return Some("switch TLS on there, or on a network that you trust set sslmode=disable");
    }
    if message.contains("password missing") {
        return Some("the server asks for one: postgres://user:password@host/database");
    }
    let is_silent = |kind| {
        matches!(
            kind,
            ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::TimedOut
        )
    };
    input_or_output(error)
        .is_some_and(is_silent)
        .then_some("is PostgreSQL running there, and does it listen on this address?")
}

/// What failed on the way to the server.
fn input_or_output(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(failure) = error.downcast_ref::<io::Error>() {
            return Some(failure.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_what_is_needed_to_find_it_and_no_secret() {
        for (url, expected) in [
            (
                "postgres://u:hunter2@db.example.org/d",
                "db.example.org:5432/d",
            ),
            (
                "postgres://u:hunter2@[::1]:5433/d?sslmode=disable",
                "[::1]:5433/d",
            ),
            ("postgres://u:hunter2@localhost", "localhost:5432/u"),
            (
                "postgres://u@/d?host=/run/postgresql",
                "/run/postgresql:5432/d",
            ),
            ("postgres://u:hunter%402@a:1,b:2/d", "a:1,b:2/d"),
            (
                "host=a,b port=6432 user=u password=hunter2",
                "a:6432,b:6432/u",
            ),
            (
                "hostaddr=10.0.0.1 dbname=d password=hunter2",
                "10.0.0.1:5432/d",
            ),
        ] {
            let (config, _) = read(&url.into()).unwrap();
            assert_eq!(place(&config), expected, "{url}");
        }
    }

    #[test]
    fn a_password_that_is_taken_for_something_else_is_not_shown() {
        for url in [
            "postgres://u:p@hunter2@localhost/d",
            "postgres://u:p@/hunter2@localhost/d",
            "postgres://u:p@?hunter2@localhost/d",
            "postgres://u:p@x?hunter2=@localhost/d",
            "postgres://u:p@x:hunter2@localhost/d",
        ] {
            let error = OpenError::Url {
                setting: "DATABASE_URL",
                source: read(&url.into()).unwrap_err(),
            };
            let text = in_full(&error);
            assert!(text.contains("%40"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_url_without_a_host_is_none() {
        for url in ["", "postgres://", "user=u password=hunter2"] {
            let error = read(&url.into()).unwrap_err();
            assert!(matches!(error, BadUrl::NoHost), "{error:?}");
        }
    }
}
