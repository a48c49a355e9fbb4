//! Whether what goes to and fro between usher and the database can be read on
//! its way: `sslmode=prefer`, the default, says nothing when it is not encrypted.

use crate::model::causes::in_full;
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::net::IpAddr;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Warns when this connection, which was opened as `config` says, leaves the
/// machine unencrypted without anybody having asked for that.
pub(super) async fn warn_if_missing(config: &Config, connection: &mut AsyncPgConnection) {
    if !is_up_to_the_server(config) {
        return;
    }
    match is_encrypted(connection).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(
            "the connection to the database is not encrypted, because the server offered no TLS: \
             switch it on there and set sslmode=verify-full in DATABASE_URL, or sslmode=disable on \
             a network that you trust"
        ),
        // No reason not to start.
        Err(error) => tracing::debug!(
            error = in_full(&error),
            "it is not known whether the connection to the database is encrypted"
        ),
    }
}

/// Whether the server decides about encryption, and it matters. With `require` no
/// other connection is opened; who writes `disable` knows.
fn is_up_to_the_server(config: &Config) -> bool {
    let mut addresses = config.get_hostaddrs().iter();
    let leaves_the_machine = if addresses.len() > 0 {
        // Hosts are only names then, for the certificate.
        addresses.any(|address| !is_loopback(*address))
    } else {
        config.get_hosts().iter().any(|host| match host {
            Host::Tcp(name) => name
                .parse()
                .map_or(!name.eq_ignore_ascii_case("localhost"), |address| {
                    !is_loopback(address)
                }),
            Host::Unix(_) => false,
        })
    };
    config.get_ssl_mode() == SslMode::Prefer && leaves_the_machine
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The server's word for it. Behind a proxy it speaks of the proxy's connection.
async fn is_encrypted(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    sql::<Bool>("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .get_result(connection)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leaves_the_machine_by_default_needs_a_warning() {
        for (url, expected) in [
            ("postgres://u@db.example.org/d", true),
            ("postgres://u@db.example.org/d?sslmode=prefer", true),
            ("postgres://u@db.example.org/d?sslmode=require", false),
            ("postgres://u@db.example.org/d?sslmode=disable", false),
            ("postgres://u@10.0.0.1/d", true),
            ("postgres://u@[fd00::1]:5433/d", true),
            ("postgres://u@localhost.example.org/d", true),
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1:5433/d", false),
            ("postgres://u@127.1.2.3/d", false),
            ("postgres://u@[::1]/d", false),
            ("postgres://u@[::ffff:127.0.0.1]/d", false),
            ("postgres://u@%2Frun%2Fpostgresql/d", false),
            ("postgres://u@/d?host=/run/postgresql", false),
            ("host=/run/postgresql user=u", false),
            // One of several is enough: it may be the one that answers.
            ("postgres://u@localhost,db.example.org/d", true),
            // The address is what is connected to, whatever the host is called.
            ("host=localhost hostaddr=10.0.0.1 user=u", true),
            ("host=db.example.org hostaddr=127.0.0.1 user=u", false),
        ] {
            let config = url.parse().unwrap();
            assert_eq!(is_up_to_the_server(&config), expected, "{url}");
        }
    }
}
