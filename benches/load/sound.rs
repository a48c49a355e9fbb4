//! Whether a run counts: the rules that the tests look for, in the database of its server.

use crate::Outcome;
use crate::rules::RULES;
use crate::server::Server;
use tokio_postgres::types::ToSql;
use usher::model::ids::EventId;

/// Fails when any rule is broken: the run is void.
pub async fn check(server: &Server) -> Outcome<()> {
    let sql = server.sql().await?;
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
