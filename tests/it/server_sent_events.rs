//! GraphQL over Server-Sent Events, read byte by byte: the order of events, and what is
//! refused before there is a stream. Its folder has the limits, what becomes of work when
//! a client leaves or the server stops, and the clients from npm.

mod clients;
mod limits;
mod work;

use crate::support::event_stream::{EVENT_STREAM, EventStream, Received, asking, watching};
use crate::support::{House, house};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use usher::model::Role;

async fn expect_refusal(response: Response, status: u16, code: &str) {
    assert_eq!(response.status(), status);
    let content_type = &response.headers()["content-type"];
    assert_eq!(content_type, "application/json; charset=utf-8");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    assert!(body.get("data").is_none(), "{body}");
}

#[tokio::test]
async fn a_query_and_a_mutation_are_answered_once() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let mut stream = EventStream::open(&house.url, "{ __typename }").await;
    // For browsers that show a page nothing before there is some of the body.
    assert_eq!(stream.receive().await, Received::Comment);
    assert_eq!(
        stream.next().await,
        json!({"data": {"__typename": "Query"}})
    );
    stream.expect_complete().await;

    let mut stream = EventStream::open(&house.url, &event.holding_seat(0)).await;
    let held = json!({"data": {"holdSeats": {"__typename": "SeatsHeld"}}});
    assert_eq!(stream.next().await, held);
    stream.expect_complete().await;
}

#[tokio::test]
async fn a_subscription_goes_on_by_post_and_by_get() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let by_get = Client::new()
        .get(format!(
            "{}/graphql/stream?query={}",
            house.url,
            watching(&event)
        ))
        .header("accept", EVENT_STREAM);
    let mut streams = [
        EventStream::open(&house.url, &watching(&event)).await,
        EventStream::of(by_get).await,
    ];
    for stream in &mut streams {
        let first = stream.next().await;
        let map = &first["data"]["seatMap"];
        assert_eq!(map["__typename"], "SeatMapSnapshot", "{first}");
        assert_eq!(map["seats"][0]["status"], "AVAILABLE", "{first}");
    }
    house.visitor().hold(&event.id, &event.seats).await.data();
    for stream in &mut streams {
        let second = stream.next().await;
        let map = &second["data"]["seatMap"];
        assert_eq!(map["__typename"], "SeatMapDelta", "{second}");
        assert_eq!(map["changes"][0]["status"], "HELD", "{second}");
    }
}

#[tokio::test]
async fn who_comes_back_with_a_cursor_misses_nothing() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut stream = EventStream::open(&house.url, &watching(&event)).await;
    let cursor = stream.next().await["data"]["seatMap"]["cursor"].clone();
    drop(stream);
    house
        .visitor()
        .hold(&event.id, &event.seats[..1])
        .await
        .data();
    let document = watching(&event).replace(
        "seatMap(",
        &format!(
            "seatMap(after: {}, ",
            cursor.as_str().map(|text| json!(text)).unwrap()
        ),
    );
    // Of no meaning here: the place is in the variables.
    let again = asking(&house.url, &document).header("last-event-id", "7");
    let delta = EventStream::of(again).await.next().await;
    let map = &delta["data"]["seatMap"];
    assert_eq!(map["__typename"], "SeatMapDelta", "{delta}");
    assert_eq!(map["changes"][0]["seatId"], event.seats[0].id, "{delta}");
}

#[tokio::test]
async fn what_is_wrong_with_a_document_comes_as_an_event() {
    let house = House::open().await;
    for (document, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ noSuchFieldAnywhere }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { noSuchFieldAnywhere }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "subscription { a: __typename b: __typename }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "query A { __typename } query B { __typename }",
            "OPERATION_NOT_FOUND",
        ),
    ] {
        let mut stream = EventStream::open(&house.url, document).await;
        let answer = stream.next().await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{answer}");
        assert!(answer.get("data").is_none(), "{answer}");
        stream.expect_complete().await;
    }
    // An error of a resolver is part of an answer, and ends the operation too.
    for document in [
        "{ node(id: \"nonsense\") { id } }",
        "subscription { seatMap(eventId: \"nonsense\") { __typename } }",
    ] {
        let mut stream = EventStream::open(&house.url, document).await;
        let answer = stream.next().await;
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!(code, "BAD_USER_INPUT", "{answer}");
        assert!(answer.get("data").is_some(), "{answer}");
        stream.expect_complete().await;
    }
}

#[tokio::test]
async fn what_is_no_graphql_request_is_refused_before_there_is_a_stream() {
    let house = House::open().await;
    let url = format!("{}/graphql/stream", house.url);
    let query = json!({"query": "{ __typename }"});
    for accept in [None, Some("*/*"), Some("application/json"), Some("text/*")] {
        let request = Client::new().post(&url).json(&query);
        let request = match accept {
            Some(accept) => request.header("accept", accept),
            None => request,
        };
        let refused = request.send().await.unwrap();
        expect_refusal(refused, 406, "NOT_ACCEPTABLE").await;
    }
    let ask = |method: Method, url: &str| {
        let request = Client::new().request(method, url);
        request.header("accept", EVENT_STREAM)
    };
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
        let refused = ask(method, &url).send().await.unwrap();
        assert_eq!(refused.headers()["allow"], "GET, POST");
        expect_refusal(refused, 405, "METHOD_NOT_ALLOWED").await;
    }
    let typed = ask(Method::POST, &url).header("content-type", "text/plain");
    let refused = typed.body(query.to_string()).send().await.unwrap();
    expect_refusal(refused, 415, "UNSUPPORTED_MEDIA_TYPE").await;
    for body in ["", "{", "[]", "{\"query\":7}"] {
        let typed = ask(Method::POST, &url).header("content-type", "application/json");
        let refused = typed.body(body).send().await.unwrap();
        expect_refusal(refused, 400, "BAD_REQUEST").await;
    }
    let refused = ask(Method::GET, &url).send().await.unwrap();
    expect_refusal(refused, 400, "BAD_REQUEST").await;
    let large = json!({"query": "{ __typename }", "fill": "x".repeat(1024 * 1024)});
    let refused = ask(Method::POST, &url).json(&large).send().await.unwrap();
    expect_refusal(refused, 413, "PAYLOAD_TOO_LARGE").await;
}

#[tokio::test]
async fn a_mutation_runs_by_post_alone() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let document = event.holding_seat(0);
    let refused = Client::new()
        .get(format!("{}/graphql/stream?query={document}", house.url))
        .header("accept", EVENT_STREAM)
        .send();
    let refused = refused.await.unwrap();
    assert_eq!(refused.headers()["allow"], "POST");
    expect_refusal(refused, 405, "METHOD_NOT_ALLOWED").await;
    let map = house.visitor().seat_map(&event.id).await;
    assert_eq!(map["seats"][0]["status"], "AVAILABLE");
}

#[tokio::test]
async fn the_caller_is_who_the_header_says() {
    let house = House::open().await;
    let who = "{ viewer { role subject } }";
    let good = format!("Bearer {}", house::token("anna", Role::Buyer));
    let request = asking(&house.url, who).header("authorization", good);
    let mut stream = EventStream::of(request).await;
    let anna = json!({"data": {"viewer": {"role": "BUYER", "subject": "anna"}}});
    assert_eq!(stream.next().await, anna);

    let request = asking(&house.url, who).header("authorization", "Bearer nobody");
    let refused = request.send().await.unwrap();
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer error="), "{challenge}");
    expect_refusal(refused, 401, "UNAUTHENTICATED").await;
}
