//! Owns the choice of an encoding by `Accept-Encoding` (RFC 9110, 12.5.3).

use axum::http::header::ACCEPT_ENCODING;
use axum::http::{HeaderMap, HeaderValue};

use crate::http::header_list::listed;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Brotli.
    Brotli,
}

impl Encoding {
    /// All of them, the one that is liked best last: where it is made only once, what
    /// is smallest is best.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Zstd, Self::Brotli];

    /// What the client likes best; `None` when it takes none that there is.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let accepted = Accepted::read(headers);
        let weighed = Self::ALL.map(|encoding| (accepted.quality(encoding), encoding));
        let (quality, best) = weighed.into_iter().max()?;
        (quality > Quality::NONE).then_some(best)
    }

    /// What `Content-Encoding` says; nothing of a body that is not encoded.
    pub fn header_value(self) -> Option<HeaderValue> {
        (self != Self::Identity).then(|| HeaderValue::from_static(self.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        }
    }
}

/// How much a client likes something, in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Quality(u16);

impl Quality {
    /// Not at all: it must not be sent.
    const NONE: Self = Self(0);
    /// Less than anything that a client can name: what nobody has forbidden.
    const LAST_RESORT: Self = Self(1);
    const FULL: Self = Self(1_001);

    fn read(parameters: &str) -> Option<Self> {
        let Some((name, value)) = parameters.split_once('=') else {
            return parameters.trim().is_empty().then_some(Self::FULL);
        };
        let value: f32 = value.trim().parse().ok()?;
        let fits = name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&value);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 1,000"
        )]
        fits.then(|| match (value * 1_000.0).round() as u16 {
            0 => Self::NONE,
            thousandths => Self(thousandths + 1),
        })
    }
}

/// The codings that a client names, in lower case, and how much it likes them.
struct Accepted(Vec<(String, Quality)>);

impl Accepted {
    fn read(headers: &HeaderMap) -> Self {
        // What cannot be read is as if it were not there.
        let codings = listed(headers, ACCEPT_ENCODING).filter_map(|entry| {
            let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let name = match name.trim().to_ascii_lowercase() {
                old if old == "x-gzip" => "gzip".to_owned(),
                name => name,
            };
            Some((name, Quality::read(parameters)?))
        });
        Self(codings.collect())
    }

    fn quality(&self, encoding: Encoding) -> Quality {
        let named = |name: &str| {
            let coding = self.0.iter().find(|(coding, _)| coding == name);
            coding.map(|(_, quality)| *quality)
        };
        named(encoding.name()).or_else(|| named("*")).unwrap_or({
            if encoding == Encoding::Identity {
                Quality::LAST_RESORT
            } else {
                Quality::NONE
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(lines: &[&'static str]) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        Encoding::negotiate(&headers)
    }

    #[test]
    fn the_client_chooses_and_of_equals_the_smallest_is_sent() {
        use Encoding::{Brotli, Gzip, Identity, Zstd};
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", Brotli),
            ("gzip, deflate, br", Brotli),
            ("gzip, zstd", Zstd),
            ("gzip", Gzip),
            ("GZIP", Gzip),
            ("x-gzip", Gzip),
            ("br;q=0.5, gzip;q=0.8", Gzip),
            ("br ; Q=0.5 , gzip ; q=0.8", Gzip),
            ("identity, gzip;q=0.5", Identity),
            ("identity;q=0.001, gzip;q=0.002", Gzip),
            ("gzip;q=0.001", Gzip),
            ("identity, gzip", Gzip),
            ("*", Brotli),
            ("*;q=0.5, gzip", Gzip),
            ("br;q=0, *", Zstd),
            ("deflate", Identity),
            ("compress;q=0.5, gzip;q=0", Identity),
            ("identity;q=0, gzip;q=0.1", Gzip),
            ("*;q=0, identity", Identity),
            ("gzip;q=2, br;q=nonsense, zstd;level=3", Identity),
            ("gzip;q=NaN", Identity),
            ("", Identity),
            (",,", Identity),
        ] {
            assert_eq!(negotiated(&[accepted]), Some(encoding), "{accepted}");
        }
        assert_eq!(negotiated(&[]), Some(Identity));
        assert_eq!(negotiated(&["gzip;q=0.5", "br"]), Some(Brotli));
    }

    #[test]
    fn a_client_may_take_nothing_that_there_is() {
        for accepted in ["identity;q=0", "*;q=0", "deflate, identity;q=0.000"] {
            assert_eq!(negotiated(&[accepted]), None, "{accepted}");
        }
    }
}
