//! Requests that a page of somebody else has a visitor's browser send: what needs no question
//! beforehand does nothing, and what does nothing is said to have the wrong type or method.

use super::{a_buyer_is_served, open_to};
use crate::support::{Event, House};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::json;

const PATHS: [&str; 2] = ["/graphql", "/graphql/stream"];

fn request(house: &House, method: Method, path: &str) -> RequestBuilder {
    Client::new()
        .request(method, format!("{}{path}", house.url))
        .header("accept", "application/json, text/event-stream")
}

async fn expect_nothing_held(house: &House, event: &Event) {
    let map = house.visitor().seat_map(&event.id).await;
    let seats = map["seats"].as_array().unwrap();
    assert!(
        seats.iter().all(|seat| seat["status"] == "AVAILABLE"),
        "{map}"
    );
}

async fn expect(response: Response, status: u16, why: &str) {
    assert_eq!(response.status(), status, "{why}: {:?}", response.headers());
}

#[tokio::test]
async fn nothing_that_is_not_said_to_be_json_is_done() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let body = json!({"query": event.holding_seat(0)}).to_string();
    let query = format!("query={}", event.holding_seat(0));
    for path in PATHS {
        for content_type in [
            &b"text/plain"[..],
            b"text/plain;charset=UTF-8",
            b"text/plain; application/json",
            b"text/json",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=application/json",
            b"application/jsonx",
            b"application/json-patch+json",
            b"application/vnd.api+json",
            b"application/graphql",
            b"application/graphql-response+json",
            b"application/json, text/plain",
            b"text/plain, application/json",
            b"application/json; charset=utf-16",
            b"application/json; charset=utf-7",
            b"application/json\xff",
            b"*/*",
            b"",
        ] {
            let sent = request(&house, Method::POST, path)
                .header(CONTENT_TYPE, content_type)
                .body(body.clone());
            let why = String::from_utf8_lossy(content_type);
            expect(sent.send().await.unwrap(), 415, &why).await;
        }
        let nothing = request(&house, Method::POST, path).body(body.clone());
        expect(nothing.send().await.unwrap(), 415, "no type").await;
        for two in [
            ["application/json", "text/plain"],
            ["text/plain", "application/json"],
            ["application/json", "application/json"],
        ] {
            let sent = request(&house, Method::POST, path)
                .header(CONTENT_TYPE, two[0])
                .header(CONTENT_TYPE, two[1])
                .body(body.clone());
            expect(sent.send().await.unwrap(), 415, &two.concat()).await;
        }
        // What a form sends, with the operation in its fields and in the URL.
        let sent = request(&house, Method::POST, &format!("{path}?{query}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(query.clone());
        expect(sent.send().await.unwrap(), 415, "a form").await;
    }
    expect_nothing_held(&house, &event).await;
    a_buyer_is_served(&house, &event, 0).await;
}

#[tokio::test]
async fn no_mutation_comes_by_another_method_than_post_whatever_it_is_called() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let query = format!("query={}", event.holding_seat(0));
    let body = json!({"query": event.holding_seat(0)});
    for path in PATHS {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "post", "OPTIONS"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            for with_body in [true, false] {
                let mut sent = request(&house, method.clone(), &format!("{path}?{query}"))
                    .header("x-http-method-override", "POST")
                    .header("x-http-method", "POST")
                    .header("x-method-override", "POST");
                if with_body {
                    sent = sent.json(&body);
                }
                expect(sent.send().await.unwrap(), 405, method.as_str()).await;
            }
        }
        let sent = request(&house, Method::GET, &format!("{path}?_method=POST&{query}"));
        expect(sent.send().await.unwrap(), 405, "_method").await;
        // A POST whose operation is in the URL alone has none.
        let sent = request(&house, Method::POST, &format!("{path}?{query}"));
        let sent = sent.json(&json!({}));
        expect(sent.send().await.unwrap(), 400, "nothing to do").await;
    }
    expect_nothing_held(&house, &event).await;
    a_buyer_is_served(&house, &event, 0).await;
}

/// Even if it could: browsers say whose page it is.
#[tokio::test]
async fn a_foreign_page_is_refused_whatever_it_sends() {
    let house = open_to("https://shop.example").await;
    let event = house.event(1, 1).await;
    let body = json!({"query": event.holding_seat(0)});
    for path in PATHS {
        for origin in [
            "https://evil.example",
            "http://shop.example",
            "https://shop.example.evil.example",
            "https://shop.example:8443",
            "null",
            "",
            "usher",
        ] {
            let sent = request(&house, Method::POST, path)
                .header("origin", origin)
                .json(&body);
            let refused = sent.send().await.unwrap();
            assert_eq!(refused.status(), 403, "{origin}");
            let headers = refused.headers();
            assert!(!headers.contains_key("access-control-allow-origin"));
            let text = refused.text().await.unwrap();
            assert!(text.contains("\"ORIGIN_NOT_ALLOWED\""), "{text}");
        }
    }
    expect_nothing_held(&house, &event).await;
    let sent = request(&house, Method::POST, "/graphql").header("origin", "https://shop.example");
    expect(sent.json(&body).send().await.unwrap(), 200, "listed").await;
}
