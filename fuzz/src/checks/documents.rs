//! Documents: what usher lets through is a document to the parser, too, and is as small as it is
//! said to be once its fragments are really spread; what it refuses has a reason.
//!
//! The input is a document; a line of three dashes may follow, and variables as JSON.

use super::answers::check_answer;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{ServerError, Value, Variables};
use futures_util::FutureExt;
use std::sync::LazyLock;
use usher::config::DocumentSettings;
use usher::graphql::{UsherSchema, schema_without_services};
use usher::http::{Documents, Operation, Parameters};
use usher::model::Caller;

/// Between the document and its variables.
const SEPARATOR: &str = "\n---\n";

/// What `http::documents` allows, and nobody can set.
const MOST_FIELDS: usize = 5_000;
const MOST_MUTATIONS: usize = 10;
const MOST_OPERATIONS: usize = 20;

/// The parser alone recurses with the brackets, so it is not shown more.
const BRACKETS_FOR_THE_PARSER: usize = 200;

static DOCUMENTS: LazyLock<Documents> = LazyLock::new(Documents::default);
static SCHEMA: LazyLock<UsherSchema> = LazyLock::new(schema_without_services);

/// Reads a document, and runs each operation of it as far as that goes without services.
pub fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let (text, variables) = input.split_once(SEPARATOR).unwrap_or((input, "{}"));
    match DOCUMENTS.read(text) {
        Ok(document) => {
            let again = parse_query(text).expect("what is let through is a document");
            check_size(text, &document);
            assert_eq!(size(&again), size(&document));
            let variables: Variables = serde_json::from_str(variables).unwrap_or_default();
            for (name, _) in document.operations.iter() {
                run(text, name.map(ToString::to_string), &variables);
            }
        }
        Err(refused) => {
            check_refusal(text, &refused);
            assert!(DOCUMENTS.read(text).is_err(), "a refusal is for good");
        }
    }
}

fn check_refusal(text: &str, refused: &ServerError) {
    let code = code_of(refused);
    assert!(!refused.message.is_empty(), "no reason: {text}");
    match code.as_str() {
        "GRAPHQL_LIMIT_EXCEEDED" | "GRAPHQL_VALIDATION_FAILED" => {}
        "GRAPHQL_PARSE_FAILED" => {
            let brackets = text.bytes().filter(|byte| b"{[(".contains(byte)).count();
            let has_no_end = refused.message.ends_with("a string has no end");
            if brackets <= BRACKETS_FOR_THE_PARSER && !has_no_end {
                assert!(parse_query(text).is_err(), "this is a document: {text}");
            }
        }
        other => panic!("{other} for {text}"),
    }
}

fn code_of(error: &ServerError) -> String {
    match error.extensions.as_ref().and_then(|all| all.get("code")) {
        Some(Value::String(code)) => code.clone(),
        other => panic!("the code is {other:?}"),
    }
}

/// How many operations and fragments there are.
fn size(document: &ExecutableDocument) -> (usize, usize) {
    (document.operations.iter().count(), document.fragments.len())
}

/// Counts what usher has only reckoned, by doing what it avoids.
fn check_size(text: &str, document: &ExecutableDocument) {
    let settings = DocumentSettings::default();
    assert!(text.len() <= settings.max_bytes as usize);
    assert!(document.operations.iter().count() <= MOST_OPERATIONS);
    for (_, operation) in document.operations.iter() {
        let mut spread = Spread {
            document,
            fields: 0,
            roots: 0,
        };
        spread.set(&operation.node.selection_set.node, 1, settings.max_depth);
        if operation.node.ty == OperationType::Mutation {
            assert!(
                spread.roots <= MOST_MUTATIONS,
                "{} mutations: {text}",
                spread.roots
            );
        }
    }
}

struct Spread<'document> {
    document: &'document ExecutableDocument,
    fields: usize,
    roots: usize,
}

impl Spread<'_> {
    fn set(&mut self, set: &SelectionSet, depth: u32, deepest: u32) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    self.fields += 1;
                    self.roots += usize::from(depth == 1);
                    assert!(
                        self.fields <= MOST_FIELDS,
                        "too many fields were let through"
                    );
                    assert!(depth <= deepest, "too deep a field was let through");
                    self.set(&field.node.selection_set.node, depth + 1, deepest);
                }
                Selection::InlineFragment(inline) => {
                    self.set(&inline.node.selection_set.node, depth, deepest);
                }
                Selection::FragmentSpread(named) => {
                    let name = &named.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name) {
                        self.set(&fragment.node.selection_set.node, depth, deepest);
                    }
                }
            }
        }
    }
}

fn run(text: &str, name: Option<String>, variables: &Variables) {
    let parameters = Parameters {
        query: Some(text.to_owned()),
        operation_name: name,
        variables: variables.clone(),
        ..Parameters::default()
    };
    let operation = match Operation::prepare(&DOCUMENTS, parameters, Caller::Anonymous) {
        Ok(operation) => operation,
        Err(refused) => {
            let code = code_of(&refused);
            let expected = ["GRAPHQL_LIMIT_EXCEEDED", "GRAPHQL_VALIDATION_FAILED"];
            assert!(expected.contains(&code.as_str()), "{code} for {text}");
            return;
        }
    };
    let most = DocumentSettings::default().max_cost;
    assert!(
        (1..=most).contains(&operation.cost),
        "it costs {}",
        operation.cost
    );
    if operation.kind != OperationType::Subscription {
        let response = SCHEMA.execute(operation.request).now_or_never();
        let response = response.expect("nobody waits without services");
        let answer = usher::http::WrittenAnswer::new(response).text;
        check_answer(&serde_json::from_slice(&answer).expect("an answer is JSON"));
    }
}
