//! Small documents with much work in them, and large ones.

use super::{GRAPHQL, expect_refused, expect_served, get, json_of, post};
use crate::support::peer::{Peer, Received};
use crate::support::{Event, House};
use futures_util::SinkExt;
use reqwest::Client;
use serde_json::{Value, json};
use std::fmt::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

pub(super) const TOO_MUCH: &str = "GRAPHQL_LIMIT_EXCEEDED";
const INVALID: &str = "GRAPHQL_VALIDATION_FAILED";
const NO_GRAPHQL: &str = "GRAPHQL_PARSE_FAILED";

pub(super) async fn house() -> (House, Event) {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    (house, event)
}

/// Each of so many fragments spreads the next one so many times; the last one has a field, or
/// spreads the first one.
fn fragments(count: usize, spreads: usize, is_cyclic: bool) -> String {
    let mut text = "{ ...f0 }".to_owned();
    for number in 0..count {
        let next = number + 1;
        let inner = match (next == count, is_cyclic) {
            (false, _) => format!("...f{next} ").repeat(spreads),
            (true, true) => "...f0 ".repeat(spreads),
            (true, false) => "__typename".to_owned(),
        };
        let _ = write!(text, " fragment f{number} on Query {{ {inner} }}");
    }
    text
}

fn many(count: usize, write: impl Fn(usize) -> String) -> String {
    let parts: Vec<_> = (0..count).map(write).collect();
    parts.concat()
}

pub(super) fn inside(open: &str, middle: &str, close: &str, times: usize) -> String {
    format!("{}{middle}{}", open.repeat(times), close.repeat(times))
}

#[tokio::test(flavor = "multi_thread")]
async fn fragment_bombs_are_refused() {
    let (house, event) = house().await;
    let wide = {
        let spreads: String = many(1_000, |number| format!("...f{number} "));
        let fields = "__typename ".repeat(2);
        let each = |number| format!("fragment f{number} on Query {{ {fields} }} ");
        format!("{{ {spreads} }} {}", many(1_000, each))
    };
    let wide_and_shallow = {
        let spreads = "...f ".repeat(900);
        let fields = "__typename ".repeat(900);
        format!("{{ {spreads} }} fragment f on Query {{ {fields} }}")
    };
    let doubling = fragments(31, 2, false);
    assert!(
        doubling.len() < 1_600,
        "a short one stops the stock library"
    );
    let nested_lists = "{ events(first: 100) { nodes { ...a } } } \
        fragment a on Event { seats(first: 1000) { nodes { ...b } } } \
        fragment b on Seat { history(first: 100) { nodes { version } } }";
    // The library follows all spreads before it finds out that the last of them leads nowhere.
    let nowhere = |spreads| fragments(29, spreads, false).replace("__typename", "...x ...x");
    for (name, document, code) in [
        ("doubling, to nowhere", nowhere(2), INVALID),
        ("tenfold, to nowhere", nowhere(10), INVALID),
        ("doubling, 30 deep", doubling, TOO_MUCH),
        ("doubling, 20 deep", fragments(21, 2, false), TOO_MUCH),
        ("tenfold, 20 deep", fragments(21, 10, false), TOO_MUCH),
        ("a chain of 500", fragments(500, 1, false), TOO_MUCH),
        ("1,000 fragments", wide, TOO_MUCH),
        ("wide and shallow", wide_and_shallow, TOO_MUCH),
        ("a cycle of 1", fragments(1, 1, true), INVALID),
        ("a doubling cycle of 1", fragments(1, 2, true), INVALID),
        ("a cycle of 2", fragments(2, 2, true), INVALID),
        ("a cycle of 500", fragments(500, 1, true), TOO_MUCH),
        ("a cycle of 1,000", fragments(1_000, 1, true), TOO_MUCH),
        ("lists in lists", nested_lists.to_owned(), TOO_MUCH),
    ] {
        let parameters = json!({"query": document});
        expect_refused(&house, &event, name, &parameters, code).await;
    }
    // A cycle that no operation spreads is looked at, too.
    let unused = "{ __typename } fragment a on Query { ...b } fragment b on Query { ...a }";
    expect_refused(&house, &event, "unused", &json!({"query": unused}), INVALID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_names_and_signs_are_refused() {
    let (house, event) = house().await;
    let aliases = |count: usize| {
        let fields: String = many(count, |number| format!("a{number}: __typename "));
        format!("{{ {fields} }}")
    };
    let directives = "@skip(if: false) ".repeat(5_000);
    let unknown = "@a".repeat(2_000);
    let on_spread = format!(
        "{{ ...f {} }} fragment f on Query {{ __typename }}",
        "@skip(if: false) ".repeat(60)
    );
    let mutations: String = many(11, |number| {
        format!("m{number}: releaseHold(input: {{token: \"x\"}}) {{ __typename }} ")
    });
    let operations: String = many(21, |n| format!("query Q{n} {{ __typename }} "));
    let comment = format!("#{}\n{{ __typename }}", "x".repeat(900_000));
    let variables: String = many(101, |number| format!("$v{number}: Int "));
    for (name, document) in [
        ("101 aliases", aliases(101)),
        ("2,000 aliases", aliases(2_000)),
        ("10,000 aliases", aliases(10_000)),
        ("5,000 directives", format!("{{ __typename {directives} }}")),
        (
            "2,000 unknown directives",
            format!("{{ __typename {unknown} }}"),
        ),
        ("directives on a spread", on_spread),
        ("11 mutations", format!("mutation {{ {mutations} }}")),
        ("21 operations", operations),
        ("a long comment", comment),
        ("a long name", format!("{{ {} }}", "x".repeat(10_000))),
        (
            "a long string",
            format!("{{ event(id: \"{}\") {{ id }} }}", "x".repeat(70_000)),
        ),
        (
            "101 variables",
            format!("query({variables}) {{ __typename }}"),
        ),
        (
            "a field 3,000 times",
            format!("{{ {} }}", "__typename ".repeat(5_000)),
        ),
    ] {
        let parameters = json!({"query": document, "operationName": null});
        expect_refused(&house, &event, name, &parameters, TOO_MUCH).await;
    }
    let answer = json_of(post(&house.url, &json!({"query": aliases(100)}), None).await).await;
    assert_eq!(answer["data"]["a99"], "Query", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_is_refused() {
    let (house, event) = house().await;
    let deep_type = inside("[", "Int", "]", 10_000);
    for (name, document) in [
        ("selections", inside("{a", "", "}", 10_000)),
        ("selections of 49", inside("{a", "", "}", 49)),
        (
            "fields of 21",
            format!("{{ {} }}", inside("a{", "a", "}", 21)),
        ),
        ("open selections", "{a".repeat(10_000)),
        (
            "inline fragments",
            format!("{{ {} }}", inside("...{", "a", "}", 10_000)),
        ),
        (
            "inline fragments of 33",
            format!("{{ {} }}", inside("...{", "a", "}", 33)),
        ),
        (
            "a list",
            format!("{{ a(b: {}) }}", inside("[", "", "]", 10_000)),
        ),
        ("open lists", format!("{{ a(b: {}", "[".repeat(10_000))),
        (
            "an object",
            format!("{{ a(b: {}) }}", inside("{a:", "1", "}", 5_000)),
        ),
        ("a type", format!("query($a: {deep_type}) {{ __typename }}")),
        ("brackets of all kinds", "{a(b:[".repeat(3_000)),
    ] {
        let parameters = json!({"query": document});
        expect_refused(&house, &event, name, &parameters, TOO_MUCH).await;
    }
    // In strings and comments brackets are no more than letters.
    let brackets = "{".repeat(10_000);
    for (name, document) in [
        (
            "string",
            format!("{{ event(id: \"{brackets}\") {{ id }} }}"),
        ),
        (
            "block string",
            format!("{{ event(id: \"\"\"{brackets} \" \"\"\") {{ id }} }}"),
        ),
        (
            "comment",
            format!("# {brackets}\n{{ event(id: \"x\") {{ id }} }}"),
        ),
    ] {
        let answer = json_of(post(&house.url, &json!({"query": document}), None).await).await;
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!(code, "BAD_USER_INPUT", "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_no_documents_are_refused() {
    let (house, event) = house().await;
    for (name, document) in [
        ("nothing but white space", " \u{feff}\n,,".to_owned()),
        ("null bytes", "{ \0 }".to_owned()),
        ("a string without an end", "{ a(b: \"\n\") }".to_owned()),
        (
            "a block string without an end",
            format!("{{ a(b: \"\"\"{} ) }}", "[".repeat(9_000)),
        ),
        ("quotes", format!("{{ a(b: {}) }}", "\"\\".repeat(3_000))),
        (
            "only fragments",
            "fragment f on Query { __typename }".to_owned(),
        ),
        (
            "twice the same name",
            "query A { __typename } query A { __typename }".to_owned(),
        ),
    ] {
        let parameters = json!({"query": document});
        expect_refused(&house, &event, name, &parameters, NO_GRAPHQL).await;
    }
    // A byte order mark is white space.
    let marked = json!({"query": "\u{feff}{ \u{feff}__typename }"});
    let answer = json_of(post(&house.url, &marked, None).await).await;
    assert_eq!(answer["data"]["__typename"], "Query");
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_variables_are_refused() {
    let (house, event) = house().await;
    let query = "query($id: ID!) { event(id: $id) { id } }";
    let mut nested = json!(1);
    for _ in 0..40 {
        nested = json!({"a": [nested]});
    }
    let many: serde_json::Map<_, _> = (0..101).map(|n| (format!("v{n}"), json!(1))).collect();
    for (name, variables) in [
        ("a string of 900 kB", json!({"id": "x".repeat(900_000)})),
        ("a list of 100,000", json!({"id": vec![1; 100_000]})),
        ("a list of 10,001", json!({"id": vec![1; 10_001]})),
        ("an object in an object", json!({"id": nested})),
        ("101 of them", json!(many)),
        (
            "one that nobody uses",
            json!({"id": "x", "other": "x".repeat(300_000)}),
        ),
    ] {
        let parameters = json!({"query": query, "variables": variables});
        expect_refused(&house, &event, name, &parameters, TOO_MUCH).await;
    }
    let unknown = "query($a: [[Nothing!]!] = [[1]]) { __typename }";
    expect_refused(
        &house,
        &event,
        "a type",
        &json!({"query": unknown}),
        INVALID,
    )
    .await;
    // Deeper than JSON is read at all.
    let deep = format!(
        "{{\"query\": \"{{a}}\", \"variables\": {}}}",
        inside("{\"a\":", "1", "}", 10_000)
    );
    let request = Client::new().post(format!("{}/graphql", house.url));
    let request = request
        .header("content-type", "application/json")
        .body(deep);
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    let parameters =
        json!({"query": "{ __typename }", "variables": inside("{\"a\":", "1", "}", 1_000)});
    assert_eq!(get(&house.url, &parameters).await.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_or_no_text_are_refused() {
    let (house, event) = house().await;
    let send = async |body: Vec<u8>| {
        let request = Client::new().post(format!("{}/graphql", house.url));
        let request = request.header("content-type", "application/json");
        let response = request
            .header("accept", GRAPHQL)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (
            status,
            body["errors"][0]["extensions"]["code"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    };
    let padded = format!(
        "{{\"query\": \"{{ __typename }} # {}\"}}",
        "x".repeat(10_000_000)
    );
    assert_eq!(
        send(padded.into()).await,
        (413, "PAYLOAD_TOO_LARGE".to_owned())
    );
    let bad_request = (400, "BAD_REQUEST".to_owned());
    let batch = json!(vec![json!({"query": "{ __typename }"}); 1_000]).to_string();
    assert_eq!(send(batch.into()).await, bad_request);
    assert_eq!(
        send(b"{\"query\": \"{ \xff }\"}".to_vec()).await,
        bad_request
    );
    assert_eq!(
        send(b"\xef\xbb\xbf{\"query\": \"{ __typename }\"}".to_vec()).await,
        bad_request
    );
    assert_eq!(
        send(inside("[", "", "]", 100_000).into()).await,
        bad_request
    );
    let address = house.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let query = "a%20".repeat(25_000);
    let head = format!("GET /graphql?query=%7B{query}%7D HTTP/1.1\r\nhost: a\r\n\r\n");
    // The server may close before it has read all of it.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    let status = String::from_utf8_lossy(&status).into_owned();
    assert!(
        status.ends_with("414") || status.ends_with("431"),
        "{status}"
    );
    let broken = Client::new().get(format!("{}/graphql?query=%FF%FE", house.url));
    let broken = broken.header("accept", GRAPHQL);
    assert_eq!(broken.send().await.unwrap().status(), 400);

    let mut peer = Peer::ready(&house.url).await;
    let large = json!({"type": "subscribe", "id": "1", "payload": {"query": "x".repeat(300_000)}});
    // The server closes while it is still being sent.
    let _ = peer.socket.send(Message::text(large.to_string())).await;
    assert!(matches!(peer.receive().await, Received::Close(1009, _)));
    let mut peer = Peer::ready(&house.url).await;
    peer.send(json!([{"type": "ping"}])).await;
    peer.expect_close(4400, "").await;
    expect_served(&house, &event).await;
}

/// A value is put in as often as the document uses it, before anything else looks at it.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_used_thousands_of_times_are_refused() {
    let (house, event) = house().await;
    let uses = "$v ".repeat(1_900);
    for (name, document) in [
        (
            "in the number of a page",
            format!("query($v: [String]) {{ events(first: [{uses}]) {{ nodes {{ id }} }} }}"),
        ),
        (
            "in an id",
            format!("query($v: [String]) {{ event(id: [{uses}]) {{ id }} }}"),
        ),
    ] {
        let parameters = json!({"query": document, "variables": {"v": vec![""; 10_000]}});
        expect_refused(&house, &event, name, &parameters, TOO_MUCH).await;
    }
}
