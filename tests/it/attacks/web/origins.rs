//! Pages of other origins: those in the list may use all of the API, and all others nothing but
//! what anybody may look at.

use super::open_to;
use crate::support::House;
use crate::support::event_stream::EVENT_STREAM;
use crate::support::peer::{PROTOCOL, SUBPROTOCOL};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const SHOP: &str = "https://shop.example";
const EVIL: &str = "https://evil.example";
const ALLOWED: &str = "access-control-allow-origin";

/// What a handshake with this origin is answered with; that of no browser has none.
async fn handshake(house: &House, origin: Option<&str>) -> StatusCode {
    let address = house.running.address;
    let mut request = format!("ws://{address}/graphql")
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert(PROTOCOL, SUBPROTOCOL.parse().unwrap());
    if let Some(origin) = origin {
        headers.insert("origin", origin.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    match client_async(request, stream).await {
        Ok((_, response)) => response.status(),
        Err(Error::Http(response)) => response.status(),
        Err(error) => panic!("{error}"),
    }
}

/// What a browser asks before it lets a page of this origin send an operation.
async fn preflight(house: &House, path: &str, origin: &str) -> Response {
    Client::new()
        .request(Method::OPTIONS, format!("{}{path}", house.url))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await
        .unwrap()
}

async fn get(house: &House, path: &str, origin: &str) -> Response {
    let request = Client::new()
        .get(format!("{}{path}", house.url))
        .header("accept", format!("application/json, {EVENT_STREAM}"))
        .header("origin", origin);
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

#[tokio::test]
async fn a_socket_is_opened_for_pages_that_may() {
    let house = open_to(SHOP).await;
    let own = format!("http://{}", house.running.address);
    for origin in [None, Some(SHOP), Some(own.as_str())] {
        assert_eq!(handshake(&house, origin).await, 101, "{origin:?}");
    }
    for origin in [EVIL, "null", "http://shop.example", "http://127.0.0.1:1"] {
        assert_eq!(handshake(&house, Some(origin)).await, 403, "{origin}");
    }
    let closed = House::open().await;
    assert_eq!(handshake(&closed, Some(SHOP)).await, 403);
    let open = open_to("*").await;
    for origin in [SHOP, EVIL, "null"] {
        assert_eq!(handshake(&open, Some(origin)).await, 101);
    }
}

#[tokio::test]
async fn a_stream_is_opened_for_pages_that_may() {
    let house = open_to(SHOP).await;
    let path = "/graphql/stream?query={__typename}";
    let served = get(&house, path, SHOP).await;
    assert_eq!(served.status(), 200);
    assert_eq!(header(&served, ALLOWED), Some(SHOP));
    for origin in [EVIL, "null"] {
        let refused = get(&house, path, origin).await;
        assert_eq!(refused.status(), 403);
        assert_eq!(header(&refused, ALLOWED), None);
    }
}

#[tokio::test]
async fn pages_of_the_list_are_told_that_they_may() {
    let house = open_to("https://other.example https://shop.example").await;
    for path in ["/graphql", "/graphql/stream"] {
        let told = preflight(&house, path, SHOP).await;
        assert_eq!(told.status(), 200);
        assert_eq!(header(&told, ALLOWED), Some(SHOP));
        assert_eq!(header(&told, "vary"), Some("origin"));
        assert_eq!(
            header(&told, "access-control-allow-methods"),
            Some("GET,POST")
        );
        let headers = header(&told, "access-control-allow-headers").unwrap();
        for name in ["authorization", "content-type", "x-request-id"] {
            assert!(headers.split(',').any(|allowed| allowed == name), "{name}");
        }
        assert_eq!(header(&told, "access-control-max-age"), Some("7200"));
        assert_eq!(header(&told, "access-control-allow-credentials"), None);

        let refused = preflight(&house, path, EVIL).await;
        assert_eq!(refused.status(), 403);
        assert_eq!(header(&refused, ALLOWED), None);
    }
    // Also an answer that is an error can be read.
    for body in [json!({"query": "{ __typename }"}), json!([])] {
        let request = Client::new()
            .post(format!("{}/graphql", house.url))
            .header("origin", SHOP)
            .json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(header(&answer, ALLOWED), Some(SHOP), "{body}");
        let varies: Vec<_> = answer.headers().get_all("vary").iter().collect();
        assert!(varies.contains(&&"origin".parse().unwrap()), "{varies:?}");
        let readable = header(&answer, "access-control-expose-headers").unwrap();
        for name in ["x-request-id", "retry-after", "ratelimit"] {
            assert!(readable.split(',').any(|exposed| exposed == name), "{name}");
        }
    }
}

#[tokio::test]
async fn without_a_list_no_answer_is_for_other_pages() {
    let house = House::open().await;
    let told = preflight(&house, "/graphql", SHOP).await;
    assert_eq!(told.status(), 403);
    let own = format!("http://{}", house.running.address);
    let answer = get(&house, "/graphql?query={__typename}", &own).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, ALLOWED), None);
}

#[tokio::test]
async fn a_drawing_is_anybodys_and_read_by_pages_of_the_list() {
    let house = open_to(SHOP).await;
    let event = house.event(1, 1).await;
    let query = "query($id: ID!) { event(id: $id) { plan { path } } }";
    let asked = house.visitor().ask(query, json!({"id": event.id})).await;
    let path = asked.data()["event"]["plan"]["path"].as_str().unwrap();
    let read = get(&house, path, SHOP).await;
    assert_eq!(read.status(), 200);
    assert_eq!(header(&read, ALLOWED), Some(SHOP));
    // A cache between keeps one for each origin.
    let varies = |response: &Response| {
        let lines = response.headers().get_all("vary").iter();
        lines
            .map(|line| line.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(varies(&read), "accept-encoding, origin");
    let shown = get(&house, path, EVIL).await;
    assert_eq!(shown.status(), 200);
    assert_eq!(header(&shown, ALLOWED), None);
    assert_eq!(varies(&shown), "accept-encoding, origin");
}
