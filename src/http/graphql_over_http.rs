//! GraphQL over HTTP: one operation by POST, one query by GET.
//!
//! It owns what becomes of each kind of operation, and the status of its answer. It must
//! never let a mutation die with its client.

use async_graphql::parser::types::OperationType;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::Response;
use std::time::Duration;

use super::graphql_answer::Answer;
use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::{Refusal, retry_after, write_answer};
use super::graphql_request::Operation;
use super::media_type::MediaType;
use super::rate_limits::{Receipts, admit};

/// What became of an operation.
enum Outcome {
    Answered(Answer),
    /// Nothing was done of it, because the server is overloaded; it may be asked for again
    /// after this time.
    ShedAfter(Duration, Answer),
}

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
    let mut receipts = Receipts::default();
    let mut response = match answer(&state, request, &mut receipts).await {
        Ok(Outcome::ShedAfter(time, answer)) => overloaded(time, media_type, &answer),
        Ok(Outcome::Answered(answer)) => {
            write_answer(status_of(&answer, media_type), media_type, &answer)
        }
        Err(refusal) => refusal.into_response(media_type),
    };
    receipts.write(response.headers_mut());
    response
}

async fn answer(
    state: &GraphqlState,
    request: Request,
    receipts: &mut Receipts,
) -> Result<Outcome, Refusal> {
    let operation = match admit(state, request, receipts).await? {
        Ok(operation) => operation,
        Err(error) => return Ok(Outcome::Answered(Answer::refused(error))),
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
async fn execute(state: &GraphqlState, operation: Operation) -> Result<Outcome, Refusal> {
    // Of several mutations the first may have been done although the last one's error is all
    // that is left of the answer.
    let all_or_nothing = operation.kind == OperationType::Query || operation.has_one_root_field;
    let answered = state.execute(operation, Answer::new).await;
    let answer =
        answered.map_err(|none| Refusal::new(none.status(), none.code(), none.message()))?;
    Ok(match answer.retry_after() {
        Some(time) if all_or_nothing => Outcome::ShedAfter(time, answer),
        Some(_) | None => Outcome::Answered(answer),
    })
}

// Nothing came of it, and surely nothing was done: what watches over servers is to see that,
// whichever media type the client reads.
fn overloaded(time: Duration, media_type: MediaType, answer: &Answer) -> Response {
    let mut response = write_answer(StatusCode::SERVICE_UNAVAILABLE, media_type, answer);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, retry_after(time));
    response
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
