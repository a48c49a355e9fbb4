//! What must hold of every database that usher has written, whatever happened.

use crate::support::House;
use crate::support::rules::RULES;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    what: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Every rule that is broken, with what breaks it.
pub async fn violations(connection: &mut AsyncPgConnection) -> Vec<String> {
    let mut violations = Vec::new();
    for (rule, query) in RULES {
        let found: Vec<Found> = diesel::sql_query(query).load(connection).await.unwrap();
        violations.extend(
            found
                .into_iter()
                .map(|found| format!("{rule}: {}", found.what)),
        );
    }
    violations
}

/// Fails when any rule is broken.
pub async fn assert_sound(house: &House) {
    let violations = violations(&mut house.sql().await).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

/// The rows that a table has, or that a condition of SQL picks.
pub async fn count(connection: &mut AsyncPgConnection, from: &str) -> i64 {
    let query = format!("SELECT count(*) AS count FROM {from}");
    diesel::sql_query(query)
        .get_result::<Count>(connection)
        .await
        .unwrap()
        .count
}
