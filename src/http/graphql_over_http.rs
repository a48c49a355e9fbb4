//! GraphQL over HTTP: one operation by POST, one query by GET.
//!
//! It owns what becomes of each kind of operation, and the status of its answer. It must
//! never let a mutation die with its client.

use async_graphql::parser::types::OperationType;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;

use super::graphql_answer::Answer;
use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::{Refusal, write_answer};
use super::graphql_http_request::read_operation;
use super::graphql_request::{Operation, run_to_the_end};
use super::media_type::MediaType;

/// Answers a request to the GraphQL path that is not a WebSocket handshake.
pub async fn respond(state: GraphqlState, request: Request) -> Response {
    let Some(media_type) = MediaType::negotiate(request.headers()) else {
        let refusal = Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::NotAcceptable,
            "this path answers with application/graphql-response+json or application/json",
        );
        return refusal.into_response(MediaType::Json);
    };
    match answer(&state, request).await {
        Ok(answer) => write_answer(status_of(&answer, media_type), media_type, &answer),
        Err(refusal) => refusal.into_response(media_type),
    }
}

async fn answer(state: &GraphqlState, request: Request) -> Result<Answer, Refusal> {
    let operation = match read_operation(state, request).await? {
        Ok(operation) => operation,
        Err(error) => return Ok(Answer::refused(error)),
    };
    match operation.kind {
        OperationType::Subscription => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::SubscriptionNotSupported,
            "a subscription needs a connection that stays open: open a WebSocket on this \
             path with the subprotocol graphql-transport-ws, or an event stream on \
             /graphql/stream",
        )),
        OperationType::Mutation | OperationType::Query => execute(state, operation).await,
    }
}

// In a task of its own, whoever leaves: a mutation must not stop half way, and the
// connection of a query that is dropped would go back to the pool with a statement
// still running on it, for the next request to wait for.
async fn execute(state: &GraphqlState, operation: Operation) -> Result<Answer, Refusal> {
    let schema = state.schema.clone();
    let work = async move { Answer::new(schema.execute(operation.request).await) };
    run_to_the_end(&state.tracker, work)
        .await
        .ok_or_else(Refusal::internal)
}

// application/json says 200 for whatever reached GraphQL; the newer type tells a
// refused document from one that ran.
fn status_of(answer: &Answer, media_type: MediaType) -> StatusCode {
    if answer.was_executed() || media_type == MediaType::Json {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    }
}
