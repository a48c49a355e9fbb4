//! Owns the reading of single values out of JSON: which type a key must have,
//! which texts and numbers are acceptable, and how a place in the document is
//! written. It knows JSON and nothing of seats.
//!
//! Every function answers `None` both for a value that is absent and for one
//! that it has reported: a reported problem refuses the whole document, so what
//! stands in for the value is never seen.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use super::refusal::Problems;
use super::{MAX_COORDINATE, MAX_TEXT};
use crate::domain::text::{is_control, unfit_character};

/// How much of a text from the document a message repeats.
const SHORTENED_TEXT: usize = 40;

/// A place in the document, written as a path only when there is something to
/// say about it: a good plan has as many places as values and needs none of
/// their paths.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'p> {
    Document,
    Key(&'p Place<'p>, &'static str),
    Item(&'p Place<'p>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Document => formatter.write_str("$"),
            Place::Key(Place::Document, key) => formatter.write_str(key),
            Place::Key(parent, key) => write!(formatter, "{parent}.{key}"),
            Place::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// A text from the document, made fit for a message: quoted, short, and without
/// characters that would break a line or a terminal.
pub(super) struct Shortened<'d>(pub(super) &'d str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"")?;
        for character in self.0.chars().take(SHORTENED_TEXT) {
            if is_control(character) {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                write!(formatter, "{character}")?;
            }
        }
        if self.0.chars().nth(SHORTENED_TEXT).is_some() {
            formatter.write_str("…")?;
        }
        formatter.write_str("\"")
    }
}

/// The type of a value as a message calls it.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn wrong_type(wanted: &str, value: &Value, place: &Place<'_>, problems: &mut Problems) {
    let found = kind_of(value);
    problems.add(place, format_args!("must be {wanted}, but is {found}"));
}

/// One object of the document and where it stands. A key whose value is null
/// counts as absent, as editors write it for what was left empty.
#[derive(Clone, Copy)]
pub(super) struct Fields<'d, 'p> {
    map: &'d Map<String, Value>,
    place: &'p Place<'p>,
}

impl<'d, 'p> Fields<'d, 'p> {
    /// The object at `place`, if it is one.
    pub(super) fn of(
        value: &'d Value,
        place: &'p Place<'p>,
        problems: &mut Problems,
    ) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Fields { map, place }),
            other => {
                wrong_type("an object", other, place, problems);
                None
            }
        }
    }

    /// Where the value of a key stands, whether or not there is one.
    pub(super) fn place_of(&self, key: &'static str) -> Place<'p> {
        Place::Key(self.place, key)
    }

    /// The value of a key, if it has one.
    pub(super) fn value(&self, key: &str) -> Option<&'d Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The value of a key that has to be there; `advice` says what to do if not.
    pub(super) fn required(
        &self,
        key: &'static str,
        advice: &str,
        problems: &mut Problems,
    ) -> Option<&'d Value> {
        let value = self.value(key);
        if value.is_none() {
            problems.add(&self.place_of(key), format_args!("is missing: {advice}"));
        }
        value
    }

    /// An object under a key. The caller owns its place, for the paths below it.
    pub(super) fn object<'q>(
        &self,
        key: &str,
        place: &'q Place<'q>,
        problems: &mut Problems,
    ) -> Option<Fields<'d, 'q>> {
        Fields::of(self.value(key)?, place, problems)
    }

    /// An array under a key; an absent one is an empty one.
    pub(super) fn items(&self, key: &'static str, problems: &mut Problems) -> &'d [Value] {
        match self.value(key) {
            Some(Value::Array(items)) => items,
            Some(other) => {
                wrong_type("an array", other, &self.place_of(key), problems);
                &[]
            }
            None => &[],
        }
    }

    /// An array that has to be there.
    pub(super) fn required_items(
        &self,
        key: &'static str,
        advice: &str,
        problems: &mut Problems,
    ) -> &'d [Value] {
        self.required(key, advice, problems);
        self.items(key, problems)
    }

    /// A flag under a key; an absent one is false.
    pub(super) fn flag(&self, key: &'static str, problems: &mut Problems) -> bool {
        match self.value(key) {
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                wrong_type("true or false", other, &self.place_of(key), problems);
                false
            }
            None => false,
        }
    }

    /// A text under a key.
    pub(super) fn text(&self, key: &'static str, problems: &mut Problems) -> Option<&'d str> {
        match self.value(key)? {
            Value::String(text) => acceptable(text, &self.place_of(key), problems),
            other => {
                wrong_type("a string", other, &self.place_of(key), problems);
                None
            }
        }
    }

    /// A text under a key, as with [`Fields::text`], but one of nothing or of
    /// white space counts as absent.
    pub(super) fn name(&self, key: &'static str, problems: &mut Problems) -> Option<&'d str> {
        self.text(key, problems)
            .filter(|text| !text.trim().is_empty())
    }

    /// A text that has to be there and has to say something.
    pub(super) fn required_name(
        &self,
        key: &'static str,
        advice: &str,
        problems: &mut Problems,
    ) -> Option<&'d str> {
        self.required(key, advice, problems)?;
        let text = self.text(key, problems)?;
        self.required_words(key, text, advice, problems)?;
        Some(text)
    }

    /// A number as it is painted on a row or a seat: "12", "12a", or 12.
    pub(super) fn number(
        &self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Cow<'d, str>> {
        let place = self.place_of(key);
        match self.value(key)? {
            Value::String(text) => acceptable(text, &place, problems).map(Cow::Borrowed),
            Value::Number(number) => {
                // 12.0 is how some tools write 12, and nobody sits on seat 12.0.
                let whole = number
                    .as_f64()
                    .filter(|value| value.fract() == 0.0 && within_bounds(*value));
                Some(Cow::Owned(match whole {
                    Some(whole) => format!("{whole:.0}"),
                    None => number.to_string(),
                }))
            }
            other => {
                wrong_type("a string or a number", other, &place, problems);
                None
            }
        }
    }

    /// A number, as with [`Fields::number`], that has to be there.
    pub(super) fn required_number(
        &self,
        key: &'static str,
        advice: &str,
        problems: &mut Problems,
    ) -> Option<Cow<'d, str>> {
        self.required(key, advice, problems)?;
        let number = self.number(key, problems)?;
        self.required_words(key, &number, advice, problems)?;
        Some(number)
    }

    fn required_words(
        &self,
        key: &'static str,
        text: &str,
        advice: &str,
        problems: &mut Problems,
    ) -> Option<()> {
        if text.trim().is_empty() {
            problems.add(&self.place_of(key), format_args!("is empty: {advice}"));
            return None;
        }
        Some(())
    }

    /// A length or a coordinate that has to be there.
    pub(super) fn required_coordinate(
        &self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<f64> {
        let place = self.place_of(key);
        let value = self.required(key, "give it in plan units", problems)?;
        let Value::Number(number) = value else {
            wrong_type("a number", value, &place, problems);
            return None;
        };
        number
            .as_f64()
            .filter(|coordinate| within_bounds(*coordinate))
            .or_else(|| {
                problems.add(
                    &place,
                    format_args!("must lie between -{MAX_COORDINATE} and {MAX_COORDINATE}"),
                );
                None
            })
    }

    /// A position `{x, y}` under a key.
    pub(super) fn position(
        &self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<(f64, f64)> {
        let place = self.place_of(key);
        let position = self.object(key, &place, problems)?;
        // Both are read before either decides, so that both get reported.
        let x = position.required_coordinate("x", problems);
        let y = position.required_coordinate("y", problems);
        Some((x?, y?))
    }
}

/// Whether a coordinate is one that a hall can have. Not a number is not.
pub(super) fn within_bounds(coordinate: f64) -> bool {
    coordinate.abs() <= MAX_COORDINATE
}

/// The text, if it is short enough to print and has no control characters.
fn acceptable<'d>(text: &'d str, place: &Place<'_>, problems: &mut Problems) -> Option<&'d str> {
    // Bytes bound characters from above, so short texts need no counting.
    if text.len() > MAX_TEXT && text.chars().nth(MAX_TEXT).is_some() {
        let start = Shortened(text);
        problems.add(
            place,
            format_args!("is longer than {MAX_TEXT} characters: {start}"),
        );
        return None;
    }
    if let Some(control) = unfit_character(text) {
        let code = u32::from(control);
        problems.add(
            place,
            format_args!(
                "has the control character U+{code:04X}, take it out: {}",
                Shortened(text)
            ),
        );
        return None;
    }
    Some(text)
}
