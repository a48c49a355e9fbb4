//! GraphQL over HTTP: the audits of the specification, the real client of its
//! WebSocket sibling, and beyond them the limits, refusals and codes. Its folder has
//! what the log says of it.

mod log;

use crate::support::encoded::decoded;
use crate::support::slow_hold::SlowHold;
use crate::support::{Event, House, PATIENCE, house, node};
use diesel_async::SimpleAsyncConnection;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use usher::model::Role;

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

fn request(house: &House, method: Method) -> RequestBuilder {
    Client::new().request(method, format!("{}/graphql", house.url))
}

async fn get(house: &House, query: &str) -> Response {
    let url = format!("{}/graphql?{query}", house.url);
    Client::new().get(url).send().await.unwrap()
}

async fn post(house: &House, accept: &str, body: impl ToString) -> Response {
    let request = request(house, Method::POST)
        .header("content-type", JSON)
        .header("accept", accept)
        .body(body.to_string());
    request.send().await.unwrap()
}

async fn expect_refusal(response: Response, status: u16, code: &str) {
    let found = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!(found, status, "{body}");
    assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    assert!(body.get("data").is_none(), "{body}");
}

async fn expect_nothing_held(house: &House, event: &Event) {
    let map = house.visitor().seat_map(&event.id).await;
    assert_eq!(map["seats"][0]["status"], "AVAILABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_audit_of_the_specification_passes() {
    let house = House::open().await;
    let url = format!("{}/graphql", house.url);
    let printed = node::run("http_audits.mjs", &[&url], &[]).await;
    println!("{printed}");
    assert!(printed.contains("61 passed, 0 failed"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graphql_ws_client_sees_a_change_made_meanwhile() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let url = format!("{}/graphql", house.url.replace("http:", "ws:"));
    let subscription = "subscription ($event: ID!, $after: Cursor) { \
        seatMap(eventId: $event, after: $after) { __typename \
          ... on SeatMapSnapshot { cursor seats { id status version } } \
          ... on SeatMapDelta { changes { status version seatId } } } }";
    let variables = json!({"event": event.id}).to_string();
    let token = house::token("anna", Role::Buyer);
    let trigger = event.holding_seat(0);
    let unheard = event.holding_seat(1);
    let missed = event.holding_seat(2);
    let printed = node::run(
        "graphql_ws.mjs",
        &[&url, subscription, &variables],
        &[
            ("QUERY", "{ viewer { subject } }"),
            ("TRIGGER", &trigger),
            ("UNHEARD", &unheard),
            ("MISSED", &missed),
            ("TOKEN", &token),
        ],
    )
    .await;
    println!("{printed}");
    assert!(printed.contains("7 passed, 0 failed"), "{printed}");
    assert!(printed.contains(r#"{"viewer":{"subject":"anna"}}"#));
    let delta =
        r#"then {"seatMap":{"__typename":"SeatMapDelta","changes":[{"status":"HELD","version":2"#;
    assert!(printed.contains(delta), "{printed}");
}

#[tokio::test]
async fn what_is_no_graphql_request_is_refused() {
    let house = House::open().await;
    for body in [
        "",
        "{",
        "7",
        "[]",
        "[{\"query\":\"{__typename}\"}]",
        "{\"query\":7}",
    ] {
        expect_refusal(post(&house, GRAPHQL, body).await, 400, "BAD_REQUEST").await;
    }
    for query in [
        "",
        "query=",
        "query={__typename}&variables={",
        "query={__typename}&variables=[]",
        "query={__typename}&query={__typename}",
    ] {
        expect_refusal(get(&house, query).await, 400, "BAD_REQUEST").await;
    }
    let refused = post(&house, "text/html", "{}").await;
    expect_refusal(refused, 406, "NOT_ACCEPTABLE").await;
}

#[tokio::test]
async fn the_operation_is_the_one_that_is_named() {
    let house = House::open().await;
    let both = "query=query A{a:__typename}query B{b:__typename}";
    let answer = get(&house, &format!("{both}&operationName=B")).await;
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"data": {"b": "Query"}})
    );
    for name in ["", "C"] {
        let body = json!({
            "query": "query A{a:__typename} query B{b:__typename}", "operationName": name,
        });
        let refused = post(&house, GRAPHQL, body).await;
        expect_refusal(refused, 400, "OPERATION_NOT_FOUND").await;
    }
}

#[tokio::test]
async fn a_mutation_runs_by_post_alone() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let refused = get(&house, &format!("query={}", event.holding_seat(0))).await;
    assert_eq!(refused.headers()["allow"], "POST");
    expect_refusal(refused, 405, "METHOD_NOT_ALLOWED").await;
    expect_nothing_held(&house, &event).await;

    let answer = post(&house, JSON, json!({"query": event.holding_seat(0)})).await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        answer,
        json!({"data": {"holdSeats": {"__typename": "SeatsHeld"}}})
    );
}

#[tokio::test]
async fn other_methods_than_get_and_post_are_refused() {
    let house = House::open().await;
    let brew = Method::from_bytes(b"BREW").unwrap();
    for method in [Method::DELETE, Method::PUT, Method::OPTIONS, brew] {
        let refused = request(&house, method).send().await.unwrap();
        assert_eq!(refused.headers()["allow"], "GET, POST");
        expect_refusal(refused, 405, "METHOD_NOT_ALLOWED").await;
    }
    let head = request(&house, Method::HEAD).send().await.unwrap();
    assert_eq!(head.status(), 405);
}

#[tokio::test]
async fn a_subscription_is_sent_to_the_websocket() {
    let house = House::open().await;
    let document = "subscription{seatMap(eventId:\"x\"){__typename}}";
    for refused in [
        post(&house, JSON, json!({"query": document})).await,
        get(&house, &format!("query={document}")).await,
    ] {
        expect_refusal(refused, 400, "SUBSCRIPTION_NOT_SUPPORTED").await;
    }
}

/// What a page of another origin can send without the browser asking first.
#[tokio::test]
async fn a_foreign_page_can_send_nothing() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
    ] {
        let refused = request(&house, Method::POST)
            .header("content-type", content_type)
            .body(json!({"query": event.holding_seat(0)}).to_string())
            .send();
        expect_refusal(refused.await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
    }
    expect_nothing_held(&house, &event).await;
}

#[tokio::test]
async fn a_bad_token_is_unauthenticated() {
    let house = House::open().await;
    for accept in [JSON, GRAPHQL] {
        for credential in ["Bearer nobody", "Basic YTpi", "Bearer"] {
            let refused = request(&house, Method::POST)
                .header("accept", accept)
                .header("authorization", credential)
                .json(&json!({"query": "{ __typename }"}))
                .send();
            let refused = refused.await.unwrap();
            let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer error="), "{challenge}");
            expect_refusal(refused, 401, "UNAUTHENTICATED").await;
        }
    }
}

#[tokio::test]
async fn a_visitor_sends_one_mebibyte_and_staff_64() {
    let house = House::open().await;
    let credential = |role| format!("authorization: Bearer {}\r\n", house::token("tess", role));
    for (credential, largest) in [
        (String::new(), MEBIBYTE),
        (credential(Role::Buyer), MEBIBYTE),
        (credential(Role::Staff), 64 * MEBIBYTE),
    ] {
        // What is announced is enough for a refusal, or to be asked to go on.
        let announce = |length: usize| format!("{credential}content-length: {length}\r\n");
        assert_eq!(status_of(&house, &announce(largest), "").await, 100);
        assert_eq!(status_of(&house, &announce(largest + 1), "").await, 413);
    }
    let refused = format!("content-length: {}\r\n", MEBIBYTE + 1);
    let refused = send_by_hand(&house, &refused, "", "PAYLOAD_TOO_LARGE").await;
    assert!(refused.contains("application/json"), "{refused}");

    let start = r#"{"query":"{ __typename }","fill":""#;
    let fill = "x".repeat(MEBIBYTE - start.len() - 2);
    let answer = post(&house, JSON, format!("{start}{fill}\"}}")).await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer, json!({"data": {"__typename": "Query"}}));
}

#[tokio::test]
async fn a_body_of_no_announced_length_is_counted() {
    let house = House::open().await;
    let chunked = "transfer-encoding: chunked\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let received = send_by_hand(&house, chunked, &chunk.repeat(17), "PAYLOAD_TOO_LARGE").await;
    assert!(received.contains("HTTP/1.1 413"), "{received}");
}

const MEBIBYTE: usize = 1024 * 1024;

/// The status with which the server meets a request that is not sent whole.
async fn status_of(house: &House, headers: &str, body: &str) -> u16 {
    let received = send_by_hand(house, headers, body, "\r\n").await;
    let status = received.split(' ').nth(1).unwrap();
    status.parse().unwrap()
}

/// Sends a request that does not end, and reads until these words come.
async fn send_by_hand(house: &House, headers: &str, body: &str, until: &str) -> String {
    let mut stream = TcpStream::connect(house.running.address).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\n{headers}\r\n{body}"
    );
    // The server may have answered, and gone, before it was sent whole.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut received = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&received).contains(until) {
            let read = stream.read_buf(&mut received).await.unwrap();
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&received));
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn an_error_of_a_field_has_a_code_and_hides_its_cause() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let bad_cursor = format!(
        "{{ event(id: {:?}) {{ seatMap(atLeast: \"never\") {{ cursor }} }} }}",
        event.id
    );
    let broken = "ALTER TABLE venues RENAME TO elsewhere";
    house.sql().await.batch_execute(broken).await.unwrap();
    for (query, code) in [
        ("{ node(id: \"nonsense\") { id } }", "BAD_USER_INPUT"),
        (&bad_cursor, "BAD_USER_INPUT"),
        (
            "mutation { createVenue(input: {name: \"A\", timeZone: \"UTC\"}) { __typename } }",
            "UNAUTHENTICATED",
        ),
        ("{ venues { nodes { id } } }", "INTERNAL_SERVER_ERROR"),
    ] {
        let response = post(&house, GRAPHQL, json!({"query": query})).await;
        assert_eq!(response.status(), 200);
        let content_type = &response.headers()["content-type"];
        assert_eq!(
            content_type,
            "application/graphql-response+json; charset=utf-8"
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
        let text = response.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
        assert!(body.get("data").is_some(), "{body}");
        assert!(!text.contains("relation"), "{text}");
    }
}

#[tokio::test]
async fn a_refused_document_is_not_echoed() {
    let house = House::open().await;
    let secret = format!("{{ {} (", "secret ".repeat(500));
    for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
        let refused = post(&house, accept, json!({"query": secret})).await;
        assert_eq!(refused.status(), status);
        let text = refused.text().await.unwrap();
        assert!(text.contains("GRAPHQL_PARSE_FAILED"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let unknown = format!("{{ {} }}", "x".repeat(255));
    let refused = post(&house, JSON, json!({"query": unknown})).await;
    let text = refused.text().await.unwrap();
    assert!(text.contains("GRAPHQL_VALIDATION_FAILED"), "{text}");
    assert!(text.len() < 600, "{} bytes", text.len());
}

#[tokio::test]
async fn a_mutation_outlives_its_client() {
    let house = House::open().await;
    let mut hold = SlowHold::at(&house).await;
    let body = json!({"query": hold.mutation()}).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = TcpStream::connect(house.running.address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    hold.has_begun().await;
    drop(client);
    // Enough for the server to notice that the client is gone.
    for _ in 0..20 {
        assert_eq!(get(&house, "query={__typename}").await.status(), 200);
    }
    hold.takes_effect(&house).await;
}

#[tokio::test]
async fn answers_are_compressed_as_the_client_likes() {
    let house = House::open().await;
    let event = house.event(10, 20).await;
    let query = format!(
        "{{ event(id: {:?}) {{ seatMap {{ seats {{ id label status version }} }} }} }}",
        event.id
    );
    let ask = async |encoding: &'static str| {
        let request = request(&house, Method::POST)
            .header("accept-encoding", encoding)
            .json(&json!({"query": query}));
        let response = request.send().await.unwrap();
        let found = response.headers().get("content-encoding").cloned();
        (found, response.bytes().await.unwrap())
    };
    let (none, plain) = ask("identity").await;
    assert_eq!(none, None);
    let seats: Value = serde_json::from_slice(&plain).unwrap();
    let seats = &seats["data"]["event"]["seatMap"]["seats"];
    assert_eq!(seats.as_array().unwrap().len(), 200);
    for encoding in ["gzip", "br", "zstd"] {
        let (found, body) = ask(encoding).await;
        assert_eq!(found.unwrap(), encoding);
        assert!(body.len() < plain.len() / 2, "{encoding}: {}", body.len());
        assert_eq!(decoded(encoding, &body).await, plain, "{encoding}");
    }
}
