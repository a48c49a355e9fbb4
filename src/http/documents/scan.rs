//! What can be said of a document before anything parses it: its length, how many words and
//! signs there are, and how deep its brackets go.
//!
//! One pass over the text, without memory of its own. The parser recurses with the brackets
//! and takes hundreds of bytes for each token, so what comes to it must be small already. The
//! pass must see strings, comments and brackets exactly as the parser does: what it took for
//! the inside of a string and the parser for code would be unbounded.

use super::refusal::{Limit, exceeded};
use crate::config::DocumentSettings;
use crate::http::graphql_errors::{ErrorCode, coded};
use async_graphql::{Pos, ServerError};

/// Brackets inside one another: a selection in a selection, a list in a list. Those of a
/// document of the greatest depth that can be set, and of its arguments.
const MOST_BRACKETS: usize = 48;
/// Letters of a name. Messages quote names, and answers repeat aliases.
const LONGEST_NAME: usize = 255;

/// What one pass over a text has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Words, numbers, strings and signs; never fewer than the parser finds.
    pub tokens: usize,
    /// The most brackets that are open at the same time.
    pub brackets: usize,
    /// The length of the longest name.
    pub longest_name: usize,
}

/// A string that begins and does not end, at this place in the text.
#[derive(Debug, PartialEq, Eq)]
pub struct Unterminated(usize);

/// Checks a text before it is parsed; answers how many tokens it has.
///
/// # Errors
/// When it is larger than a document may be, or a string in it has no end.
pub fn check(text: &str, settings: &DocumentSettings) -> Result<usize, ServerError> {
    let most = settings.max_bytes as usize;
    if text.len() > most {
        return Err(exceeded(Limit::Bytes, most));
    }
    let scan = scan(text).map_err(|Unterminated(at)| {
        let mut error = coded(
            ErrorCode::GraphqlParseFailed,
            "syntax error: a string has no end",
        );
        error.locations = vec![position(text, at)];
        error
    })?;
    let most = settings.max_tokens as usize;
    if scan.tokens > most {
        return Err(exceeded(Limit::Tokens, most));
    }
    if scan.brackets > MOST_BRACKETS {
        return Err(exceeded(Limit::Brackets, MOST_BRACKETS));
    }
    if scan.longest_name > LONGEST_NAME {
        return Err(exceeded(Limit::Name, LONGEST_NAME));
    }
    Ok(scan.tokens)
}

/// Reads a text from its beginning to its end, once.
///
/// # Errors
/// When a string has no end: then nobody can say what of the rest is code.
pub fn scan(text: &str) -> Result<Scan, Unterminated> {
    let bytes = text.as_bytes();
    let mut found = Scan::default();
    let mut open = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let length = match byte {
            b' ' | b',' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += line(rest);
                continue;
            }
            // A byte order mark is white space, wherever it stands.
            _ if rest.starts_with("\u{feff}".as_bytes()) => {
                at += '\u{feff}'.len_utf8();
                continue;
            }
            b'"' => string(rest).ok_or(Unterminated(at))?,
            b'{' | b'[' | b'(' => {
                open += 1;
                found.brackets = found.brackets.max(open);
                1
            }
            b'}' | b']' | b')' => {
                open = open.saturating_sub(1);
                1
            }
            b'.' if rest.starts_with(b"...") => 3,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let length = run(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                found.longest_name = found.longest_name.max(length);
                literal(rest).unwrap_or(length)
            }
            b'-' | b'0'..=b'9' => number(rest),
            _ => 1,
        };
        found.tokens += 1;
        at += length;
    }
    Ok(found)
}

/// How many bytes at the beginning are like this.
fn run(bytes: &[u8], is_like_this: impl Fn(u8) -> bool) -> usize {
    let end = bytes.iter().position(|byte| !is_like_this(*byte));
    end.unwrap_or(bytes.len())
}

/// What is left of a line.
fn line(bytes: &[u8]) -> usize {
    run(bytes, |byte| byte != b'\n' && byte != b'\r')
}

/// The length of a string with its quotes, if it has an end.
fn string(bytes: &[u8]) -> Option<usize> {
    const FENCE: &[u8] = b"\"\"\"";
    let is_block = bytes.starts_with(FENCE);
    let mut at = if is_block { FENCE.len() } else { 1 };
    loop {
        let rest = bytes.get(at..)?;
        match rest.first()? {
            b'\\' if is_block && rest[1..].starts_with(FENCE) => at += 1 + FENCE.len(),
            b'"' if is_block && rest.starts_with(FENCE) => return Some(at + FENCE.len()),
            _ if is_block => at += 1,
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            b'\n' | b'\r' => return None,
            _ => at += 1,
        }
    }
}

/// The length of a literal that begins here. Where the parser expects a value it takes one off a
/// longer word, and goes on within that: it finds four values in `[truenull00]`. What is a word
/// after all, as `nullable`, is counted as two.
fn literal(bytes: &[u8]) -> Option<usize> {
    let literals = [&b"true"[..], b"false", b"null"].into_iter();
    let mut found = literals.filter(|literal| bytes.starts_with(literal));
    found.next().map(<[u8]>::len)
}

/// The length of a number: numbers need nothing between them, so that `0-1` is two.
fn number(bytes: &[u8]) -> usize {
    let digits = |at: usize| run(&bytes[at.min(bytes.len())..], |byte| byte.is_ascii_digit());
    let sign = usize::from(bytes.starts_with(b"-"));
    let mut end = match bytes.get(sign) {
        Some(b'0') => sign + 1,
        Some(b'1'..=b'9') => sign + digits(sign),
        // A sign alone.
        _ => return sign.max(1),
    };
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let power = digits(end + 1 + signed);
        if power > 0 {
            end += 1 + signed + power;
        }
    }
    end
}

/// The line and the column of a place, as GraphQL counts them.
fn position(text: &str, at: usize) -> Pos {
    let before = text.get(..at).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Pos { line, column }
}

#[cfg(test)]
mod tests;
