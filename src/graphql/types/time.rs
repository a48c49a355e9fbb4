//! Points in time.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, SecondsFormat, Utc};

/// A point in time on its way in or out.
#[derive(Clone, Copy)]
pub struct Time(pub DateTime<Utc>);

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

/// A point in time as RFC 3339 writes it, such as `2026-12-31T19:30:00Z`. Any
/// offset is taken; answers are in UTC.
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339"
)]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Self(time.to_utc())),
            Err(_) => Err(InputValueError::custom(
                "not a time with an offset as RFC 3339 writes it, such as 2026-12-31T19:30:00Z",
            )),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}
