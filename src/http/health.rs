//! Whether the process lives, and whether it can serve.

use crate::db::Database;
use crate::http::Draining;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use std::time::Duration;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

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
    State(database): State<Database>,
    State(draining): State<Draining>,
) -> impl IntoResponse {
    let answer = |code, status| (code, Json(Answer { status }));
    if draining.has_begun() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    match tokio::time::timeout(PATIENCE, ping(&database)).await {
        Ok(true) => answer(StatusCode::OK, "ready"),
        Ok(false) | Err(_) => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer",
        ),
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
