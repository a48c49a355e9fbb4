//! What mistakes are answered with: what is wrong, in few words, and nothing of what usher is
//! made of.

use super::{json_of, post};
use crate::support::{House, house};
use reqwest::Client;
use serde_json::{Value, json};
use usher::model::Role;

/// The longest message, in characters.
const LONGEST: usize = 301;

/// Words of the code and of its libraries.
const INTERNALS: [&str; 22] = [
    "async_graphql",
    "async-graphql",
    "serde",
    "diesel",
    "tokio",
    "usher::",
    "::",
    "alloc",
    "chrono",
    "Option<",
    "Vec<",
    "Result<",
    "String(",
    "Some(",
    "None",
    "panicked",
    "unwrap",
    "src/",
    ".rs",
    "pest",
    "postgres",
    "Rule",
];

fn expect_short_and_plain(name: &str, answer: &Value) {
    let errors = answer["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("{name}: {answer}"));
    assert!(!errors.is_empty(), "{name}");
    let whole = answer.to_string();
    assert!(whole.len() < 20_000, "{name}: {} bytes", whole.len());
    for error in errors {
        assert!(error["extensions"]["code"].is_string(), "{name}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.chars().count() <= LONGEST, "{name}: {message}");
        for internal in INTERNALS {
            assert!(!message.contains(internal), "{name}: {message}");
        }
    }
}

/// Mistakes in names and in the shape of a document.
fn mistakes_in_names() -> Vec<(&'static str, String)> {
    let name = "x".repeat(255);
    vec![
        ("a field", format!("{{ {name} }}")),
        ("many fields", format!("{{ {} }}", "nothing ".repeat(1_500))),
        ("an argument", format!("{{ event({name}: 1) {{ id }} }}")),
        ("a missing argument", "{ event { id } }".to_owned()),
        ("a directive", format!("{{ viewer @{name} {{ role }} }}")),
        (
            "a directive's argument",
            format!("{{ viewer @skip({name}: 1) {{ role }} }}"),
        ),
        ("a fragment", format!("{{ ...{name} }}")),
        (
            "a fragment of no use",
            format!("{{ __typename }} fragment {name} on Query {{ __typename }}"),
        ),
        ("a fragment's type", format!("{{ ... on {name} {{ id }} }}")),
        (
            "a fragment that cannot be",
            "{ ... on Event { id } }".to_owned(),
        ),
        ("a variable", format!("{{ event(id: ${name}) {{ id }} }}")),
        (
            "a variable of no use",
            format!("query(${name}: Int) {{ __typename }}"),
        ),
        (
            "a variable's type",
            format!("query($a: {name}) {{ event(id: $a) {{ id }} }}"),
        ),
        (
            "a variable of an output type",
            "query($a: Event) { event(id: $a) { id } }".to_owned(),
        ),
        (
            "a variable twice",
            "query($a: ID!, $a: ID!) { event(id: $a) { id } }".to_owned(),
        ),
        (
            "no variable",
            "query($a: ID!) { event(id: $a) { id } }".to_owned(),
        ),
        ("a leaf with fields", "{ viewer { role { a } } }".to_owned()),
        ("an object without fields", "{ viewer }".to_owned()),
        (
            "fields in conflict",
            format!("{{ {name}: viewer {{ role }} {name}: venues {{ nodes {{ id }} }} }}"),
        ),
    ]
}

/// Mistakes in values, and what is no document.
fn mistakes_in_values() -> Vec<(&'static str, String)> {
    let (long, name) = ("x".repeat(10_000), "x".repeat(255));
    vec![
        (
            "an enum",
            format!("{{ events(filter: {{status: {name}}}) {{ nodes {{ id }} }} }}"),
        ),
        (
            "an enum as text",
            format!("{{ events(filter: {{status: \"{long}\"}}) {{ nodes {{ id }} }} }}"),
        ),
        (
            "an input field",
            format!("{{ events(filter: {{{name}: 1}}) {{ nodes {{ id }} }} }}"),
        ),
        (
            "a number",
            format!(
                "{{ events(first: {}) {{ nodes {{ id }} }} }}",
                "9".repeat(5_000)
            ),
        ),
        (
            "a number as text",
            format!("{{ events(first: \"{long}\") {{ nodes {{ id }} }} }}"),
        ),
        (
            "a time",
            format!("{{ events(filter: {{startsFrom: \"{long}\"}}) {{ nodes {{ id }} }} }}"),
        ),
        (
            "a time that is a number",
            "{ events(filter: {startsFrom: 5}) { nodes { id } } }".to_owned(),
        ),
        ("an id", format!("{{ event(id: \"{long}\") {{ id }} }}")),
        (
            "an id that is a list",
            "{ event(id: [1]) { id } }".to_owned(),
        ),
        (
            "a reference",
            format!("{{ booking(reference: \"{long}\") {{ id }} }}"),
        ),
        (
            "a cursor",
            format!("{{ events(after: \"{long}\") {{ nodes {{ id }} }} }}"),
        ),
        (
            "a page",
            "{ events(first: -1) { nodes { id } } }".to_owned(),
        ),
        ("syntax", format!("{{ {} (", "secret ".repeat(500))),
        ("a string", format!("{{ a(b: \"{long}\\q\") }}")),
        ("a mutation that is none", format!("mutation {{ {name} }}")),
        ("a subscription of two", "subscription { a b }".to_owned()),
    ]
}

/// Variables that are not what a hold takes.
fn mistakes_in_variables() -> Vec<(&'static str, Value)> {
    let long = "x".repeat(10_000);
    vec![
        ("input: text", json!(long)),
        ("input: a list", json!([long])),
        (
            "input: another shape",
            json!({"eventId": {"a": long}, "seats": long}),
        ),
        (
            "input: a seat",
            json!({"eventId": long, "seats": [{"seatId": long, "version": long}]}),
        ),
        (
            "input: a version",
            json!({"eventId": "x", "seats": [{"seatId": "y", "version": 1e300}]}),
        ),
        (
            "input: an enum",
            json!({"eventId": "x", "seats": [], "onConflict": long}),
        ),
        (
            "input: an enum that is a number",
            json!({"eventId": "x", "seats": [], "onConflict": 5}),
        ),
        (
            "input: a key",
            json!({"eventId": "x", "seats": [], "idempotencyKey": long}),
        ),
        ("input: a name", json!({(long.as_str()): 1})),
        (
            "input: a token",
            json!({"eventId": "x", "seats": [], "holdToken": long}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_mistake_is_answered_shortly_and_plainly() {
    let house = House::open().await;
    let staff = house::token("tess", Role::Staff);
    let hold = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename } }";
    let documents = [mistakes_in_names(), mistakes_in_values()].concat();
    let documents = documents
        .into_iter()
        .map(|(name, text)| (name, json!({"query": text, "variables": {}})));
    let variables = mistakes_in_variables()
        .into_iter()
        .map(|(name, input)| (name, json!({"query": hold, "variables": {"input": input}})));
    let named = json!({"query": "query A { __typename }", "operationName": "x".repeat(10_000)});
    let mut cases = vec![("an operation's name", named)];
    cases.extend(documents.chain(variables));
    for (name, parameters) in cases {
        for token in [None, Some(staff.as_str())] {
            let answer = json_of(post(&house.url, &parameters, token).await).await;
            expect_short_and_plain(name, &answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_graphql_is_answered_shortly_and_plainly() {
    let house = House::open().await;
    let long = "x".repeat(10_000);
    for body in [
        String::new(),
        long.clone(),
        format!("{{\"query\": {long}}}"),
        format!("\"{long}\""),
        json!({"query": [long]}).to_string(),
        json!({"query": "{a}", "variables": long}).to_string(),
        json!({"query": "{a}", "extensions": [long]}).to_string(),
        json!({"query": "{a}", "extensions": {"persistedQuery": long}}).to_string(),
        json!({"documentId": long}).to_string(),
    ] {
        let request = Client::new().post(format!("{}/graphql", house.url));
        let request = request
            .header("content-type", "application/json")
            .body(body.clone());
        let answer = request.send().await.unwrap().json().await.unwrap();
        expect_short_and_plain(&body[..body.len().min(60)], &answer);
    }
    for query in [
        format!("query={long}&query=a"),
        format!("query={{a}}&variables={long}"),
        format!("query={{a}}&extensions={long}"),
        format!("{long}=1"),
    ] {
        let answer = reqwest::get(format!("{}/graphql?{query}", house.url))
            .await
            .unwrap();
        expect_short_and_plain(&query[..40], &answer.json().await.unwrap());
    }
}

/// The library answers null for an object of which nothing is selected in the end, also where
/// the schema says that it cannot be. Clients are told in docs/limits.md.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_which_nothing_is_selected_is_null() {
    let house = House::open().await;
    let visitor = house.visitor();
    let skipped = "{ viewer { role @skip(if: true) } }";
    let answer = visitor.ask(skipped, json!({})).await;
    assert_eq!(answer.data(), &json!({"viewer": null}));
    let event = house.event(1, 1).await;
    let other = "query($id: ID!) { node(id: $id) { ... on Venue { name } } }";
    let answer = visitor.ask(other, json!({"id": event.id})).await;
    assert_eq!(answer.data(), &json!({"node": null}));
}
