//! Input that makes no sense, of every kind that somebody may send. Each piece
//! is answered with a stable code, tells nothing of what is inside, and changes
//! nothing.

mod bookings;
mod box_office;
mod cursors;
mod event_states;
mod ids;
mod lists;
mod records;
mod seats;
mod shapes;
mod staff;
mod texts;
mod tokens;

use crate::support::Answer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What no text for a client may have in it: the words of the machinery.
const INTERNALS: [&str; 33] = [
    "diesel",
    "postgres",
    "libpq",
    "sqlstate",
    "select ",
    "insert into",
    "update \"",
    "relation \"",
    "column \"",
    "violates",
    "constraint",
    "out of range for type",
    "invalid byte sequence",
    "seat_changes",
    "seating_plans",
    "plan_seats",
    "plan_zones",
    "plan_categories",
    "event_prices",
    "token_hash",
    "seat_nos",
    "xid8",
    ".rs:",
    "src/",
    "/tmp/",
    "/home/",
    "/root/",
    "::",
    "panicked",
    "backtrace",
    "unwrap",
    "tokio",
    "bb8",
];

/// Longest text of an error: the client knows already what it has sent.
const LONGEST_MESSAGE: usize = 1_000;

/// Fails unless the answer is errors with this code, which tell nothing that
/// is not the client's business.
fn assert_error(answer: &Answer, code: &str) {
    assert_discreet(answer);
    let errors = answer.0["errors"]
        .as_array()
        .unwrap_or_else(|| panic!("expected {code}: {}", answer.0));
    assert!(!errors.is_empty(), "{}", answer.0);
    for error in errors {
        assert_eq!(error["extensions"]["code"], code, "{}", answer.0);
    }
}

/// Fails unless the answer of a mutation is this refusal.
fn assert_refusal(answer: &Answer, kind: &str, code: &str) {
    assert_discreet(answer);
    let data = answer.data();
    assert_eq!(data["__typename"], kind, "{data}");
    assert_eq!(data["code"], code, "{data}");
}

/// Fails when a text of an error or of a refusal tells of what is inside, says
/// nothing, or gives back to the client what it has sent.
fn assert_discreet(answer: &Answer) {
    let errors = answer.0["errors"].as_array().into_iter().flatten();
    let refusal = answer.0["data"].get("message");
    let messages = errors.map(|error| &error["message"]).chain(refusal);
    for message in messages {
        let message = message.as_str().unwrap();
        assert!(!message.is_empty(), "{}", answer.0);
        assert!(message.len() <= LONGEST_MESSAGE, "{message}");
        let lower = message.to_lowercase();
        for internal in INTERNALS {
            assert!(!lower.contains(internal), "{internal:?} is in: {message}");
        }
    }
}

/// A global id with this inside, right or wrong.
fn id_of(plain: &str) -> String {
    URL_SAFE_NO_PAD.encode(plain)
}

/// What is inside a global id.
fn inside(id: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(id).unwrap()).unwrap()
}
