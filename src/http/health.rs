//! Whether the process lives, and whether it can serve.

use crate::db::Database;
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
/// A server that stops says nothing here: it refuses new connections from that moment
/// on, which every load balancer takes for an answer, and sooner than the next check.
/// One that needs time to send requests elsewhere must do so before it has usher
/// stopped (Kubernetes: a pause in `preStop`). Waiting here in its stead would cost
/// every stop those seconds, and usher cannot know how many they are.
pub async fn readyz(State(database): State<Database>) -> impl IntoResponse {
    let answer = |code, status| (code, Json(Answer { status }));
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
