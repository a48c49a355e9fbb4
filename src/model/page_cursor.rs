//! The place of a node in its list, and its opaque text form: where a page starts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The text is not the cursor of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list: pass on pageInfo.endCursor exactly as it came")]
pub struct MalformedPageCursor;

/// Reads where a page of `list` starts: the key of the last node before it.
///
/// # Errors
/// When it is not a cursor of this list.
pub fn decode(list: &str, text: &str) -> Result<i64, MalformedPageCursor> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| MalformedPageCursor)?;
    let plain = std::str::from_utf8(&bytes).map_err(|_| MalformedPageCursor)?;
    let (of_list, key) = plain.rsplit_once(':').ok_or(MalformedPageCursor)?;
    let key = key.parse().map_err(|_| MalformedPageCursor)?;
    // One place has one cursor: "+7", "007" and other spellings are refused.
    if of_list == list && encode(list, key) == text {
        Ok(key)
    } else {
        Err(MalformedPageCursor)
    }
}

/// The place of a node in its list: opaque to clients, its key in the database.
/// It names the list, because its key means something else in another one.
pub fn encode(list: &str, key: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_its_text_form() {
        for key in [0, 42, -1, i64::MIN, i64::MAX] {
            assert_eq!(decode("seats:1", &encode("seats:1", key)), Ok(key));
        }
    }

    #[test]
    fn refuses_what_is_not_one() {
        let text = encode("seats:1", 42);
        let other_spelling = URL_SAFE_NO_PAD.encode("seats:1:+42");
        for bad in [
            "",
            "42",
            "!",
            &text[1..],
            &encode("seats:2", 42),
            &other_spelling,
        ] {
            assert_eq!(decode("seats:1", bad), Err(MalformedPageCursor), "{bad:?}");
        }
    }
}
