//! Whether the process lives, and whether it can serve.

use crate::db::Database;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What readiness depends on.
#[derive(Clone)]
pub struct Readiness {
    /// The database that must answer.
    pub database: Database,
    /// Cancelled when the server stops: load balancers should look elsewhere.
    pub shutdown: CancellationToken,
}

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
pub async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let answer = |code, status| (code, Json(Answer { status }));
    if readiness.shutdown.is_cancelled() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    match tokio::time::timeout(PATIENCE, ping(&readiness.database)).await {
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
