//! What PostgreSQL's programs say: the server's log file, and excerpts for errors.
//!
//! Owns `postgres.log`. It is opened by usher and handed to the server as its
//! output, so PostgreSQL's user needs no right to it, and only usher reads it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::EmbeddedError;

/// A log this long is put aside at the next start; one older log is kept.
const ROTATE_AT: u64 = 8 * 1024 * 1024;

/// An excerpt is looked for in the last bytes alone.
const TAIL: u64 = 16 * 1024;

/// The most lines in an excerpt.
const EXCERPT_LINES: usize = 5;

/// The decisive line is looked for among so many last lines: one further up
/// belongs to something else.
const LAST_LINES: usize = 12;

/// How PostgreSQL's programs mark the line that decides a failure.
const DECISIVE: [&str; 3] = ["FATAL: ", "PANIC: ", "error: "];

/// What a server tells whoever comes too early or too late.
const NOT_NOW: &str = "the database system is ";

/// The server's log, from the point where this server began to write it.
#[derive(Debug)]
pub(super) struct ServerLog {
    path: PathBuf,
    start: u64,
}

impl ServerLog {
    /// Opens the log in the data folder, for the server to append to.
    pub(super) fn open(data_folder: &Path) -> Result<(Self, File), EmbeddedError> {
        let path = data_folder.join("postgres.log");
        Self::open_file(&path).map_err(|source| EmbeddedError::Files {
            action: "write the file",
            path,
            source,
        })
    }

    fn open_file(path: &Path) -> io::Result<(Self, File)> {
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() >= ROTATE_AT) {
            fs::rename(path, path.with_extension("log.1"))?;
        }
        // Statements with buyers' data may appear in it.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let start = file.metadata()?.len();
        let path = path.to_path_buf();
        Ok((Self { path, start }, file))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the server said last, on one line.
    pub(super) fn excerpt(&self) -> String {
        excerpt(&self.tail().unwrap_or_default())
    }

    /// Whether the server has met something that it cannot go on with, such as a
    /// full disk. It restarts itself then, and fails again, without end.
    pub(super) fn tells_of_panic(&self) -> bool {
        String::from_utf8_lossy(&self.tail().unwrap_or_default()).contains("PANIC: ")
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.start.max(length.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The lines around the decisive one, or else the last lines, as one.
pub(super) fn excerpt(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut lines: Vec<&str> = text.lines().map(message).collect();
    lines.retain(|line| !line.is_empty() && !line.contains(NOT_NOW));
    if lines.is_empty() {
        return "it said nothing, as on a full disk".to_owned();
    }
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    let decides = |line: &&str| DECISIVE.iter().any(|mark| line.contains(mark));
    // The reason often stands before the decisive line, and a hint after it.
    let end = match last.iter().rposition(decides) {
        Some(decisive) => last.len().min(decisive + 2),
        None => last.len(),
    };
    last[end.saturating_sub(EXCERPT_LINES)..end].join("; ")
}

/// A line without the time and the process that a server begins it with.
fn message(line: &str) -> &str {
    let from_server = line.starts_with(|character: char| character.is_ascii_digit());
    match line.split_once("] ") {
        Some((_, message)) if from_server => message.trim(),
        _ => line.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_of_the_last_ones() {
        let log = b"2026-01-01 10:00:00.000 UTC [7] FATAL:  lock file \"[a] b\" exists\n\
            2026-01-01 10:00:00.001 UTC [7] HINT:  Is another one running?\n";
        let expected = "FATAL:  lock file \"[a] b\" exists; HINT:  Is another one running?";
        assert_eq!(excerpt(log), expected);
        assert_eq!(excerpt(b"1\n2\n3\n\n4\n  5\n6\n"), "2; 3; 4; 5; 6");
        let decided = b"0\n1\n2\nPANIC:  full\n4\n5\n6\nFATAL:  the database system is shut down\n";
        assert_eq!(excerpt(decided), "0; 1; 2; PANIC:  full; 4");
        assert!(excerpt(b"").starts_with("it said nothing"));
    }

    #[test]
    fn a_long_log_is_put_aside_and_an_excerpt_is_of_this_server_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.log");
        fs::write(&path, "FATAL: of an earlier server\n").unwrap();
        let (log, _) = ServerLog::open(folder.path()).unwrap();
        assert!(log.excerpt().starts_with("it said nothing"));

        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(ROTATE_AT).unwrap();
        ServerLog::open(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        let aside = folder.path().join("postgres.log.1");
        assert_eq!(fs::metadata(aside).unwrap().len(), ROTATE_AT);
    }
}
