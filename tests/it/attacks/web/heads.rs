//! Requests that two servers could understand in two ways, and what is no request at all.

use super::a_buyer_is_served;
use super::wire::{Wire, head};
use crate::support::House;

const JSON: &str = "content-type: application/json";
const TYPENAME: &str = "{\"query\":\"{ __typename }\"}";

/// Whoever makes a proxy believe in one request, and usher in two, has the second one sent in
/// the name of the proxy's next client.
#[tokio::test]
async fn nothing_is_smuggled_behind_a_request() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: usher\r\n\r\n";
    // Refused as they are.
    for headers in [
        &["content-length: 5", "content-length: 6"][..],
        &["content-length: 5, 6"],
        &["content-length: +5"],
        &["content-length: -5"],
        &["content-length: 5x"],
        &["content-length: 0x5"],
        &["content-length: 99999999999999999999"],
        &["transfer-encoding: chunked, identity"],
        &["transfer-encoding: xchunked"],
        &["transfer-encoding: chunked", "transfer-encoding: identity"],
        &["content-length : 5"],
        &["transfer-encoding : chunked"],
        &["x-folded: a\r\n b"],
        &["x-bare: a\rb: c"],
        &["x-zero: a\0b"],
        &[" x-indented: a"],
        &["x y: z"],
        &["no-colon"],
        &[": no name"],
    ] {
        let request = head(headers) + smuggled;
        let said = Wire::exchange(&house.url, request).await;
        assert_eq!(said.status(), Some(400), "{headers:?}: {said:?}");
        assert_eq!(said.answers(), 1, "{headers:?}: {said:?}");
        assert!(said.0.contains("\r\nconnection: close\r\n"), "{said:?}");
    }
    // RFC 9112, section 6.3: the encoding goes before the length, and then the connection ends.
    for lengths in [
        ["content-length: 4", "transfer-encoding: chunked"],
        ["transfer-encoding: chunked", "content-length: 4"],
    ] {
        let request = head(&[JSON, lengths[0], lengths[1]]);
        let chunked = format!("{request}{:x}\r\n{TYPENAME}\r\n0\r\n\r\n", TYPENAME.len());
        let said = Wire::exchange(&house.url, chunked + smuggled).await;
        assert_eq!((said.status(), said.answers()), (Some(200), 1), "{said:?}");
        assert!(said.0.contains("\r\nconnection: close\r\n"), "{said:?}");
    }
    // A chunk that does not say how long it is.
    for chunk in [
        "x\r\n",
        "-1\r\n",
        "ffffffffffffffffff\r\n",
        "1;\n\n",
        " 1\r\n",
    ] {
        let request = head(&[JSON, "transfer-encoding: chunked"]);
        let said = Wire::exchange(&house.url, request + chunk + "a\r\n0\r\n\r\n" + smuggled).await;
        assert_eq!((said.status(), said.answers()), (Some(400), 1), "{said:?}");
    }
    // Two that are the same are one.
    let length = format!("content-length: {}", TYPENAME.len());
    let request = head(&[JSON, &length, &length, "connection: close"]);
    let said = Wire::exchange(&house.url, request + TYPENAME).await;
    assert_eq!((said.status(), said.answers()), (Some(200), 1), "{said:?}");
    a_buyer_is_served(&house, &event, 0).await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_connection_ends() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    for (garbage, status) in [
        // HTTP/0.9, HTTP/2 and HTTP/3 of nobody.
        (&b"GET /\r\n\r\n"[..], Some(400)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        (b"GET / HTTP/3.0\r\nhost: usher\r\n\r\n", Some(400)),
        // The hello of TLS.
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
            Some(400),
        ),
        (b"\r\n\r\n\r\n\x00\x01\x02", Some(400)),
        (b"SSH-2.0-OpenSSH_9.7\r\n", Some(400)),
        (b"GET http://[/ HTTP/1.1\r\nhost: usher\r\n\r\n", Some(400)),
        (b"G\xc3\xa9T / HTTP/1.1\r\nhost: usher\r\n\r\n", Some(400)),
    ] {
        let said = Wire::exchange(&house.url, garbage).await;
        assert_eq!(
            said.status(),
            status,
            "{}: {said:?}",
            garbage.escape_ascii()
        );
        // Nothing of it comes back.
        assert!(said.0.len() < 200, "{said:?}");
    }
    a_buyer_is_served(&house, &event, 0).await;
}

#[tokio::test]
async fn heads_have_an_end() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let long = "x".repeat(40_000);
    let many: Vec<String> = (0..200).map(|number| format!("x-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for request in [
        head(&[&format!("x-long: {long}")]),
        head(&many),
        format!("GET /{long} HTTP/1.1\r\nhost: usher\r\n\r\n"),
        // And one that has none.
        format!("GET / HTTP/1.1\r\nhost: {long}"),
    ] {
        let said = Wire::exchange(&house.url, request).await;
        assert_eq!((said.status(), said.answers()), (Some(431), 1), "{said:?}");
    }
    a_buyer_is_served(&house, &event, 0).await;
}

/// A thousand requests at once on one connection are answered one after another, and nobody
/// else waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_on_one_connection_is_its_own() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: usher\r\n\r\n".repeat(999)
        + "GET /healthz HTTP/1.1\r\nhost: usher\r\nconnection: close\r\n\r\n";
    let (said, ()) = tokio::join!(
        Wire::exchange(&house.url, request),
        a_buyer_is_served(&house, &event, 0)
    );
    assert_eq!(said.answers(), 1000);
}
