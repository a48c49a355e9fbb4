//! What an HTTP request asks GraphQL for, by POST or by GET, whichever way it is answered.
//!
//! It owns how large a body may be, and where the parameters are. It must
//! never run anything, let a mutation through that came by GET, or accept a body that a
//! foreign page could send without being asked.

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::{Query, Request};
use axum::http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::{Offence, Refusal};
use super::graphql_request::{Operation, Parameters, kind_of};
use super::media_type::is_json_body;
use super::observe::note_operation;
use super::request_body::read_body;
use crate::auth::Identity;
use crate::model::Permission;

/// Largest body that is read from anybody.
const LARGEST_BODY: usize = 1024 * 1024;
/// Largest body that is read from staff: a seating plan of 200,000 seats.
const LARGEST_STAFF_BODY: usize = 64 * 1024 * 1024;

/// Reads the operation that a request of somebody asks for.
///
/// The inner error is that of a document in which no operation was found: the request is
/// good HTTP, and its answer one of GraphQL.
///
/// # Errors
/// When the request cannot be given to GraphQL.
pub async fn read_operation(
    state: &GraphqlState,
    Identity { caller, expires_at }: Identity,
    request: Request,
) -> Result<Result<Operation, ServerError>, Refusal> {
    let (parts, body) = request.into_parts();
    let parameters = if parts.method == Method::GET {
        parameters_of_url(&parts.uri)?
    } else if parts.method == Method::POST {
        if !is_json_body(&parts.headers) {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ErrorCode::UnsupportedMediaType,
                "the body must be JSON, with `Content-Type: application/json`",
            )
            .written_down_as(Offence::NotJson));
        }
        let largest = if caller.may(Permission::ManageEvents) {
            LARGEST_STAFF_BODY
        } else {
            LARGEST_BODY
        };
        let patience = state.request_timeout;
        let body = read_body(&parts.headers, body, largest, patience, &state.bodies).await?;
        parameters_of_body(&body.bytes)?
    } else {
        return Err(Refusal::method("GET, POST", "use GET or POST"));
    };
    let mut operation = match Operation::prepare(&state.documents, parameters, caller) {
        Ok(operation) => operation,
        Err(error) => return Ok(Err(error)),
    };
    operation.expires_at = expires_at;
    note_operation(operation.kind, operation.name.as_deref());
    if operation.kind == OperationType::Mutation && parts.method == Method::GET {
        let refusal = Refusal::method("POST", "a mutation must be sent by POST");
        return Err(refusal.written_down_as(Offence::MutationByGet));
    }
    Ok(Ok(operation))
}

/// The parameters as a URL has them: objects are JSON in a string.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UrlParameters {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

fn parameters_of_url(uri: &Uri) -> Result<Parameters, Refusal> {
    let Query(url) = Query::<UrlParameters>::try_from_uri(uri)
        .map_err(|error| Refusal::bad_request(error.body_text()))?;
    let mut object = Map::new();
    // An empty parameter is the same as none, as the specification has it for the name.
    let texts = [
        ("query", url.query),
        ("documentId", url.document_id),
        ("operationName", url.operation_name),
    ];
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
