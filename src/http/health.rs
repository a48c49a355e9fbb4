//! Whether the process lives, and whether it can serve.

use crate::db::Database;
use crate::http::Draining;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what it has said is told to others.
const FRESH: Duration = Duration::from_millis(250);

#[derive(Serialize)]
struct Answer {
    status: &'static str,
}

/// `/healthz`: the process answers. Says nothing about the database, so that an
/// outage of it does not get every process restarted.
pub async fn healthz() -> impl IntoResponse {
    Json(Answer { status: "ok" })
}

/// `/readyz`: 200 when requests can be served, otherwise 503 and why.
///
/// A server that is to stop says so here before anything else changes, and goes on
/// serving for as long as the operator has said that load balancers need to notice
/// (`USHER_DRAIN_DELAY`). Whatever the database does: who leaves is not ready.
pub async fn readyz(
    State(pulse): State<Pulse>,
    State(draining): State<Draining>,
) -> impl IntoResponse {
    let answer = |code, status| (code, Json(Answer { status }));
    if draining.has_begun() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    if pulse.is_there().await {
        answer(StatusCode::OK, "ready")
    } else {
        answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer",
        )
    }
}

/// Whether the database answers: asked by one at a time, and for all who want to know. Anybody
/// may want to, as often as they like, and it must not keep buyers waiting. A clone is the same.
#[derive(Clone)]
pub struct Pulse {
    database: Database,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Pulse {
    /// That of this database.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            last: Arc::default(),
        }
    }

    async fn is_there(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((felt, is_there)) = *last
            && felt.elapsed() < FRESH
        {
            return is_there;
        }
        let answer = tokio::time::timeout(PATIENCE, ping(&self.database)).await;
        let is_there = answer.unwrap_or(false);
        *last = Some((Instant::now(), is_there));
        is_there
    }
}

async fn ping(database: &Database) -> bool {
    let Ok(mut connection) = database.connection().await else {
        return false;
    };
    diesel::sql_query("SELECT 1")
        .execute(&mut *connection)
        .await
        .is_ok()
}
