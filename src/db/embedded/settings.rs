//! The settings of usher's own PostgreSQL: durable, and modest enough for a laptop that has
//! other things to do.
//!
//! Owns what they are and how the server gets them. Most are in `postgres.conf` in the data
//! folder, which is written anew at every start, so that a cluster of an older usher has them
//! too, and which reads the user's own file last:
//!
//! ```text
//! postgresql.conf   initdb's, in the cluster
//! postgres.conf     usher's, for this machine          beats the one above
//! local file        the user's, if there is one        beats the ones above
//! ALTER SYSTEM      postgresql.auto.conf               beats the ones above
//! command line      FIXED, and how the server is reached: nobody's to change
//! ```
//!
//! It never edits a file of PostgreSQL's or of the user's. The folder is usher's alone:
//! PostgreSQL's user reads the file there, and cannot make usher, which may be root, write to
//! another one in its place.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio_postgres::Client;

use super::error::EmbeddedError;
use super::memory;
use crate::model::causes::in_full;

/// What usher relies on. A start that is not durable would lose what watchers have seen, and
/// with it the meaning of cursors.
pub(super) const FIXED: [(&str, &str); 4] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    // usher tells some refusals apart by their wording alone.
    ("lc_messages", "C"),
];

const FILE: &str = "postgres.conf";
const LOCAL_FILE: &str = "postgres.local.conf";

const MIB: u64 = 1024 * 1024;

/// The memory of a machine that does not say how much it has.
const SUPPOSED_MEMORY: u64 = 2048 * MIB;

/// Writes the file for this machine and answers where it is.
pub(super) fn write(data_folder: &Path) -> Result<PathBuf, EmbeddedError> {
    let path = data_folder.join(FILE);
    let text = text(&chosen(memory::usable().unwrap_or(SUPPOSED_MEMORY)));
    replace(&path, &text).map_err(|source| EmbeddedError::Files {
        action: "write the file",
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// The settings for a machine with so many bytes of memory.
///
/// The number of processors decides nothing: what usher asks for is too short to be worth
/// sharing among several, and what PostgreSQL does beside it is bounded by the disk.
fn chosen(memory: u64) -> Vec<(&'static str, String)> {
    let shared_buffers = (memory / 8).clamp(128 * MIB, 1024 * MIB);
    // No memory is taken for this: it is what the planner supposes the system to cache.
    let effective_cache_size = (memory / 2).max(shared_buffers);
    let megabytes = |bytes: u64| format!("{}MB", bytes / MIB);
    let mut settings = vec![
        ("shared_buffers", megabytes(shared_buffers)),
        ("effective_cache_size", megabytes(effective_cache_size)),
    ];
    let same_everywhere = [
        // The pools of several ushers, and whoever else looks in or measures.
        ("max_connections", "300"),
        // After a checkpoint the first change of each page is logged with the whole page: few
        // checkpoints, and spread. This much is replayed after a crash, at worst.
        ("checkpoint_timeout", "15min"),
        ("checkpoint_completion_target", "0.9"),
        ("max_wal_size", "2GB"),
        // A sale comes after a calm: files of the log that were kept need not be made anew.
        ("min_wal_size", "512MB"),
        // A solid-state disk reads here as fast as there.
        ("random_page_cost", "1.1"),
        // Seats change fast and the feed grows fast, from nothing: how soon autovacuum looks
        // decides how soon its queries are planned by what is there. Thresholds are the tables'.
        ("autovacuum", "on"),
        ("autovacuum_naptime", "15s"),
        // Its queries are short; compiling one takes longer than running it.
        ("jit", "off"),
        // usher's connections have a tighter one. This is for whoever leaves a transaction
        // open in psql: it would hold the feed back, for everybody and without end.
        ("idle_in_transaction_session_timeout", "1min"),
        ("log_lock_waits", "on"),
        ("log_checkpoints", "off"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("cluster_name", "usher"),
    ];
    settings.extend(same_everywhere.map(|(name, value)| (name, value.to_owned())));
    if cfg!(target_os = "linux") {
        // Elsewhere PostgreSQL may not be able to read ahead, and refuses any number but 0.
        settings.push(("effective_io_concurrency", "200".to_owned()));
    }
    settings
}

fn text(settings: &[(&str, String)]) -> String {
    let mut text = String::from(
        "# Written by usher at every start: a change here is lost at the next one.\n\
         #\n\
         # To have a setting otherwise, put it into a file postgres.local.conf beside this\n\
         # one, or use ALTER SYSTEM. Both beat what is here. See docs/operations.md.\n\
         \n\
         include 'postgres/postgresql.conf'\n\
         \n",
    );
    for (name, value) in settings {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name} = '{value}'");
    }
    let _ = writeln!(text, "\ninclude_if_exists '{LOCAL_FILE}'");
    text
}

/// Warns of a local file that the server cannot read: it goes on as if there were none.
pub(super) async fn check_local(client: &Client, data_folder: &Path) {
    let path = data_folder.join(LOCAL_FILE);
    // A path that is no text cannot be asked for.
    let Some(name) = path.to_str() else {
        return;
    };
    // The server tries it: whether it may is not to be told from modes alone.
    let read = "SELECT pg_read_binary_file($1, 0, 1, true) IS NULL";
    if let Err(error) = client.query_one(read, &[&name]).await {
        tracing::warn!(
            file = name,
            error = in_full(&error),
            "PostgreSQL cannot read the file with its local settings, and goes without them"
        );
    }
}

/// Puts a file that everybody may read in the place of another one, whole.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("conf.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&new)?;
    // The umask may have taken away from that mode.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    drop(file);
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(memory: u64, name: &str) -> String {
        let settings = chosen(memory);
        let (_, value) = settings.iter().find(|(known, _)| *known == name).unwrap();
        value.clone()
    }

    #[test]
    fn memory_is_used_with_modesty() {
        for (memory, buffers, cache) in [
            (0, "128MB", "128MB"),
            (512, "128MB", "256MB"),
            (1024, "128MB", "512MB"),
            (4096, "512MB", "2048MB"),
            (8192, "1024MB", "4096MB"),
            (16 * 1024, "1024MB", "8192MB"),
            (1024 * 1024, "1024MB", "524288MB"),
        ] {
            assert_eq!(value(memory * MIB, "shared_buffers"), buffers, "{memory}");
            assert_eq!(
                value(memory * MIB, "effective_cache_size"),
                cache,
                "{memory}"
            );
        }
        // Odd numbers of bytes, and as many as there are.
        assert_eq!(value(2_000_000_001, "shared_buffers"), "238MB");
        assert_eq!(value(u64::MAX, "shared_buffers"), "1024MB");
    }

    #[test]
    fn each_setting_is_said_once_and_the_users_file_has_the_last_word() {
        let settings = chosen(SUPPOSED_MEMORY);
        let mut names: Vec<_> = settings.iter().map(|(name, _)| *name).collect();
        names.extend(FIXED.map(|(name, _)| name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{names:?}");

        let text = text(&settings);
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut lines = lines.by_ref().filter(|line| !line.is_empty());
        assert_eq!(lines.next(), Some("include 'postgres/postgresql.conf'"));
        assert_eq!(
            lines.next_back(),
            Some("include_if_exists 'postgres.local.conf'")
        );
        assert_eq!(lines.count(), settings.len());
    }

    #[test]
    fn the_file_is_replaced_and_can_be_read_by_all() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        fs::write(&theirs, "not usher's").unwrap();
        // What stands in the way is put aside, not written through.
        for name in ["postgres.conf", "postgres.conf.new"] {
            std::os::unix::fs::symlink(&theirs, folder.path().join(name)).unwrap();
        }
        for _ in 0..2 {
            let path = write(folder.path()).unwrap();
            let metadata = fs::symlink_metadata(&path).unwrap();
            assert!(metadata.is_file());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains("shared_buffers = '"), "{text}");
        }
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "not usher's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
