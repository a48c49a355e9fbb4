//! What a database has in it, for tests that say that nothing was changed.

use crate::support::House;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;

/// Every table that a request can write.
const TABLES: [&str; 11] = [
    "venues",
    "seating_plans",
    "plan_categories",
    "plan_zones",
    "plan_seats",
    "events",
    "event_prices",
    "seats",
    "holds",
    "bookings",
    "seat_changes",
];

/// The contents of one table: how many rows, and a hash of all of them.
#[derive(QueryableByName, Debug, PartialEq, Eq)]
struct Contents {
    #[diesel(sql_type = Text)]
    of: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
    #[diesel(sql_type = Text)]
    hash: String,
}

/// A house as it was at one moment.
pub struct Digest<'house> {
    house: &'house House,
    tables: Vec<Contents>,
}

impl<'house> Digest<'house> {
    /// Remembers what is in the house's database now.
    pub async fn of(house: &'house House) -> Self {
        let tables = tables(house).await;
        Self { house, tables }
    }

    /// Fails when anything is not as it was; `after` says what happened.
    pub async fn assert_unchanged(&self, after: &str) {
        let now = tables(self.house).await;
        assert_eq!(now, self.tables, "nothing must have changed after {after}");
    }
}

async fn tables(house: &House) -> Vec<Contents> {
    let queries = TABLES.map(|table| {
        format!(
            "SELECT '{table}' AS of, count(*) AS rows, \
                    md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) AS hash \
             FROM {table} t"
        )
    });
    diesel::sql_query(queries.join(" UNION ALL "))
        .load(&mut house.sql().await)
        .await
        .unwrap()
}
