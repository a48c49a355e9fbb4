//! GraphQL over HTTP: one operation by POST, one query by GET.
//!
//! It owns the status codes, the headers and the limit on bodies. It must never run a
//! mutation for a GET, accept a body that a foreign page could send without being
//! asked, or let a mutation die with its client.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Query, Request};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::graphql_answer::Answer;
use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::{ErrorCode, coded};
use super::graphql_request::{Operation, Parameters, kind_of, run_to_the_end};
use super::media_type::{MediaType, is_json_body};
use super::observe::{note_error, note_operation};
use crate::model::Caller;

/// Largest body that is read from anybody.
const LARGEST_BODY: usize = 1024 * 1024;
/// Largest body that is read from staff: a seating plan of 200,000 seats.
const LARGEST_STAFF_BODY: usize = 64 * 1024 * 1024;
/// Most that is read, and thrown away, of a body that is too large.
const MOST_DISCARDED: usize = 16 * 1024 * 1024;
/// Longest that is waited for it.
const LONGEST_DISCARD: Duration = Duration::from_secs(5);

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

/// Refuses a request with an error in the shape that this path always answers with.
pub fn refuse(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Response {
    Refusal::new(status, code, message).into_response(MediaType::Json)
}

/// The text of the `Authorization` header, if there is one that can be read.
pub fn authorization(headers: &HeaderMap) -> Option<&str> {
    // Bytes that are not text become an empty credential, which no authenticator
    // takes: a header that cannot be read must not make an anonymous caller.
    headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().unwrap_or_default())
}

async fn answer(state: &GraphqlState, request: Request) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    let caller = authenticate(state, &parts.headers)?;
    let parameters = if parts.method == Method::GET {
        parameters_of_url(&parts.uri)?
    } else if parts.method == Method::POST {
        if !is_json_body(&parts.headers) {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ErrorCode::UnsupportedMediaType,
                "the body must be JSON, with `Content-Type: application/json`",
            ));
        }
        let largest = if caller.is_staff() {
            LARGEST_STAFF_BODY
        } else {
            LARGEST_BODY
        };
        parameters_of_body(&read_body(&parts.headers, body, largest).await?)?
    } else {
        return Err(Refusal::method("GET, POST", "use GET or POST"));
    };
    let operation = match Operation::prepare(parameters, caller) {
        Ok(operation) => operation,
        Err(error) => return Ok(Answer::refused(error)),
    };
    note_operation(operation.kind, operation.name.as_deref());
    match operation.kind {
        OperationType::Subscription => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::SubscriptionNotSupported,
            "a subscription needs a connection that stays open: open a WebSocket on this \
             path with the subprotocol graphql-transport-ws",
        )),
        OperationType::Mutation if parts.method == Method::GET => {
            Err(Refusal::method("POST", "a mutation must be sent by POST"))
        }
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

fn authenticate(state: &GraphqlState, headers: &HeaderMap) -> Result<Caller, Refusal> {
    state
        .authenticator
        .authenticate(authorization(headers))
        .map_err(|error| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                ErrorCode::Unauthenticated,
                error.to_string(),
            )
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        })
}

/// The parameters as a URL has them: objects are JSON in a string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UrlParameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

fn parameters_of_url(uri: &Uri) -> Result<Parameters, Refusal> {
    let Query(url) = Query::<UrlParameters>::try_from_uri(uri)
        .map_err(|error| Refusal::bad_request(error.body_text()))?;
    let mut object = Map::new();
    // An empty parameter is the same as none, as the specification has it for the name.
    let texts = [("query", url.query), ("operationName", url.operation_name)];
    for (name, text) in texts {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            object.insert(name.to_owned(), Value::String(text));
        }
    }
    let objects = [("variables", url.variables), ("extensions", url.extensions)];
    for (name, text) in objects {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let value = serde_json::from_str(&text)
                .map_err(|error| Refusal::bad_request(format!("`{name}` is not JSON: {error}")))?;
            object.insert(name.to_owned(), value);
        }
    }
    Parameters::from_object(object).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn parameters_of_body(body: &[u8]) -> Result<Parameters, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => {
            Parameters::from_object(object).map_err(|error| Refusal::bad_request(error.to_string()))
        }
        Ok(Value::Array(_)) => Err(Refusal::bad_request(
            "batches are not served: send each operation in a request of its own",
        )),
        Ok(other) => Err(Refusal::bad_request(format!(
            "the body must be an object, not {}",
            kind_of(&other)
        ))),
        Err(error) => Err(Refusal::bad_request(format!(
            "the body is not JSON: {error}"
        ))),
    }
}

// axum limits only its own extractors, and a length that is announced need not be the
// true one: the announced length spares a read, the count is the limit.
async fn read_body(headers: &HeaderMap, body: Body, largest: usize) -> Result<Bytes, Refusal> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut chunks = body.into_data_stream();
    if let Some(length) = announced.filter(|length| *length > largest) {
        // A client that expects to be told to go on has sent nothing yet.
        if length <= MOST_DISCARDED && !headers.contains_key(header::EXPECT) {
            discard(chunks).await;
        }
        return Err(Refusal::too_large(largest));
    }
    let mut read = Vec::with_capacity(announced.unwrap_or_default());
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|_| Refusal::bad_request("the body could not be read to its end"))?;
        if read.len() + chunk.len() > largest {
            discard(chunks).await;
            return Err(Refusal::too_large(largest));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.into())
}

// A client that sends its whole body before it looks for an answer would find the
// connection broken, and never learn why, if the rest were left unread.
async fn discard(mut chunks: BodyDataStream) {
    let reading = async {
        let mut left = MOST_DISCARDED;
        while let Some(Ok(chunk)) = chunks.next().await {
            let Some(rest) = left.checked_sub(chunk.len()) else {
                return;
            };
            left = rest;
        }
    };
    // The answer is the same whether all of it came in time or not.
    let _ = tokio::time::timeout(LONGEST_DISCARD, reading).await;
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

fn write_answer(status: StatusCode, media_type: MediaType, answer: &Answer) -> Response {
    if let Some(code) = answer.first_error_code() {
        note_error(code);
    }
    let (status, body) = match serde_json::to_vec(answer) {
        Ok(body) => (status, Body::from(body)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, Body::empty())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(answer.http_headers().clone());
    headers.insert(CONTENT_TYPE, media_type.header_value());
    // Answers depend on the caller and hold tokens, and a seat map is old at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why a request was not given to GraphQL: its status is the same for both media types.
struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            header: None,
        }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message)
    }

    fn method(allowed: &'static str, message: &'static str) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, ErrorCode::MethodNotAllowed, message)
            .with_header(ALLOW, HeaderValue::from_static(allowed))
    }

    fn too_large(largest: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::PayloadTooLarge,
            format!("the body is larger than {largest} bytes"),
        )
    }

    fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::InternalServerError,
            "the server failed to run the operation",
        )
    }

    fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    fn into_response(self, media_type: MediaType) -> Response {
        let answer = Answer::refused(coded(self.code, self.message));
        let mut response = write_answer(self.status, media_type, &answer);
        response.headers_mut().extend(self.header);
        response
    }
}
