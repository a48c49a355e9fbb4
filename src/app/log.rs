//! Where log lines go: to standard error, because standard output is for what a command
//! answers, and those of the security log to a file of their own as well, if one is named.

use crate::config::{LogFormat, LogSettings};
use crate::trail;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

/// What logs for PostgreSQL's driver, and the name by which a filter asks for it.
const DRIVER: &str = "tokio_postgres";
/// What logs, at trace, every message of a WebSocket: tokens of callers and of holds. No filter
/// brings that back.
const MESSAGES: &str = "tungstenite";

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log filter cannot be read.
    #[error("{0:?} is no log filter: give one such as info or info,usher=debug")]
    BadFilter(String),
    /// The security log cannot be written.
    #[error("the security log {path} cannot be opened")]
    SecurityLog {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Begins to log.
///
/// # Errors
/// When the filter cannot be read, or the file of the security log not be opened.
pub fn start(settings: &LogSettings) -> Result<(), LogError> {
    let security = settings.security_log().map(security_log).transpose()?;
    registry().with(log(settings)?).with(security).init();
    Ok(())
}

fn log<S>(settings: &LogSettings) -> Result<impl Layer<S> + use<S>, LogError>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    let layer = fmt::layer()
        // When standard error is closed, it would panic over what it cannot say.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    let layer = match settings.format {
        LogFormat::Text => layer
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .boxed(),
        // Every line is in one span at most: it needs no list of them.
        LogFormat::Json => layer.json().with_span_list(false).boxed(),
    };
    // At debug the driver writes what is bound to every statement: names, tokens.
    // Nobody who asks for more of usher means that.
    let is_wanted = settings.filter.contains(DRIVER);
    let without_secrets = filter_fn(move |metadata| {
        let target = metadata.target();
        let has_parameters = target.starts_with(DRIVER) && *metadata.level() > Level::INFO;
        (is_wanted || !has_parameters) && !target.starts_with(MESSAGES)
    });
    let filtered = layer.with_filter(filter(&settings.filter)?);
    Ok(filtered.with_filter(without_secrets))
}

/// What is logged. The security log is, unless the filter speaks of it: who turns the rest down
/// does not mean it.
fn filter(text: &str) -> Result<EnvFilter, LogError> {
    let security = if text.contains(trail::TARGET) {
        String::new()
    } else {
        format!(",{}=info", trail::TARGET)
    };
    EnvFilter::try_new(text)
        .and_then(|_| EnvFilter::try_new(format!("{text}{security}")))
        .map_err(|_| LogError::BadFilter(text.to_owned()))
}

/// The security log in a file that only its owner may read, and all of it, whatever is logged
/// else.
fn security_log<S>(path: &Path) -> Result<impl Layer<S> + use<S>, LogError>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    let layer = fmt::layer()
        .json()
        .with_target(false)
        .with_span_list(false)
        .log_internal_errors(false)
        .with_writer(Mutex::new(open(path)?));
    let is_security = filter_fn(|metadata| metadata.target() == trail::TARGET);
    Ok(layer.with_filter(is_security))
}

fn open(path: &Path) -> Result<File, LogError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| LogError::SecurityLog {
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_security_log_is_kept_unless_the_filter_speaks_of_it() {
        for (text, kept) in [
            ("warn", true),
            ("", true),
            ("off", true),
            ("usher::security=off", false),
            ("info,usher::security=error", false),
        ] {
            let filter = filter(text).unwrap().to_string();
            let is_kept = filter.contains("usher::security=info");
            assert_eq!(is_kept, kept, "{text:?} became {filter:?}");
        }
        assert!(filter("usher=loud").is_err());
    }
}
