//! What a crash left behind: a server that outlived its usher, or the lock file
//! of one that did not.
//!
//! Owns the judgement whether the process in PostgreSQL's lock file is this
//! cluster's server. Never signals a process that was not just proven to be,
//! and never removes PostgreSQL's lock file: PostgreSQL itself replaces it, with
//! its own proof that nobody uses the cluster. So even a wrong judgement here
//! ends in a refused start, not in damaged data.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::net::UnixStream;

use super::error::EmbeddedError;
use super::folder::Place;
use super::server::{WAYS_TO_END, send};

const PAUSE: Duration = Duration::from_millis(20);

/// What the lock file says about the server that wrote it.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    process: Pid,
    socket: Option<PathBuf>,
}

/// Stops the server that an usher which was killed left running on this place.
///
/// Answers the process that the lock file names when that process lives but is
/// a stranger. To be called by the owner of the data folder's lock only.
pub(super) async fn recover(place: &Place) -> Result<Option<Pid>, EmbeddedError> {
    let Some(record) = read_record(&place.cluster)? else {
        return Ok(None);
    };
    let process = record.process;
    if !lives(process) {
        tracing::warn!(%process, "the last PostgreSQL here was not stopped; it recovers now");
        return Ok(None);
    }
    if !serves(&record, place).await {
        tracing::warn!(
            %process,
            "the last PostgreSQL here was not stopped, and its process number is another program's now; \
             it recovers now"
        );
        return Ok(Some(process));
    }
    tracing::warn!(%process, "stopping the PostgreSQL that an usher left running when it was killed");
    for (signal, limit) in WAYS_TO_END {
        send(process, signal);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if !lives(process) || !serves(&record, place).await {
                tracing::info!(%process, "the PostgreSQL that was left running has been stopped");
                return Ok(None);
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::warn!(%process, %signal, "PostgreSQL has not ended yet");
    }
    Err(EmbeddedError::Unstoppable {
        process: process.as_raw().unsigned_abs(),
        cluster: place.cluster.clone(),
    })
}

fn read_record(cluster: &Path) -> Result<Option<Record>, EmbeddedError> {
    let path = cluster.join("postmaster.pid");
    match fs::read(&path) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EmbeddedError::Files {
            action: "read the file",
            path,
            source,
        }),
    }
}

/// The lines are: process, data folder, start, port, socket folder, and more.
/// A file that a crash cut short has fewer; one without a process says nothing.
fn parse(bytes: &[u8]) -> Option<Record> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let number: i32 = std::str::from_utf8(lines.next()?)
        .ok()?
        .trim()
        .parse()
        .ok()?;
    // A server in single-user mode writes its number with a minus sign.
    let process = number.checked_abs().filter(|number| *number > 1)?;
    let socket = match (lines.nth(2), lines.next()) {
        (Some(port), Some(folder)) if !port.is_empty() && !folder.is_empty() => {
            let port = String::from_utf8_lossy(port);
            let folder = Path::new(OsStr::from_bytes(folder));
            Some(folder.join(format!(".s.PGSQL.{}", port.trim())))
        }
        _ => None,
    };
    Some(Record {
        process: Pid::from_raw(process),
        socket,
    })
}

fn lives(process: Pid) -> bool {
    kill(process, None) != Err(Errno::ESRCH)
}

/// Whether that process is this cluster's server: on Linux its command line
/// says so, elsewhere the socket, which the kernel tells the listener of.
async fn serves(record: &Record, place: &Place) -> bool {
    let process = Path::new("/proc").join(record.process.to_string());
    match fs::read(process.join("cmdline")) {
        Ok(command_line) => {
            fs::metadata(&process).is_ok_and(|metadata| place.owner.owns(&metadata))
                && names(&command_line, &place.cluster)
        }
        Err(_) => listens(record).await,
    }
}

/// Whether a command line is that of a server on this cluster. (The command
/// line of a process that has ended but was not waited for is empty.)
fn names(command_line: &[u8], cluster: &Path) -> bool {
    let mut arguments = command_line
        .split(|byte| *byte == 0)
        .map(|argument| Path::new(OsStr::from_bytes(argument)));
    let is_server = arguments
        .next()
        .and_then(Path::file_name)
        .is_some_and(|name| name == "postgres" || name == "postmaster");
    is_server
        && arguments
            .skip_while(|argument| *argument != "-D")
            .nth(1)
            .is_some_and(|folder| folder == cluster)
}

async fn listens(record: &Record) -> bool {
    let Some(socket) = &record.socket else {
        return false;
    };
    let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_secs(1), UnixStream::connect(socket)).await
    else {
        return false;
    };
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.pid() == Some(record.process.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_far_as_it_was_written() {
        let whole = b"123\n/data/postgres\n1700000000\n5432\n/data/run\n\n  1 2\nready\n";
        let expected = Record {
            process: Pid::from_raw(123),
            socket: Some(PathBuf::from("/data/run/.s.PGSQL.5432")),
        };
        assert_eq!(parse(whole), Some(expected));

        let cut = Record {
            process: Pid::from_raw(123),
            socket: None,
        };
        assert_eq!(parse(b"-123\n/data/postgres\n1700000000\n"), Some(cut));
        for nothing in [
            b"".as_slice(),
            b"\n",
            b"x\n",
            b"0\n",
            b"1\n",
            b"-2147483648\n",
        ] {
            assert_eq!(parse(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn only_a_server_on_this_very_cluster_is_recognised() {
        let cluster = Path::new("/data/postgres");
        assert!(names(
            b"/usr/bin/postgres\0-D\0/data/postgres\0-c\0x=y\0",
            cluster
        ));
        for other in [
            b"".as_slice(),
            b"/usr/bin/postgres\0-D\0/data/postgres2\0",
            b"/usr/bin/postgres\0-c\0/data/postgres\0",
            b"/usr/bin/vi\0-D\0/data/postgres\0",
            b"postgres: usher: checkpointer \0",
        ] {
            assert!(
                !names(other, cluster),
                "{:?}",
                String::from_utf8_lossy(other)
            );
        }
    }
}
