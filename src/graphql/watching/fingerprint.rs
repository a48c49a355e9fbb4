//! What an operation asks for, told from how it is written.
//!
//! Watchers share executions when they ask for the same. Their texts say little about that:
//! whoever writes another comment, another name of a fragment or of a variable would watch
//! alone, and cost as much as all others together. So operations are compared by what a response
//! depends on: the fields under the names that they are answered by, in their order, with
//! their arguments, and the conditions that they are under. Two that have the same fingerprint
//! are answered the same; two that have not may be all the same.
//!
//! Every selection set, and so every fragment, is digested once, however often it is spread, and
//! so is every value of a variable: the time is linear in what was sent. The document must have
//! passed the checks of its structure: its fragments end, and are not deep.

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Value, Variables};
use async_graphql_value::Value as Argument;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// The argument that says where a watcher begins. No message that is shared depends on it.
const WHERE_TO_BEGIN: &str = "after";

/// The same for what asks for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

/// A subscription as it was read.
pub(super) struct Asked<'a> {
    pub(super) fingerprint: Fingerprint,
    /// How many fields and fragments there are, once all are spread.
    pub(super) fields: u64,
    /// The fragments that it uses.
    pub(super) fragments: Vec<&'a Name>,
}

/// Reads a subscription whose only root field is this one.
pub(super) fn read<'a>(
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    root: &'a Field,
    variables: &'a Variables,
) -> Asked<'a> {
    let mut reading = Reading {
        document,
        operation,
        variables,
        fragments: HashMap::new(),
        values: HashMap::new(),
    };
    let mut words = Words::default();
    let fields = reading.field(&mut words, root, |name| name != WHERE_TO_BEGIN);
    Asked {
        fingerprint: words.end(),
        fields,
        fragments: reading.fragments.into_keys().collect(),
    }
}

/// A text of words, digested as it is written. Each word says how long it is, so that no two
/// texts look the same.
#[derive(Default)]
struct Words(Sha256);

impl Words {
    fn word(&mut self, word: impl AsRef<[u8]>) {
        let word = word.as_ref();
        self.count(word.len());
        self.0.update(word);
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_le_bytes());
    }

    fn digest(&mut self, Fingerprint(digest): Fingerprint) {
        self.0.update(digest);
    }

    fn end(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }
}

/// What a selection set comes to.
#[derive(Clone, Copy)]
struct Set {
    digest: Fingerprint,
    fields: u64,
}

struct Reading<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    fragments: HashMap<&'a Name, Set>,
    values: HashMap<&'a Name, Fingerprint>,
}

impl<'a> Reading<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Set {
        let mut words = Words::default();
        let mut fields = 0_u64;
        for selection in &set.items {
            let below = match &selection.node {
                Selection::Field(field) => {
                    words.word("field");
                    self.field(&mut words, &field.node, |_| true)
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    let on = fragment.type_condition.as_ref();
                    words.word("on");
                    words.word(on.map_or("", |on| on.node.on.node.as_str()));
                    self.directives(&mut words, &fragment.directives);
                    let set = self.set(&fragment.selection_set.node);
                    words.digest(set.digest);
                    set.fields.saturating_add(1)
                }
                // As if it stood here.
                Selection::FragmentSpread(spread) => {
                    let (spread, document) = (&spread.node, self.document);
                    let name = &spread.fragment_name.node;
                    let Some((name, fragment)) = document.fragments.get_key_value(name) else {
                        continue;
                    };
                    words.word("on");
                    words.word(fragment.node.type_condition.node.on.node.as_str());
                    self.directives(&mut words, &spread.directives);
                    let known = self.fragments.get(name).copied();
                    let set = known.unwrap_or_else(|| self.set(&fragment.node.selection_set.node));
                    self.fragments.insert(name, set);
                    words.digest(set.digest);
                    set.fields.saturating_add(1)
                }
            };
            fields = fields.saturating_add(below);
        }
        Set {
            digest: words.end(),
            fields,
        }
    }

    /// Answers how many fields it comes to.
    fn field(&mut self, words: &mut Words, field: &'a Field, matters: fn(&str) -> bool) -> u64 {
        words.word(field.response_key().node.as_str());
        words.word(field.name.node.as_str());
        let arguments = field.arguments.iter();
        let mut arguments: Vec<_> = arguments.filter(|(name, _)| matters(&name.node)).collect();
        arguments.sort_by(|(one, _), (other, _)| one.node.as_str().cmp(&other.node));
        words.count(arguments.len());
        for (name, value) in arguments {
            words.word(name.node.as_str());
            words.digest(self.value(&value.node));
        }
        self.directives(words, &field.directives);
        let set = self.set(&field.selection_set.node);
        words.digest(set.digest);
        set.fields.saturating_add(1)
    }

    fn directives(&mut self, words: &mut Words, directives: &'a [Positioned<Directive>]) {
        words.count(directives.len());
        for directive in directives {
            words.word(directive.node.name.node.as_str());
            words.count(directive.node.arguments.len());
            for (name, value) in &directive.node.arguments {
                words.word(name.node.as_str());
                words.digest(self.value(&value.node));
            }
        }
    }

    /// The same whether a value stands in the document or in a variable.
    fn value(&mut self, value: &'a Argument) -> Fingerprint {
        let mut words = Words::default();
        match value {
            Argument::Variable(name) => return self.variable(name),
            Argument::Null => words.word("null"),
            Argument::Boolean(value) => words.word(boolean(*value)),
            Argument::Number(number) => tagged(&mut words, "number", number.to_string()),
            Argument::String(text) => tagged(&mut words, "text", text),
            Argument::Enum(name) => tagged(&mut words, "enum", name.as_str()),
            Argument::Binary(bytes) => tagged(&mut words, "bytes", bytes),
            Argument::List(items) => {
                words.word("list");
                for item in items {
                    words.digest(self.value(item));
                }
            }
            Argument::Object(fields) => {
                words.word("object");
                for (name, item) in fields {
                    words.word(name.as_str());
                    words.digest(self.value(item));
                }
            }
        }
        words.end()
    }

    /// As the library looks it up: the value that was sent, or else the default.
    fn variable(&mut self, name: &'a Name) -> Fingerprint {
        if let Some(digest) = self.values.get(name) {
            return *digest;
        }
        let mut definitions = self.operation.variable_definitions.iter();
        let definition = definitions.find(|definition| definition.node.name.node == *name);
        let value = definition.and_then(|definition| {
            let sent = self.variables.get(name);
            sent.or_else(|| definition.node.default_value())
        });
        // Like nothing that has a value.
        let digest = value.map_or_else(|| Words::default().end(), of_constant);
        self.values.insert(name, digest);
        digest
    }
}

fn of_constant(value: &Value) -> Fingerprint {
    let mut words = Words::default();
    match value {
        Value::Null => words.word("null"),
        Value::Boolean(value) => words.word(boolean(*value)),
        Value::Number(number) => tagged(&mut words, "number", number.to_string()),
        Value::String(text) => tagged(&mut words, "text", text),
        Value::Enum(name) => tagged(&mut words, "enum", name.as_str()),
        Value::Binary(bytes) => tagged(&mut words, "bytes", bytes),
        Value::List(items) => {
            words.word("list");
            for item in items {
                words.digest(of_constant(item));
            }
        }
        Value::Object(fields) => {
            words.word("object");
            for (name, item) in fields {
                words.word(name.as_str());
                words.digest(of_constant(item));
            }
        }
    }
    words.end()
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn tagged(words: &mut Words, kind: &str, value: impl AsRef<[u8]>) {
    words.word(kind);
    words.word(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};
    use std::fmt::Write;

    fn read_with(text: &str, variables: Json) -> (Fingerprint, u64) {
        let document = parse_query(text).unwrap();
        let variables = serde_json::from_value(variables).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let Selection::Field(root) = &operation.node.selection_set.node.items[0].node else {
            panic!("no field: {text}");
        };
        let asked = read(&document, &operation.node, &root.node, &variables);
        (asked.fingerprint, asked.fields)
    }

    fn of(text: &str) -> Fingerprint {
        read_with(text, json!({})).0
    }

    const PLAIN: &str = "subscription { seatMap(eventId: \"e\") { __typename \
        ... on SeatMapDelta { cursor changes { seatId version } } } }";

    #[test]
    fn how_it_is_written_does_not_matter() {
        for other in [
            "subscription Other {\n # noise\n seatMap(eventId: \"e\"),, { __typename \
               ... on SeatMapDelta { cursor changes { seatId version } } } }",
            "subscription { seatMap: seatMap(after: \"c\", eventId: \"\"\"e\"\"\") { __typename \
               ...some } } fragment some on SeatMapDelta { cursor changes { seatId version } }",
            "subscription ($a: ID = \"e\") { seatMap(eventId: $a) { __typename \
               ... on SeatMapDelta { cursor changes { seatId version } } } }",
        ] {
            assert_eq!(of(other), of(PLAIN), "{other}");
        }
        let by_variable = PLAIN.replace("subscription", "subscription ($a: ID!, $b: Cursor)");
        let by_variable = by_variable.replace("(eventId: \"e\")", "(eventId: $a, after: $b)");
        for after in ["one", "other"] {
            let variables = json!({"a": "e", "b": after, "c": "not used"});
            assert_eq!(read_with(&by_variable, variables).0, of(PLAIN));
        }
    }

    #[test]
    fn what_is_asked_for_does() {
        let others = [
            PLAIN.replace("\"e\"", "\"f\""),
            PLAIN.replace("\"e\"", "null"),
            PLAIN.replace("seatId version", "version seatId"),
            PLAIN.replace("seatId version", "seatId"),
            PLAIN.replace("cursor", "where: cursor"),
            PLAIN.replace("cursor", "cursor @skip(if: true)"),
            PLAIN.replace("cursor", "cursor @include(if: true)"),
            PLAIN.replace("SeatMapDelta", "SeatMapSnapshot"),
            PLAIN.replace("seatMap(", "map: seatMap("),
            PLAIN.replace("changes {", "changes(after: 1) {"),
            PLAIN.replace("changes {", "changes(after: 2) {"),
            PLAIN.replace("changes {", "changes(after: \"1\") {"),
            PLAIN.replace("changes {", "changes(after: [1]) {"),
            PLAIN.replace("changes {", "changes(after: {b: 1}) {"),
        ];
        let mut all: Vec<_> = others.iter().map(|text| of(text)).collect();
        all.push(of(PLAIN));
        all.push(of(
            "subscription ($a: ID!) { seatMap(eventId: $a) { __typename } }",
        ));
        for (number, one) in all.iter().enumerate() {
            assert!(!all[..number].contains(one), "{number}");
        }
    }

    #[test]
    fn what_is_spread_twice_is_read_once_and_counted_twice() {
        let mut text = "subscription { seatMap { ...f0 } }".to_owned();
        for number in 0..60 {
            let next = number + 1;
            let _ = write!(text, " fragment f{number} on Q {{ ...f{next} ...f{next} }}");
        }
        text += " fragment f60 on Q { cursor }";
        let (_, fields) = read_with(&text, json!({}));
        assert!(fields > 1 << 60, "{fields}");
        assert_eq!(read_with(PLAIN, json!({})).1, 7);
    }
}
