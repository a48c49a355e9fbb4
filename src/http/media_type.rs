//! The media types of GraphQL over HTTP: which one a client gets, which it may send.
//!
//! It owns the reading of `Accept` and `Content-Type`. It must never look at a body.

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use std::cmp::Ordering;

use super::header_list::listed;

/// A media type that answers are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/graphql-response+json`: the status code tells whether the document
    /// was accepted.
    GraphqlResponse,
    /// `application/json`: 200 for every well-formed request, as older clients expect.
    Json,
}

impl MediaType {
    /// The media type for a client with these headers, or `None` if it takes neither.
    ///
    /// Who names no preference gets `application/json`: the clients that know the
    /// other one ask for it.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut ranges = written_ranges(headers).peekable();
        if ranges.peek().is_none() {
            return Some(Self::Json);
        }
        let ranges: Vec<AcceptRange<'_>> = ranges.filter_map(AcceptRange::parse).collect();

        let graphql = best_match(&ranges, "graphql-response+json");
        let json = best_match(&ranges, "json");
        match (graphql, json) {
            (None, None) => None,
            (Some(_), None) => Some(Self::GraphqlResponse),
            (None, Some(_)) => Some(Self::Json),
            (Some(graphql), Some(json)) => {
                // With equal weights the newer type must have been named; a wildcard
                // is no sign that the client can read it.
                let named = graphql.specificity == EXACT;
                let prefers_graphql = match graphql.weight.total_cmp(&json.weight) {
                    Ordering::Greater => true,
                    Ordering::Equal => named,
                    Ordering::Less => false,
                };
                Some(if prefers_graphql {
                    Self::GraphqlResponse
                } else {
                    Self::Json
                })
            }
        }
    }

    /// The value of the answer's `Content-Type`.
    pub fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }
}

/// Whether a client with these headers takes `text/event-stream`, and says so by its name.
///
/// A wildcard is no sign that the client can read events as they come.
pub fn accepts_event_stream(headers: &HeaderMap) -> bool {
    written_ranges(headers)
        .filter_map(AcceptRange::parse)
        .any(|range| {
            let is_text = range.kind.eq_ignore_ascii_case("text");
            is_text && range.subtype.eq_ignore_ascii_case("event-stream") && range.weight > 0.0
        })
}

/// Whether the body claims to be JSON in UTF-8.
///
/// Forms, multipart and plain text are what a page of another origin can send without
/// the browser asking first, so that this check is the guard against forged requests.
pub fn is_json_body(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let mut parts = value.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") && charset_is_utf8(parts)
}

const EXACT: u8 = 2;

#[derive(Clone, Copy)]
struct Match {
    specificity: u8,
    weight: f32,
}

/// The ranges of `Accept` as the client wrote them.
fn written_ranges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    listed(headers, ACCEPT).filter(|range| !range.is_empty())
}

struct AcceptRange<'header> {
    kind: &'header str,
    subtype: &'header str,
    weight: f32,
}

impl<'header> AcceptRange<'header> {
    fn parse(range: &'header str) -> Option<Self> {
        let mut parts = range.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let weight = parts
            .clone()
            .find_map(|part| parameter(part, "q"))
            .map_or(Some(1.0), |weight| weight.parse().ok())
            .filter(|weight| (0.0..=1.0).contains(weight))?;
        charset_is_utf8(parts).then_some(Self {
            kind,
            subtype,
            weight,
        })
    }

    fn specificity(&self, subtype: &str) -> Option<u8> {
        let application = self.kind.eq_ignore_ascii_case("application");
        if application && self.subtype.eq_ignore_ascii_case(subtype) {
            Some(EXACT)
        } else if application && self.subtype == "*" {
            Some(1)
        } else if self.kind == "*" && self.subtype == "*" {
            Some(0)
        } else {
            None
        }
    }
}

// The most specific range decides, not the heaviest: `application/json;q=0, */*` is a
// refusal of JSON.
fn best_match(ranges: &[AcceptRange<'_>], subtype: &str) -> Option<Match> {
    ranges
        .iter()
        .filter_map(|range| {
            let weight = range.weight;
            range.specificity(subtype).map(|specificity| Match {
                specificity,
                weight,
            })
        })
        .max_by_key(|found| found.specificity)
        .filter(|found| found.weight > 0.0)
}

fn charset_is_utf8<'part>(parts: impl Iterator<Item = &'part str>) -> bool {
    parts
        .filter_map(|part| parameter(part, "charset"))
        .all(|charset| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

fn parameter<'part>(part: &'part str, name: &str) -> Option<&'part str> {
    let (key, value) = part.split_once('=')?;
    key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(accept: &'static str) -> Option<MediaType> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        MediaType::negotiate(&headers)
    }

    #[test]
    fn clients_get_what_they_name() {
        let graphql = Some(MediaType::GraphqlResponse);
        let json = Some(MediaType::Json);
        assert_eq!(MediaType::negotiate(&HeaderMap::new()), json);
        assert_eq!(negotiate(""), json);
        assert_eq!(negotiate("*/*"), json);
        assert_eq!(negotiate("application/*"), json);
        assert_eq!(negotiate("application/json"), json);
        assert_eq!(negotiate("application/graphql-response+json"), graphql);
        assert_eq!(
            negotiate("application/graphql-response+json, application/json;q=0.9"),
            graphql
        );
        assert_eq!(
            negotiate("application/json, application/graphql-response+json; q=0.9"),
            json
        );
        assert_eq!(
            negotiate("application/json, application/graphql-response+json"),
            graphql
        );
        assert_eq!(negotiate("text/html, */*;q=0.1"), json);
        assert_eq!(negotiate("application/json;q=0, */*"), graphql);
        assert_eq!(negotiate("Application/JSON; charset=UTF-8"), json);
    }

    #[test]
    fn what_is_not_served_is_refused() {
        assert_eq!(negotiate("text/html"), None);
        assert_eq!(negotiate("application/json;q=0"), None);
        assert_eq!(negotiate("application/json; charset=iso-8859-1"), None);
        assert_eq!(negotiate("nonsense"), None);
    }

    #[test]
    fn an_event_stream_is_asked_for_by_name() {
        let accepts = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            accepts_event_stream(&headers)
        };
        assert!(accepts("text/event-stream"));
        assert!(accepts("application/json, Text/Event-Stream;q=0.5"));
        assert!(!accepts("text/event-stream;q=0"));
        assert!(!accepts("application/event-stream"));
        assert!(!accepts("text/*, */*"));
        assert!(!accepts_event_stream(&HeaderMap::new()));
    }

    #[test]
    fn only_json_is_read() {
        let is_json = |content_type: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            is_json_body(&headers)
        };
        assert!(is_json("application/json"));
        assert!(is_json("application/json; charset=\"utf-8\""));
        assert!(!is_json("application/json; charset=utf-16"));
        assert!(!is_json("text/plain"));
        assert!(!is_json("application/x-www-form-urlencoded"));
        assert!(!is_json("multipart/form-data; boundary=application/json"));
        assert!(!is_json_body(&HeaderMap::new()));
    }
}
