//! Whether a run counts: the rules that the tests look for, in the database of its server.

use crate::Outcome;
use crate::rules::RULES;
use crate::server::Server;
use tokio_postgres::types::ToSql;
use usher::model::ids::EventId;

/// Fails when any rule is broken: the run is void.
pub async fn check(server: &Server) -> Outcome<()> {
    let sql = server.sql().await?;
    // Without statistics of what was just written, PostgreSQL compares each with each.
    sql.batch_execute("ANALYZE").await?;
    for (rule, query) in RULES {
        let broken = sql.query(query, &[]).await?;
        if let Some(first) = broken.first() {
            let (what, count): (String, _) = (first.try_get(0)?, broken.len());
            return Err(format!("the run is void: {rule}; broken {count} times: {what}").into());
        }
    }
    Ok(())
}

/// Fails unless the feed of an event has as many changes of this cause as the clients
/// were told of.
pub async fn check_told(server: &Server, event: EventId, cause: &str, told: u64) -> Outcome<()> {
    let query = "SELECT count(*) FROM seat_changes WHERE event_id = $1 AND cause = $2";
    let parameters: [&(dyn ToSql + Sync); 2] = [&event.0, &cause];
    let found = server.sql().await?.query_one(query, &parameters).await?;
    let found: i64 = found.try_get(0)?;
    if u64::try_from(found)? == told {
        return Ok(());
    }
    let message = format!("the run is void: clients were told of {told} {cause}, not {found}");
    Err(message.into())
}

/// Fails unless as many seats of these events are held as the clients were told.
pub async fn check_held(server: &Server, (first, last): (i64, i64), told: u64) -> Outcome<()> {
    let query = "SELECT count(*) FROM seats WHERE event_id BETWEEN $1 AND $2 AND status = 'HELD'";
    let found = server
        .sql()
        .await?
        .query_one(query, &[&first, &last])
        .await?;
    let found: i64 = found.try_get(0)?;
    if u64::try_from(found)? == told {
        return Ok(());
    }
    Err(format!("the run is void: clients were told of {told} holds, not {found}").into())
}
