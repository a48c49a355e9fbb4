//! From the parameters of a request to an operation that can be run.
//!
//! It owns the checks that come before the executor: the types of the parameters,
//! the choice of the operation, and what it costs. The document itself is read by
//! [`super::documents`]. It must never know
//! which transport asked, and never parse a document twice.

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Extensions, Name, Request, ServerError, Variables};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};

use super::documents::{Documents, Known};
use super::graphql_errors::{ErrorCode, coded};
use crate::graphql::{Places, SeatsShown};
use crate::limits::{Budget, LimitKey, Pace, RunningSubscription};
use crate::model::Caller;

/// The parameters of a GraphQL request.
#[derive(Debug, Default)]
pub struct Parameters {
    /// The document; without it, it is named in one of two ways.
    pub query: Option<String>,
    /// What a manifest of trusted documents calls the document.
    pub document_id: Option<String>,
    /// Which operation of the document to run.
    pub operation_name: Option<String>,
    /// The values of its variables.
    pub variables: Variables,
    /// What clients and servers agreed on beside the specification.
    pub extensions: Extensions,
}

/// Why a JSON object is not a GraphQL request. The text is for the client.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is no document, and nothing that stands for one.
    #[error("`query` is missing")]
    QueryMissing,
    /// A parameter has another type than it must have.
    #[error("`{name}` must be {expected}, not {found}")]
    WrongType {
        /// The parameter.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
}

impl Parameters {
    /// Takes the parameters out of a JSON object; `null` counts as absent.
    ///
    /// # Errors
    /// When the document is missing, or a parameter has another type than it must have.
    pub fn from_object(mut object: Map<String, Value>) -> Result<Self, ParameterError> {
        let parameters = Self {
            query: take_string(&mut object, "query")?,
            document_id: take_string(&mut object, "documentId")?,
            operation_name: take_string(&mut object, "operationName")?,
            variables: take_object(&mut object, "variables")?,
            extensions: take_object(&mut object, "extensions")?,
        };
        let is_named = parameters.query.is_some()
            || parameters.document_id.is_some()
            || parameters.extensions.contains_key("persistedQuery");
        if is_named {
            Ok(parameters)
        } else {
            Err(ParameterError::QueryMissing)
        }
    }
}

fn take_string(
    object: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, ParameterError> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(name, "a string", &other)),
    }
}

fn take_object<Target>(
    object: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Target, ParameterError>
where
    Target: Default + serde::de::DeserializeOwned,
{
    let expected = "an object";
    match object.remove(name) {
        None | Some(Value::Null) => Ok(Target::default()),
        Some(value @ Value::Object(_)) => {
            serde_json::from_value(value).map_err(|_| ParameterError::WrongType {
                name,
                expected,
                found: "something else",
            })
        }
        Some(other) => Err(wrong_type(name, expected, &other)),
    }
}

fn wrong_type(name: &'static str, expected: &'static str, found: &Value) -> ParameterError {
    ParameterError::WrongType {
        name,
        expected,
        found: kind_of(found),
    }
}

/// What a JSON value is, in words for an error message.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// An operation that was found in its document and can be given to the executor.
pub struct Operation {
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// What the document calls it.
    pub name: Option<Name>,
    /// On whose behalf.
    pub caller: Caller,
    /// When the caller's credential is not believed any more, for what goes on until then.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it selects one field of its root type, by its name: what that one did is all
    /// that was done.
    pub has_one_root_field: bool,
    /// What it may cost at most, in points; at least one. What they are is in
    /// `graphql::Costs`.
    pub cost: u32,
    /// What it turns out to cost beside that, and whose that is.
    pub bill: Bill,
    /// That of a subscription among all of its caller's.
    pub place: Option<RunningSubscription>,
    /// How fast the messages of a subscription are made.
    pub pace: Pace,
    /// The request, with the parsed document, the caller and what is shown in it.
    pub request: Request,
}

/// What an operation turns out to cost, in points, and whose that is.
#[derive(Clone)]
pub struct Bill {
    /// What it shows.
    pub shown: Arc<SeatsShown>,
    /// Known when it was charged.
    pub of: OnceLock<(LimitKey, Budget)>,
}

impl Operation {
    /// Reads the document, finds the operation in it, and says what that costs.
    ///
    /// # Errors
    /// When it is not a document, has no such operation, or asks for too much; the answer to
    /// the client.
    pub fn prepare(
        documents: &Documents,
        mut parameters: Parameters,
        caller: Caller,
    ) -> Result<Self, ServerError> {
        let Known { text, document } = documents.find(&mut parameters)?;
        let Parameters {
            operation_name,
            variables,
            extensions,
            ..
        } = parameters;
        let (name, definition) = find_operation(&document, operation_name.as_deref())?;
        let (name, kind) = (name.cloned(), definition.ty);
        let has_one_root_field = has_one_root_field(definition);
        if kind == OperationType::Subscription && !has_one_root_field {
            return Err(several_root_fields());
        }
        let cost = documents.cost(&document, definition, &variables, &caller)?;

        let bill = Bill {
            shown: Arc::new(SeatsShown::new(documents.settings().max_cost)),
            of: OnceLock::new(),
        };
        let mut request = Request::new(text).variables(variables).data(caller.clone());
        request = request
            .data(Arc::clone(&bill.shown))
            .data(Places::default());
        request.operation_name = operation_name;
        request.extensions = extensions;
        request.set_parsed_query((*document).clone());
        Ok(Self {
            kind,
            name,
            caller,
            expires_at: None,
            has_one_root_field,
            cost,
            bill,
            place: None,
            pace: Pace::default(),
            request,
        })
    }
}

fn find_operation<'document>(
    document: &'document ExecutableDocument,
    name: Option<&str>,
) -> Result<(Option<&'document Name>, &'document OperationDefinition), ServerError> {
    let found = match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some((None, operation)),
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get_key_value(&Name::new(name))
            .map(|(name, operation)| (Some(name), operation)),
        (DocumentOperations::Multiple(operations), None) if operations.len() > 1 => {
            return Err(coded(
                ErrorCode::OperationNotFound,
                "the document has several operations: say which one in `operationName`",
            ));
        }
        (DocumentOperations::Multiple(operations), None) => operations
            .iter()
            .next()
            .map(|(name, operation)| (Some(name), operation)),
    };
    match found {
        Some((name, operation)) => Ok((name, &operation.node)),
        None => Err(coded(
            ErrorCode::OperationNotFound,
            "the document has no operation of the name in `operationName`",
        )),
    }
}

fn has_one_root_field(operation: &OperationDefinition) -> bool {
    match operation.selection_set.node.items.as_slice() {
        [only] => matches!(only.node, Selection::Field(_)),
        _ => false,
    }
}

// The specification forbids it. The library would merge the streams of any number of
// root fields, past every cap on subscriptions, and overlook those in a fragment.
fn several_root_fields() -> ServerError {
    coded(
        ErrorCode::GraphqlValidationFailed,
        "a subscription must select exactly one field of `Subscription`, and not in a \
         fragment",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(value: Value) -> Result<Parameters, ParameterError> {
        let Value::Object(object) = value else {
            panic!("not an object");
        };
        Parameters::from_object(object)
    }

    fn prepare(query: &str, operation_name: Option<&str>) -> Result<OperationType, String> {
        let parameters = Parameters {
            query: Some(query.to_owned()),
            operation_name: operation_name.map(str::to_owned),
            ..Parameters::default()
        };
        Operation::prepare(&Documents::default(), parameters, Caller::Anonymous)
            .map(|operation| operation.kind)
            .map_err(|error| {
                let extensions = error.extensions.unwrap_or_default();
                extensions
                    .get("code")
                    .map(ToString::to_string)
                    .unwrap_or_default()
            })
    }

    #[test]
    fn parameters_are_checked_by_name() {
        assert_eq!(
            parameters(json!({})).unwrap_err().to_string(),
            "`query` is missing"
        );
        assert_eq!(
            parameters(json!({"query": ["x"]})).unwrap_err().to_string(),
            "`query` must be a string, not an array"
        );
        assert_eq!(
            parameters(json!({"query": "{a}", "variables": "{}"}))
                .unwrap_err()
                .to_string(),
            "`variables` must be an object, not a string"
        );
        let all_null = json!({
            "query": "{a}", "variables": null, "operationName": null, "extensions": null
        });
        assert!(parameters(all_null).is_ok());
    }

    #[test]
    fn values_of_variables_arrive_whole() {
        let given = json!({"query": "{a}", "variables": {"n": 9_007_199_254_740_993_i64}});
        let variables = parameters(given).unwrap().variables;
        assert_eq!(
            serde_json::to_value(&variables).unwrap(),
            json!({"n": 9_007_199_254_740_993_i64})
        );
    }

    #[test]
    fn the_operation_is_found_by_its_name() {
        let both = "query A { a } mutation B { b }";
        assert_eq!(prepare(both, Some("B")), Ok(OperationType::Mutation));
        assert_eq!(prepare("query A { a }", None), Ok(OperationType::Query));
        let not_found = Err("\"OPERATION_NOT_FOUND\"".to_owned());
        assert_eq!(prepare(both, None), not_found);
        assert_eq!(prepare(both, Some("C")), not_found);
        assert_eq!(prepare("{ a }", Some("A")), not_found);
    }

    #[test]
    fn a_subscription_has_one_root_field() {
        assert_eq!(
            prepare("subscription { a }", None),
            Ok(OperationType::Subscription)
        );
        let invalid = Err("\"GRAPHQL_VALIDATION_FAILED\"".to_owned());
        assert_eq!(prepare("subscription { a b }", None), invalid);
        assert_eq!(
            prepare(
                "subscription { ...f } fragment f on Subscription { a }",
                None
            ),
            invalid
        );
    }
}
