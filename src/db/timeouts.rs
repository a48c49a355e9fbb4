//! The time limits that PostgreSQL itself keeps for usher's connections.
//!
//! They go with the start-up packet, so that no statement of any connection ever runs without
//! them, whether it is the pool's or a single one. What a URL says about them itself, in its
//! `options`, comes after them and counts: whoever writes that means it. Nothing else may take
//! them away without a word.

use crate::config::DatabaseSettings;
use crate::model::causes::in_full;
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::{Array, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio_postgres::Config;

const NAMES: [&str; 3] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
];

/// The `options` of a start-up packet with the limits, before those that a URL has itself.
pub(super) fn options(settings: &DatabaseSettings, own: Option<&str>) -> String {
    let limits = [
        settings.statement_timeout,
        settings.lock_timeout,
        settings.idle_transaction_timeout,
    ];
    let limits = NAMES.iter().zip(limits);
    let limits = limits.map(|(name, limit)| format!("-c {name}={}", limit.as_millis()));
    let all: Vec<String> = limits.chain(own.map(ToOwned::to_owned)).collect();
    all.join(" ")
}

/// Warns of limits that this connection, which was opened as `config` says, does not have though
/// its URL does not say so: a proxy that knows nothing of `options` may have left them out.
pub(super) async fn warn_if_missing(config: &Config, connection: &mut AsyncPgConnection) {
    match missing(connection).await {
        Ok(missing) => {
            let options = config.get_options().unwrap_or_default();
            let missing: Vec<String> = missing
                .into_iter()
                .filter(|name| !is_said_again(options, name))
                .collect();
            if !missing.is_empty() {
                tracing::warn!(
                    missing = missing.join(", "),
                    "connections to the database have no such limits: something on the way, as a \
                     connection pooler, has left out what usher asks for. Set them on the role: \
                     ALTER ROLE … SET statement_timeout = '10s'"
                );
            }
        }
        // No reason not to start.
        Err(error) => tracing::debug!(
            error = in_full(&error),
            "it is not known which limits connections to the database have"
        ),
    }
}

/// Whether these options set this limit once more, after usher's.
fn is_said_again(options: &str, name: &str) -> bool {
    // PostgreSQL takes --lock-timeout, too.
    options.replace('-', "_").matches(name).count() > 1
}

async fn missing(connection: &mut AsyncPgConnection) -> QueryResult<Vec<String>> {
    let names = NAMES.map(|name| format!("'{name}'")).join(", ");
    let missing = format!(
        "SELECT ARRAY(SELECT name FROM unnest(ARRAY[{names}]) AS name \
                      WHERE current_setting(name) = '0')"
    );
    sql::<Array<Text>>(&missing).get_result(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_itself_is_said_last_and_known() {
        let usher = "-c statement_timeout=10000 -c lock_timeout=2000";
        assert!(!is_said_again(usher, "lock_timeout"));
        for own in ["-c lock_timeout=0", "--lock-timeout=0", "-clock_timeout=0"] {
            let options = format!("{usher} {own}");
            assert!(is_said_again(&options, "lock_timeout"), "{own}");
            assert!(!is_said_again(&options, "statement_timeout"), "{own}");
        }
    }
}
