//! What the pass over a text finds, against the parser.

use super::*;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Positioned, Value};
use proptest::prelude::*;

fn tokens(text: &str) -> usize {
    scan(text).unwrap().tokens
}

fn brackets(text: &str) -> usize {
    scan(text).unwrap().brackets
}

#[test]
fn words_numbers_strings_and_signs_are_one_token_each() {
    assert_eq!(tokens("{ a b_c(d: 12) }"), 9);
    assert_eq!(tokens("{a,a,,,a}"), 5, "a comma says nothing");
    assert_eq!(tokens("\u{feff} # { comment } \n"), 0);
    assert_eq!(tokens("...on $a @b ! ="), 8);
    assert_eq!(tokens(r#""" "a \" {" """b {{ \""" "" c""""#), 3);
    assert_eq!(tokens("0-1 00 1.5e-3 -0.0 1.a 1e"), 2 + 2 + 1 + 1 + 3 + 2);
}

/// The parser needs nothing after a literal.
#[test]
fn what_is_glued_to_a_literal_is_another_token() {
    for (values, count) in [
        ("truetrue", 2),
        ("nullfalsetrueA", 4),
        ("true000", 4),
        ("Atrue", 1),
        ("true_ nulls", 4),
        ("false-1e5", 2),
    ] {
        let text = format!("{{a(b:[{values}])}}");
        // With the list and the field, what is around them, and the document.
        let things = measured(&parse_query(&text).unwrap()).1;
        assert_eq!(things, count + 4, "{text}");
        let around = tokens("{a(b:[])}");
        assert_eq!(tokens(&text), around + count, "{text}");
    }
    let long = format!("true{}", "0".repeat(300));
    assert_eq!(
        scan(&long).unwrap().longest_name,
        long.len(),
        "it may be a field"
    );
}

#[test]
fn brackets_count_where_they_are_code() {
    assert_eq!(brackets("{ a { b(c: [{d: 1}]) } }"), 5);
    assert_eq!(brackets("{ a(b: \"{{{\") #{{{\r }"), 2);
    assert_eq!(brackets(r#"{ a(b: """ " {{{ \""" {{{ """) }"#), 2);
    assert_eq!(brackets("}}}{"), 1);
}

#[test]
fn a_string_without_an_end_is_a_mistake_and_not_the_rest_of_the_text() {
    for text in [
        "{ a(b: \"c\n\") }",
        "{ a(b: \"\"\" {{{ ) }",
        "\"",
        "\"\\",
        "\"\"\"\\\"\"\"",
    ] {
        assert!(scan(text).is_err(), "{text}");
    }
    let settings = DocumentSettings::default();
    let error = check("{ a\n  b(c: \"", &settings).unwrap_err();
    assert_eq!(error.locations, [Pos { line: 2, column: 8 }]);
}

/// A document, how many tokens it has, and how deep its brackets go.
#[derive(Clone, Debug)]
struct Written {
    text: String,
    tokens: usize,
    brackets: usize,
}

fn word(text: impl Into<String>) -> Written {
    Written {
        text: text.into(),
        tokens: 1,
        brackets: 0,
    }
}

fn joined(parts: &[Written], between: &str) -> Written {
    let texts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
    Written {
        text: texts.join(between),
        tokens: parts.iter().map(|part| part.tokens).sum(),
        brackets: parts.iter().map(|part| part.brackets).max().unwrap_or(0),
    }
}

fn enclosed(open: &str, inner: &Written, close: &str, between: &str) -> Written {
    Written {
        text: format!("{open}{between}{}{between}{close}", inner.text),
        tokens: inner.tokens + 2,
        brackets: inner.brackets + 1,
    }
}

const BETWEEN: [&str; 6] = [
    " ",
    ",",
    "\n",
    " # a { \" comment\r",
    "\u{feff} ",
    "\t#\"\"\"\n",
];

fn between() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&BETWEEN[..])
}

fn value() -> impl Strategy<Value = Written> {
    let texts = [
        "1",
        "-0.5e+7",
        "\"\"",
        r#""{[\" \\""#,
        r#"""" { " \""" ["""#,
        "true",
        "NAME",
        "\"é#\"",
    ];
    // A block string is closed here, so that its content cannot run into the fence.
    let leaf = proptest::sample::select(texts.to_vec()).prop_map(|text| {
        word(if text.starts_with("\"\"\"") {
            format!("{text} \"\"\"")
        } else {
            text.to_owned()
        })
    });
    leaf.prop_recursive(4, 20, 4, |inner| {
        (
            proptest::collection::vec(inner, 0..4),
            between(),
            any::<bool>(),
        )
            .prop_map(|(items, between, is_list)| {
                if is_list {
                    return enclosed("[", &joined(&items, between), "]", between);
                }
                let fields = items.into_iter().enumerate().map(|(index, item)| {
                    joined(&[word(format!("k{index}")), word(":"), item], between)
                });
                enclosed(
                    "{",
                    &joined(&fields.collect::<Vec<_>>(), between),
                    "}",
                    between,
                )
            })
    })
}

fn selection() -> impl Strategy<Value = Written> {
    let leaf = proptest::sample::select(vec!["a", "b1", "_c"]).prop_map(word);
    leaf.prop_recursive(4, 30, 4, |inner| {
        let children = proptest::collection::vec(inner, 1..4);
        (children, value(), between(), 0..4_usize).prop_map(|(children, value, between, kind)| {
            let set = enclosed("{", &joined(&children, between), "}", between);
            let argument = joined(&[word("x"), word(":"), value], between);
            let arguments = enclosed("(", &argument, ")", between);
            let parts = match kind {
                0 => vec![word("f"), set],
                1 => vec![word("alias"), word(":"), word("f"), arguments, set],
                2 => vec![word("..."), word("on T"), set],
                _ => vec![word("f"), word("@"), word("d"), arguments, set],
            };
            let mut joined = joined(&parts, between);
            // "on T" is two words, with a plain blank between them.
            joined.tokens += usize::from(kind == 2);
            joined
        })
    })
}

/// How deep a document is, and how many fields and values there are, once it is parsed.
fn measured(document: &ExecutableDocument) -> (usize, usize) {
    fn of_value(value: &Value) -> (usize, usize) {
        let items: Vec<_> = match value {
            Value::List(items) => items.iter().map(of_value).collect(),
            Value::Object(fields) => fields.values().map(of_value).collect(),
            _ => return (0, 1),
        };
        summed(&items, 1)
    }
    fn of_set(set: &SelectionSet) -> (usize, usize) {
        let item = |item: &Positioned<Selection>| {
            let mut parts = Vec::new();
            if let Selection::InlineFragment(fragment) = &item.node {
                parts.push(of_set(&fragment.node.selection_set.node));
            }
            if let Selection::Field(field) = &item.node {
                parts.push(of_set(&field.node.selection_set.node));
                parts.extend(field.node.arguments.iter().map(|(_, value)| {
                    let value = value
                        .node
                        .clone()
                        .into_const_with(|_| Ok::<_, ()>(Value::Null));
                    summed(&[of_value(&value.unwrap())], 1)
                }));
            }
            summed(&parts, 0)
        };
        if set.items.is_empty() {
            return (0, 0);
        }
        summed(&set.items.iter().map(item).collect::<Vec<_>>(), 1)
    }
    fn summed(parts: &[(usize, usize)], around: usize) -> (usize, usize) {
        let deepest = parts.iter().map(|part| part.0).max().unwrap_or(0);
        (
            deepest + around,
            1 + parts.iter().map(|part| part.1).sum::<usize>(),
        )
    }
    let operations = document.operations.iter();
    let sets = operations.map(|(_, operation)| of_set(&operation.node.selection_set.node));
    sets.fold((0, 0), |a, b| (a.0.max(b.0), a.1 + b.1))
}

proptest! {
    #[test]
    fn the_count_is_that_of_the_document(
        selections in proptest::collection::vec(selection(), 1..4), between in between(),
    ) {
        let document = enclosed("{", &joined(&selections, between), "}", between);
        prop_assert!(parse_query(&document.text).is_ok(), "{}", document.text);
        let found = scan(&document.text).unwrap();
        prop_assert_eq!(found.tokens, document.tokens, "{}", &document.text);
        prop_assert_eq!(found.brackets, document.brackets, "{}", &document.text);
    }

    #[test]
    fn nothing_is_parsed_deeper_than_it_was_scanned(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "[", "]", "(", ")", "\"", "\"\"\"", "\\", "#", "\n", "a", " ", ":",
                "{a}", "a(b:", "a(b:[", "])", "...", "1", "é", "$", "\"\"", "true", "null", "0",
            ]), 0..40),
    ) {
        let text = format!("{{ a {} }}", pieces.concat());
        // The pass is stricter with strings that have no end, and never sees less.
        if let (Ok(document), Ok(found)) = (parse_query(&text), scan(&text)) {
            let (deepest, things) = measured(&document);
            prop_assert!(found.brackets >= deepest, "{}", &text);
            prop_assert!(found.tokens >= things, "{}", &text);
        }
    }
}
