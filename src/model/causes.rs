//! An error in one line, with why it happened: for logs and the terminal. What
//! a client of the API sees never comes from here.

use std::error::Error;

/// The error and its causes, outermost first.
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer thing failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_cause_is_named_once() {
        let error = Outer(std::io::Error::other("the inner one did"));
        assert_eq!(in_full(&error), "the outer thing failed: the inner one did");
    }
}
