//! Where a request comes from: the one place that knows of proxies.
//!
//! It owns whom `X-Forwarded-For` is believed. A proxy adds, at the right, the address that it
//! was called from; what stands left of that it was told. So the header is read from the right,
//! and only as far as the proxies that are configured have written it. Whatever a client sends
//! itself stands left of that and counts for nothing.
//!
//! `Forwarded` (RFC 7239) is not read: two headers that say the same can say two things, and a
//! proxy that writes the one passes the other on as the client sent it.

use super::listener::Client;
use crate::config::TrustedProxies;
use crate::model::seldom::Seldom;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How often it is said that a header is not believed.
const SAID_EVERY: Duration = Duration::from_hours(1);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client, as an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// That of a request. One that came by no connection has none, and shares a made up one.
    pub fn of(request: &Request) -> Self {
        let known = request.extensions().get::<Self>().copied();
        known.unwrap_or(Self(Ipv4Addr::UNSPECIFIED.into()))
    }
}

/// Which proxies are believed.
pub struct Proxies {
    trusted: TrustedProxies,
    disbelieved: Seldom,
}

impl Proxies {
    /// These, and no others.
    pub fn new(trusted: TrustedProxies) -> Self {
        Self {
            trusted,
            disbelieved: Seldom::every(SAID_EVERY),
        }
    }

    /// Whether a request was sent on by one of them. One that came by no connection was not.
    pub fn sent(&self, request: &Request) -> bool {
        let client = request.extensions().get::<ConnectInfo<Client>>();
        client.is_some_and(|ConnectInfo(client)| self.trusted.contains(client.address()))
    }

    /// Whoever forgot to name a proxy has all of its clients counted as one. But anybody can
    /// send the header.
    fn say_if_disbelieved(&self, peer: IpAddr, headers: &HeaderMap) {
        if headers.contains_key(X_FORWARDED_FOR)
            && !self.trusted.contains(peer)
            && let Some(times) = self.disbelieved.now()
        {
            tracing::warn!(
                %peer,
                times,
                "X-Forwarded-For is not believed: if this is a proxy of yours, name it in \
                 USHER_TRUSTED_PROXIES"
            );
        }
    }
}

/// Finds out where the request comes from, for all that follow.
pub async fn resolve(
    State(proxies): State<Arc<Proxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(ConnectInfo(client)) = request.extensions().get::<ConnectInfo<Client>>() {
        let (peer, headers) = (client.address(), request.headers());
        proxies.say_if_disbelieved(peer, headers);
        let address = client_of(peer, headers, &proxies.trusted);
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}

/// The first, from the right, that is none of the trusted proxies. Where a proxy has written
/// no address, it is the last one that is known.
fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let mut known = peer.to_canonical();
    let lines = headers.get_all(X_FORWARDED_FOR).iter();
    // In bytes: what a client has made unreadable hides nothing that a proxy wrote beside it.
    let mut hops: Vec<&[u8]> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .collect();
    while trusted.contains(known) {
        let Some(before) = hops.pop().and_then(address) else {
            break;
        };
        known = before;
    }
    known
}

/// An address, of which some proxies also write the port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|found| found.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = "10.0.0.0/8,2001:db8::1".parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                X_FORWARDED_FOR,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        client_of(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn who_is_no_trusted_proxy_is_the_client_whatever_it_says() {
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["10.0.0.1"]), "192.0.2.1");
        assert_eq!(client("::1", &["198.51.100.1"]), "::1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_what_it_was_told_is_not() {
        assert_eq!(client("10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client("::ffff:10.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        let spoofed = &["198.51.100.1, 192.0.2.1"];
        assert_eq!(client("10.0.0.1", spoofed), "192.0.2.1");
        let in_lines = &["198.51.100.1", "192.0.2.1, 10.0.0.2", "2001:db8::1"];
        assert_eq!(client("10.0.0.1", in_lines), "192.0.2.1");
        // A client that claims to be a proxy, behind a proxy.
        let claims = &["198.51.100.1, 10.9.9.9, 192.0.2.1"];
        assert_eq!(client("10.0.0.1", claims), "192.0.2.1");
    }

    #[test]
    fn where_nothing_is_to_be_read_the_last_known_one_counts() {
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.2"]), "10.0.0.2");
        let unreadable = &["\u{e9}, 192.0.2.1"];
        assert_eq!(client("10.0.0.1", unreadable), "192.0.2.1");
        let garbled = &["192.0.2.1, unknown, 10.0.0.2"];
        assert_eq!(client("10.0.0.1", garbled), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &["192.0.2.1,"]), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_left_out() {
        assert_eq!(client("10.0.0.1", &["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["[2001:db8::2]:4711"]), "2001:db8::2");
        assert_eq!(client("10.0.0.1", &["[2001:db8::2]"]), "2001:db8::2");
        assert_eq!(client("10.0.0.1", &["::ffff:192.0.2.1"]), "192.0.2.1");
    }
}
