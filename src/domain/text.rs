//! Which texts are taken from people.

use crate::domain::DomainError;

/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// Whether this stands for nothing that is written, and changes what is around it: a control
/// character, the end of a line or of a paragraph, or the beginning or end of an embedding or an
/// override of the direction of writing.
///
/// The last are how a name is made to read as another one, and the text after it, too (Unicode
/// Technical Report 36, section 2.6). No language needs them: Unicode's own advice since
/// version 6.3 is to use isolates. Marks (U+200E, U+200F, U+061C) and joiners (U+200C, U+200D)
/// are for single characters, and names in Arabic, Hebrew, Persian and emoji have them.
pub fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}')
}

/// The first character that a text may not have which is shown among others: a control character,
/// or one that sets an isolate apart and is without its other half.
pub fn unfit_character(text: &str) -> Option<char> {
    let mut open = Vec::new();
    for character in text.chars() {
        match character {
            '\u{2066}'..='\u{2068}' => open.push(character),
            '\u{2069}' if open.is_empty() => return Some(character),
            '\u{2069}' => drop(open.pop()),
            _ if is_control(character) => return Some(character),
            _ => {}
        }
    }
    open.pop()
}

/// What is said of such a character.
fn complaint(character: char) -> String {
    format!(
        "must not contain control characters, and it has U+{:04X}",
        u32::from(character)
    )
}

/// A name without the white space around it.
///
/// # Errors
/// When it is empty, too long, or has control characters in it.
pub fn name<'text>(field: &str, text: &'text str) -> Result<&'text str, DomainError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(DomainError::invalid(field, "must not be empty"));
    }
    if text.chars().count() > MAX_NAME_CHARS {
        let message = format!("must have at most {MAX_NAME_CHARS} characters");
        return Err(DomainError::invalid(field, message));
    }
    match unfit_character(text) {
        Some(character) => Err(DomainError::invalid(field, complaint(character))),
        None => Ok(text),
    }
}

/// The IANA time zone of this name, such as `Europe/Berlin`.
///
/// # Errors
/// When there is none.
pub fn time_zone(field: &str, text: &str) -> Result<&'static str, DomainError> {
    match text.parse::<chrono_tz::Tz>() {
        Ok(zone) => Ok(zone.name()),
        Err(_) => Err(DomainError::invalid(
            field,
            "not an IANA time zone name such as Europe/Berlin",
        )),
    }
}

/// Longest payment reference, in bytes.
const MAX_PAYMENT_REFERENCE: usize = 255;

/// Whether a payment reference can be kept.
///
/// # Errors
/// When it is empty, too long, or has control characters in it.
pub fn check_payment_reference(reference: Option<&str>) -> Result<(), DomainError> {
    let Some(reference) = reference else {
        return Ok(());
    };
    if reference.is_empty() {
        let message = "must not be empty: leave it out where there is none";
        return Err(DomainError::invalid("paymentReference", message));
    }
    if reference.len() > MAX_PAYMENT_REFERENCE || unfit_character(reference).is_some() {
        let message =
            format!("must have at most {MAX_PAYMENT_REFERENCE} bytes and no control characters");
        return Err(DomainError::invalid("paymentReference", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(
            name("name", "  Théâtre 🎭 المسرح ").unwrap(),
            "Théâtre 🎭 المسرح"
        );
        assert!(name("name", &"ä".repeat(MAX_NAME_CHARS)).is_ok());
        for bad in [
            "",
            " \t ",
            "a\0b",
            "a\u{1b}[2J",
            &"a".repeat(MAX_NAME_CHARS + 1),
        ] {
            assert!(name("name", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_changes_nothing_around_it() {
        for bad in [
            "a\u{2028}b",
            "a\u{2029}b",
            "sold \u{202e}tuo",
            "\u{202a}a",
            "\u{202b}a\u{202c}",
            "\u{202d}a",
            "\u{2066}a",
            "a\u{2069}",
            "\u{2066}a\u{2069}\u{2069}\u{2067}",
        ] {
            assert!(name("name", bad).is_err(), "{bad:?}");
            assert!(check_payment_reference(Some(bad)).is_err(), "{bad:?}");
        }
        for good in [
            "המופע\u{200f} (2030)",
            "کتاب\u{200c}خانه",
            "👩\u{200d}🦽",
            "\u{2067}المسرح\u{2069} Berlin \u{2066}a \u{2068}b\u{2069}\u{2069}",
        ] {
            assert_eq!(name("name", good).unwrap(), good);
        }
    }
}
