//! What holds of every answer of GraphQL, whichever transport it comes by.

use serde_json::Value;

/// What would tell how the server is made.
const INTERNALS: [&str; 7] = [
    "panicked",
    ".rs:",
    "usher::",
    "postgres",
    "diesel",
    "does not exist.",
    "nowhere",
];

/// Checks an answer: `data`, `errors`, or both.
pub fn check_answer(answer: &Value) {
    let fields = answer.as_object().expect("an answer is an object");
    let known = ["data", "errors", "extensions"];
    assert!(
        fields.keys().all(|key| known.contains(&key.as_str())),
        "{answer}"
    );
    assert!(
        fields.contains_key("data") || fields.contains_key("errors"),
        "{answer}"
    );
    if let Some(errors) = fields.get("errors") {
        check_errors(errors);
    }
}

/// Checks the errors of an answer.
pub fn check_errors(errors: &Value) {
    let list = errors.as_array().expect("errors are a list");
    assert!(!list.is_empty(), "an empty list of errors");
    for error in list {
        check_error(error);
    }
}

fn check_error(error: &Value) {
    let message = error["message"].as_str().expect("an error has a message");
    assert!(!message.is_empty(), "{error}");
    let code = error["extensions"]["code"].as_str();
    let code = code.unwrap_or_else(|| panic!("an error has a code: {error}"));
    let is_code = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    assert!(!code.is_empty() && code.chars().all(is_code), "{error}");
    // Messages may quote what was sent, and only those that say what is wrong with that do.
    if code == "INTERNAL_SERVER_ERROR" || code == "UNAVAILABLE" {
        for internal in INTERNALS {
            assert!(!message.contains(internal), "{error}");
        }
    }
}
