//! The schema as a document: the file at the root is it, and all of it is
//! described.

use crate::support::House;
use serde_json::{Value, json};

#[test]
fn schema_graphql_is_the_schema() {
    let written = include_str!("../../schema.graphql");
    assert!(
        written == usher::graphql::sdl(),
        "schema.graphql is not up to date: run `cargo run -- schema > schema.graphql`"
    );
}

/// Everything that can have a description.
const INTROSPECTION: &str = "{ __schema { types { name description \
    fields { name description args { name description } } \
    inputFields { name description } \
    enumValues { name description } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn every_type_field_argument_and_value_is_described() {
    let house = House::open().await;
    let answer = house.visitor().ask(INTROSPECTION, json!({})).await;
    let mut missing = Vec::new();
    let mut described = 0;
    for named in answer.data()["__schema"]["types"].as_array().unwrap() {
        let name = named["name"].as_str().unwrap();
        // GraphQL's own; the library describes all of them but this one.
        if name.starts_with("__") || name == "ID" {
            continue;
        }
        let mut check = |path: String, thing: &Value| match thing["description"].as_str() {
            Some(text) if !text.trim().is_empty() => described += 1,
            _ => missing.push(path),
        };
        check(name.to_owned(), named);
        for kind in ["fields", "inputFields", "enumValues"] {
            for part in named[kind].as_array().into_iter().flatten() {
                let path = format!("{name}.{}", part["name"].as_str().unwrap());
                check(path.clone(), part);
                for argument in part["args"].as_array().into_iter().flatten() {
                    let argument_name = argument["name"].as_str().unwrap();
                    check(format!("{path}({argument_name})"), argument);
                }
            }
        }
    }
    assert!(missing.is_empty(), "without a description: {missing:#?}");
    assert!(described > 250, "{described}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_implements_the_interface() {
    let house = House::open().await;
    let query = "{ __type(name: \"Refusal\") { possibleTypes { name } } \
        __schema { mutationType { fields { name type { ofType { possibleTypes { \
            name interfaces { name } } } } } } } }";
    let answer = house.visitor().ask(query, json!({})).await;
    let data = answer.data();
    let mutations = data["__schema"]["mutationType"]["fields"]
        .as_array()
        .unwrap();
    assert!(mutations.len() >= 8);
    for mutation in mutations {
        let results = mutation["type"]["ofType"]["possibleTypes"]
            .as_array()
            .unwrap();
        let refusals: Vec<_> = results
            .iter()
            .filter(|result| {
                result["interfaces"]
                    .as_array()
                    .is_some_and(|all| !all.is_empty())
            })
            .collect();
        assert_eq!(results.len() - refusals.len(), 1, "one success: {mutation}");
    }
}
