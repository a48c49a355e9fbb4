//! Standard output, which may be closed, full, or read by somebody who has seen
//! enough. `println!` panics then.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Standard output takes nothing.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written to")]
pub struct OutputError(#[from] io::Error);

/// Writes what a command answers. That its reader has gone, as `head` does, is no
/// failure.
///
/// # Errors
/// When it cannot be written for any other reason.
pub fn write(answer: impl Display) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    let written = write!(output, "{answer}").and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Whether standard output is a terminal, where what is printed is read and not kept.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
