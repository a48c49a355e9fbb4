//! Several usher processes on one database, behind the proxy that is shipped for them:
//! what one does the others know, one may be killed or told to stop while people buy,
//! and none needs a right clock.

mod addresses;
mod clocks;
mod draining;
mod follower;
mod killed;
mod load;
mod telling;

use crate::support::program::Server;
use crate::support::proxy::Proxy;
use crate::support::{Event, House};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::RunQueryDsl;
use follower::Map;

/// An event, three processes that sell it, and HAProxy before them. The house's own
/// server is none of the three: it is where the test looks at what became of it all.
struct Deployment {
    house: House,
    event: Event,
    servers: [Server; 3],
    proxy: Proxy,
}

impl Deployment {
    /// With servers that have these flags, and an event of so many rows of 50 seats.
    async fn open(rows: usize, flags: &[&str]) -> Self {
        let house = House::open().await;
        let event = house.event(rows, 50).await;
        // All tests share one PostgreSQL, and it has its limit.
        let flags = [flags, &["--database-connections", "4"]].concat();
        let server = || Server::beside(&house, &flags);
        let servers = tokio::join!(server(), server(), server()).into();
        let proxy = Proxy::before(&servers).await;
        Self {
            house,
            event,
            servers,
            proxy,
        }
    }

    /// The map of the event as the tables have it.
    async fn truth(&self) -> Map {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Integer)]
            seat_no: i32,
            #[diesel(sql_type = BigInt)]
            version: i64,
            #[diesel(sql_type = Text)]
            status: String,
        }
        let rows: Vec<Row> =
            diesel::sql_query("SELECT seat_no, version::bigint, status FROM seats")
                .load(&mut self.house.sql().await)
                .await
                .unwrap();
        let seat = |row: Row| {
            let id = &self.event.seats[usize::try_from(row.seat_no).unwrap()].id;
            (id.clone(), (row.version, row.status))
        };
        rows.into_iter().map(seat).collect()
    }
}

impl Drop for Deployment {
    /// Whatever the servers would take their time for is over with the test.
    fn drop(&mut self) {
        for server in &self.servers {
            server.kill();
        }
    }
}

/// How many sockets a server has.
const SOCKETS: &str = "usher_websocket_connections";
