//! The origins that an operator lists: RFC 6454, in the form in which browsers send them.
//!
//! It owns what an origin looks like. It must never decide what one may do.

use std::fmt;
use std::str::FromStr;

use axum::http::uri::Authority;

/// Whose pages may use the API, beside usher's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Pages of these origins.
    Listed(Vec<Origin>),
    /// Everybody's.
    All,
}

/// A scheme, a host, and a port where it is not the scheme's usual one; compared as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Why a text is no list of origins.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrigin {
    /// There is nothing before the host.
    #[error("`{0}` has no scheme: write it as `https://{0}`")]
    NoScheme(String),
    /// There is more than an origin has.
    #[error("`{0}` is more than an origin: end it after the host and the port, without a slash")]
    TooLong(String),
    /// No browser would send it so.
    #[error("`{0}` is no origin such as `https://shop.example.org` or `http://localhost:3000`")]
    Malformed(String),
    /// What pages say that have no origin of their own.
    #[error(
        "`null` stands for the pages of anybody, such as those in a sandbox: write `*` for all"
    )]
    Null,
    /// All, and some of them.
    #[error("`*` stands for all origins, and there can be no other beside it")]
    AllAndMore,
}

/// None but usher's own.
impl Default for AllowedOrigins {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl FromStr for AllowedOrigins {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let mut parts = text
            .split(|character: char| character == ',' || character.is_whitespace())
            .filter(|part| !part.is_empty());
        if text.trim() == "*" {
            return Ok(Self::All);
        }
        if parts.clone().any(|part| part == "*") {
            return Err(NotAnOrigin::AllAndMore);
        }
        parts
            .try_fold(Vec::new(), |mut origins, part| {
                origins.push(part.parse()?);
                Ok(origins)
            })
            .map(Self::Listed)
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        if text.eq_ignore_ascii_case("null") {
            return Err(NotAnOrigin::Null);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(NotAnOrigin::NoScheme(text.to_owned()));
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(NotAnOrigin::TooLong(text.to_owned()));
        }
        let malformed = || NotAnOrigin::Malformed(text.to_owned());
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme) {
            return Err(malformed());
        }
        let (host, port) = host_and_port(rest).ok_or_else(malformed)?;
        let port = port.filter(|port| Some(*port) != usual_port(&scheme));
        Ok(Self(match port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }))
    }
}

impl Origin {
    /// As browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a server that is addressed as this `host`, by the header of that name, is the
    /// one that a page of this origin came from. By which scheme it was asked, a server behind
    /// a proxy does not know.
    pub fn is_of_host(&self, host: &str) -> bool {
        let Some((scheme, own)) = self.0.split_once("://") else {
            return false;
        };
        let with_port = |text| {
            let (host, port) = host_and_port(text)?;
            Some((host, port.or_else(|| usual_port(scheme))))
        };
        with_port(own).is_some() && with_port(own) == with_port(host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// The host in small letters, and the port if there is one. Neither may be left half-said.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = text.is_ascii().then(|| text.parse().ok()).flatten()?;
    let host = authority.host();
    // A host name is never written with its bytes in percent; a wildcard is no host.
    if host.is_empty() || host.contains(['%', '*']) {
        return None;
    }
    let port = match text.strip_prefix(host)? {
        "" => None,
        _ => Some(authority.port_u16()?),
    };
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<String, NotAnOrigin> {
        text.parse().map(|origin: Origin| origin.to_string())
    }

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for (written, sent) in [
            ("https://shop.example.org", "https://shop.example.org"),
            ("HTTPS://Shop.Example.org:443", "https://shop.example.org"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://shop.example.org:80", "https://shop.example.org:80"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origin(written).as_deref(), Ok(sent));
        }
    }

    #[test]
    fn what_is_no_origin_says_why() {
        let too_long = |text: &str| NotAnOrigin::TooLong(text.to_owned());
        let malformed = |text: &str| NotAnOrigin::Malformed(text.to_owned());
        for long in [
            "https://a.example/",
            "https://a.example/shop",
            "https://a.example?x",
            "https://anna@a.example",
        ] {
            assert_eq!(origin(long), Err(too_long(long)));
        }
        for bad in [
            "https://",
            "https://:80",
            "https://a.example:",
            "https://a.example:70000",
            "https://*.example",
            "https://bühne.example",
            "1://a.example",
            "://a.example",
        ] {
            assert_eq!(origin(bad), Err(malformed(bad)));
        }
        let without = NotAnOrigin::NoScheme("a.example:80".to_owned());
        assert_eq!(origin("a.example:80"), Err(without));
        assert_eq!(origin("null"), Err(NotAnOrigin::Null));
    }

    #[test]
    fn a_list_has_commas_or_spaces() {
        let list = |text: &str| text.parse::<AllowedOrigins>();
        assert_eq!(list(""), Ok(AllowedOrigins::default()));
        assert_eq!(list(" * "), Ok(AllowedOrigins::All));
        let two = list("https://a.example, http://b.example:81");
        assert_eq!(two, list("https://a.example\nhttp://b.example:81,"));
        let Ok(AllowedOrigins::Listed(two)) = two else {
            panic!("{two:?}");
        };
        assert_eq!(two.len(), 2);
        assert_eq!(list("https://a.example *"), Err(NotAnOrigin::AllAndMore));
        assert!(list("https://a.example, b").is_err());
    }

    #[test]
    fn a_page_is_of_the_host_that_it_names() {
        let is_of = |origin: &str, host| origin.parse::<Origin>().unwrap().is_of_host(host);
        assert!(is_of("https://a.example", "a.example"));
        assert!(is_of("https://a.example", "A.Example:443"));
        assert!(is_of("http://a.example", "a.example:80"));
        assert!(is_of("http://127.0.0.1:8080", "127.0.0.1:8080"));
        assert!(is_of("http://[::1]:8080", "[::1]:8080"));
        for other in [
            "a.example:80",
            "b.example",
            "a.example.evil.example",
            "evil.a.example",
            "a.example:8443",
            "",
            "a.example:",
            "a.example@evil.example",
        ] {
            assert!(!is_of("https://a.example", other), "{other}");
        }
    }
}
