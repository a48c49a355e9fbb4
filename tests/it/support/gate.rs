//! A gate in the middle of a transaction: it has read, and is about to change seats. Nobody
//! waits for a lock there, so that whoever would give that up does not.

use crate::support::{checks, cluster, eventually};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

const BUILD: &str = "SELECT pg_advisory_lock(7); \
    CREATE SEQUENCE arrivals; \
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN IF nextval(''arrivals'') = 1 THEN \
             WHILE NOT pg_try_advisory_xact_lock_shared(7) LOOP PERFORM pg_sleep(0.005); END LOOP; \
         END IF; RETURN NULL; END'; \
    CREATE TRIGGER gate BEFORE UPDATE ON seats FOR EACH STATEMENT EXECUTE FUNCTION gate()";

/// A gate that is closed. Whoever comes first stops there; all others pass.
pub struct Gate {
    sql: AsyncPgConnection,
}

impl Gate {
    /// Before the changes of seats of this database.
    pub async fn before_changes(database_url: &str) -> Self {
        let mut sql = cluster::connect(database_url).await;
        sql.batch_execute(BUILD).await.unwrap();
        Self { sql }
    }

    /// Waits until somebody stands there.
    pub async fn is_reached(&mut self) {
        eventually("somebody stands at the gate", async || {
            let reached = checks::count(&mut self.sql, "arrivals WHERE is_called").await;
            (reached == 1).then_some(())
        })
        .await;
    }

    /// The connection that keeps it closed, for what others do meanwhile.
    pub fn connection(&mut self) -> &mut AsyncPgConnection {
        &mut self.sql
    }

    /// Lets them pass.
    pub async fn open(mut self) {
        let unlock = "SELECT pg_advisory_unlock(7)";
        self.sql.batch_execute(unlock).await.unwrap();
    }
}
