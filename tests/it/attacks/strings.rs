//! Text that means something to SQL, to a shell, to HTML or to a log, everywhere where the API
//! takes text.

use crate::permissions::fields::Fixture;
use crate::support::House;
use crate::support::actor::{Actor, Answer};
use crate::support::checks::{assert_sound, count};
use serde_json::{Value, json};

const HOSTILE: [&str; 14] = [
    "' OR '1'='1",
    "'; DROP TABLE seats; --",
    "1; SELECT pg_sleep(60)",
    "\\'; DELETE FROM bookings; --",
    "$1",
    "%_%",
    "{{7*7}} ${7*7} #{7*7}",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "a\r\nset-cookie: a=b",
    "\u{1b}[31m2026-01-01 ERROR forged",
    "\u{0}",
    "\u{202e}gnp.exe",
    "\u{feff}\u{200b}",
];

/// What can be wrong with a text. Anything else would mean that something broke.
const CODES: [&str; 3] = ["BAD_USER_INPUT", "NOT_FOUND", "GRAPHQL_VALIDATION_FAILED"];

/// Queries that take a text as `$text`, of this type.
const QUERIES: [(&str, &str); 14] = [
    ("ID!", "node(id: $text) { id }"),
    ("ID!", "event(id: $text) { id }"),
    ("String!", "hold(token: $text) { id }"),
    ("String!", "booking(reference: $text) { id }"),
    (
        "String",
        "booking(reference: \"1A-7KQ2-M9XT\", token: $text) { id }",
    ),
    ("String", "venues(after: $text) { nodes { id } }"),
    ("String", "events(after: $text) { nodes { id } }"),
    ("ID", "events(filter: {venueId: $text}) { nodes { id } }"),
    (
        "DateTime",
        "events(filter: {startsFrom: $text}) { nodes { id } }",
    ),
    (
        "String",
        "event(id: EVENT) { seats(after: $text) { nodes { id } } }",
    ),
    (
        "String",
        "event(id: EVENT) { seats(filter: {zone: $text}) { nodes { id } } }",
    ),
    (
        "String",
        "event(id: EVENT) { seats(filter: {category: $text}) { nodes { id } } }",
    ),
    (
        "Cursor",
        "event(id: EVENT) { seatMap(atLeast: $text) { cursor } }",
    ),
    (
        "String",
        "event(id: EVENT) { seats(first: 1) { nodes { history(after: $text) { nodes { version } } } } }",
    ),
];

/// Every place in an input where a text stands.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(path.to_owned()),
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                places(inner, &format!("{path}/{index}"), found);
            }
        }
        Value::Object(object) => {
            for (key, inner) in object {
                places(inner, &format!("{path}/{key}"), found);
            }
        }
        _ => {}
    }
}

fn assert_harmless(what: &str, answer: &Answer) {
    if answer.0.get("errors").is_some() {
        assert!(CODES.contains(&answer.error_code()), "{what}: {}", answer.0);
        let message = answer.error_message();
        for internal in [
            "syntax error at",
            "relation",
            "diesel",
            "panicked",
            "column",
        ] {
            assert!(!message.contains(internal), "{what}: {message}");
        }
    }
}

async fn ask(staff: &Actor, document: &str, text: &str) {
    let answer = staff.ask(document, json!({"text": text})).await;
    assert_harmless(&format!("{document} with {text:?}"), &answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_only_ever_text() {
    let house = House::open().await;
    let fixture = Fixture::new(&house).await;
    let staff = house.staff();
    let mut sql = house.sql().await;
    let bookings = count(&mut sql, "bookings").await;
    let mut asked = 0;
    for operation in fixture.operations().await {
        let mut found = Vec::new();
        places(&operation.variables, "", &mut found);
        for place in found {
            for text in HOSTILE {
                let mut variables = operation.variables.clone();
                *variables.pointer_mut(&place).unwrap() = json!(text);
                let answer = staff.ask(&operation.document, variables).await;
                assert_harmless(
                    &format!("{} with {text:?} at {place}", operation.field),
                    &answer,
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "{asked}");
    let event = format!("{:?}", fixture.event.id);
    for (of, query) in QUERIES {
        let query = query.replace("EVENT", &event);
        let document = format!("query($text: {of}) {{ {query} }}");
        for text in HOSTILE {
            ask(&staff, &document, text).await;
        }
    }
    // It is all still there, and no lock is held and no session left asleep by it.
    assert_eq!(count(&mut sql, "bookings").await, bookings);
    assert_sound(&house).await;
    let asleep = "pg_stat_activity WHERE datname = current_database() \
                  AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep(%'";
    assert_eq!(count(&mut sql, asleep).await, 0);
}
