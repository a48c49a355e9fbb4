//! Which texts are taken from people.

use crate::domain::DomainError;

/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;

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
    if text.chars().any(char::is_control) {
        return Err(DomainError::invalid(
            field,
            "must not contain control characters",
        ));
    }
    Ok(text)
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
    if reference.len() > MAX_PAYMENT_REFERENCE || reference.chars().any(char::is_control) {
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
}
