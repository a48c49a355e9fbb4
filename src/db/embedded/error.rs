//! Everything that can go wrong with usher's own PostgreSQL.
//!
//! Owns the wording: each message is one line that says what is wrong and what
//! to do about it. A message never repeats its source; whoever prints an error
//! prints its chain.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use super::socket::ConnectError;

/// Why usher's own PostgreSQL could not be started, kept running or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The data folder's path names something that is no folder.
    #[error(
        "the data folder {} is not a folder: move that file away, or set USHER_DATA_DIR to another folder",
        .path.display()
    )]
    NotAFolder {
        /// The path that was given as the data folder.
        path: PathBuf,
    },

    /// The file system refused something under the data folder.
    #[error(
        "cannot {action} {}: see to its permissions and free space, or set USHER_DATA_DIR to another folder",
        .path.display()
    )]
    Files {
        /// What was tried, as a verb phrase that the path completes.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },

    /// Another usher process owns the data folder.
    #[error(
        "another usher{} is already running on {}: stop it, or set USHER_DATA_DIR to another folder",
        process_note(*.process),
        .folder.display()
    )]
    Busy {
        /// The data folder.
        folder: PathBuf,
        /// The process that owns it, where its lock file says so.
        process: Option<u32>,
    },

    /// Another usher process owns the data folder, but its database stays silent.
    #[error(
        "the usher{} that runs on {} has no database that answers: wait until it has started, or restart it",
        process_note(*.process),
        .folder.display()
    )]
    NoAnswer {
        /// The data folder.
        folder: PathBuf,
        /// The process that owns it, where its lock file says so.
        process: Option<u32>,
        /// What the last attempt to connect ended in.
        source: ConnectError,
    },

    /// The running usher's database is closed to the user of this process.
    #[error(
        "the usher{} that runs on {} belongs to another user: run this command as that user, or as root",
        process_note(*.process),
        .folder.display()
    )]
    NotYours {
        /// The data folder.
        folder: PathBuf,
        /// The process that owns it, where its lock file says so.
        process: Option<u32>,
        /// What the attempt to connect ended in.
        source: ConnectError,
    },

    /// PostgreSQL is not installed, or not where it was looked for.
    #[error(
        "PostgreSQL's programs (postgres, initdb) were not found: install them ({}), \
         or set USHER_POSTGRES_BIN to the folder they are in, or DATABASE_URL to use a server that runs already",
        install_command()
    )]
    ProgramsMissing,

    /// The folder that was named explicitly lacks a program.
    #[error(
        "USHER_POSTGRES_BIN is {}, but there is no program {missing} in it: \
         set it to the folder that holds both postgres and initdb, or unset it to have them looked for",
        .folder.display()
    )]
    ProgramsIncomplete {
        /// The folder that was named.
        folder: PathBuf,
        /// The first program that is not in it.
        missing: &'static str,
    },

    /// A program is there, but does not run.
    #[error(
        "the program {} cannot be run by the user {user}: see to its permissions, \
         or set USHER_POSTGRES_BIN to the folder of another PostgreSQL",
        .program.display()
    )]
    ProgramFailed {
        /// The program.
        program: PathBuf,
        /// The operating system's user that it had to run as.
        user: String,
        /// What the operating system answered.
        source: io::Error,
    },

    /// A program called `postgres` did not say which PostgreSQL it is.
    #[error(
        "the program {} does not tell its version (it said: {answer}): \
         set USHER_POSTGRES_BIN to the folder of PostgreSQL's programs",
        .program.display()
    )]
    VersionUnknown {
        /// The program.
        program: PathBuf,
        /// What it printed when it was asked for its version.
        answer: String,
    },

    /// The programs are of a PostgreSQL that usher does not support.
    #[error(
        "the PostgreSQL in {} is version {found}, and usher needs {oldest} or newer: \
         install a newer one ({}), or set USHER_POSTGRES_BIN to its folder",
        .folder.display(),
        install_command()
    )]
    TooOld {
        /// The folder of the programs.
        folder: PathBuf,
        /// Their major version.
        found: u32,
        /// The oldest major version that usher supports.
        oldest: u32,
    },

    /// The data was written by another major version than the programs'.
    #[error(
        "the data in {} was written by PostgreSQL {written_by}, but the programs in {} are of PostgreSQL {found}: \
         install PostgreSQL {written_by} or set USHER_POSTGRES_BIN to its folder, \
         or move the data with {written_by}'s pg_dump into a new USHER_DATA_DIR; nothing was changed",
        .cluster.display(),
        .programs.display()
    )]
    OtherMajorVersion {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The major version that wrote it.
        written_by: u32,
        /// The folder of the programs that were found.
        programs: PathBuf,
        /// Their major version.
        found: u32,
    },

    /// There is something at the cluster's place that is no cluster.
    #[error(
        "{} is no PostgreSQL cluster (its PG_VERSION is missing or unreadable): \
         move it away, or set USHER_DATA_DIR to another folder; nothing was changed",
        .path.display()
    )]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },

    /// usher is root, and there is nobody else to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody: \
         create one (useradd --system postgres), or run usher as an ordinary user"
    )]
    NoUnprivilegedUser,

    /// The operating system's users could not be read.
    #[error("cannot look up the user {user} that PostgreSQL would run as: see to /etc/passwd")]
    UserLookup {
        /// The name or number that was looked up.
        user: String,
        /// What the operating system answered.
        source: io::Error,
    },

    /// The cluster belongs to a user that PostgreSQL cannot be run as.
    #[error(
        "{} belongs to the user {owner}, so PostgreSQL cannot use it as {user}: {advice}",
        .path.display()
    )]
    WrongOwner {
        /// The cluster's folder.
        path: PathBuf,
        /// Whom it belongs to.
        owner: String,
        /// The user that PostgreSQL would have to run as.
        user: String,
        /// What to do.
        advice: String,
    },

    /// The user that PostgreSQL runs as has no way into the data folder.
    #[error(
        "PostgreSQL runs as the user {user} (it refuses root), who cannot enter {} because {} is closed to others: \
         set USHER_DATA_DIR to a folder that every user can reach, such as /var/lib/usher, or open that one (chmod o+x)",
        .folder.display(),
        .obstacle.display()
    )]
    Unreachable {
        /// The operating system's user that PostgreSQL runs as.
        user: String,
        /// The data folder.
        folder: PathBuf,
        /// The folder on the way that keeps the user out.
        obstacle: PathBuf,
    },

    /// The folder for the socket is there and is not safe to use.
    #[error(
        "the socket folder {} is not a private folder of the user {user}: remove it, and usher makes a new one",
        .path.display()
    )]
    SocketFolderTaken {
        /// The folder.
        path: PathBuf,
        /// The user it would have to belong to.
        user: String,
    },

    /// `initdb` failed.
    #[error("initdb could not make a new cluster in {}: {excerpt}", .folder.display())]
    InitdbFailed {
        /// The folder that was to become the cluster.
        folder: PathBuf,
        /// What `initdb` said last.
        excerpt: String,
    },

    /// `initdb` did not end.
    #[error(
        "initdb made no cluster in {} within {seconds} s: the disk may be too slow or full; start usher again to retry",
        .folder.display()
    )]
    InitdbTimeout {
        /// The folder that was to become the cluster.
        folder: PathBuf,
        /// How long it was given.
        seconds: u64,
    },

    /// The server ended although nobody asked it to.
    #[error(
        "PostgreSQL ended by itself ({status}): {excerpt} (all it said is in {})",
        .log.display()
    )]
    Ended {
        /// How the server process ended.
        status: ExitStatus,
        /// The last lines of its log.
        excerpt: String,
        /// Where the log is.
        log: PathBuf,
    },

    /// The server runs, but takes no connection.
    #[error(
        "PostgreSQL takes no connection after {:.1} s: {excerpt} (all it said is in {})",
        .waited.as_secs_f64(),
        .log.display()
    )]
    NotReady {
        /// How long it was given.
        waited: Duration,
        /// The last lines of its log.
        excerpt: String,
        /// Where the log is.
        log: PathBuf,
        /// What the last attempt to connect ended in.
        source: ConnectError,
    },

    /// usher's database could not be made in the new cluster.
    #[error("cannot create the database usher in usher's own PostgreSQL (its log is {})", .log.display())]
    CreateDatabase {
        /// Where the log is.
        log: PathBuf,
        /// What the server answered.
        source: ConnectError,
    },

    /// The operating system does not tell how the server process is.
    #[error("cannot wait for PostgreSQL's process {process}: end it by hand if it still runs")]
    Wait {
        /// The server process, 0 when it has ended already.
        process: u32,
        /// What the operating system answered.
        source: io::Error,
    },

    /// A server process survived even SIGKILL.
    #[error(
        "PostgreSQL's process {process} on {} does not end, not even when killed: end it by hand, or restart the machine",
        .cluster.display()
    )]
    Unstoppable {
        /// The server process.
        process: u32,
        /// The cluster's folder.
        cluster: PathBuf,
    },
}

/// " (process 17)", or nothing when the process is not known.
fn process_note(process: Option<u32>) -> String {
    process.map_or_else(String::new, |process| format!(" (process {process})"))
}

/// The command that most likely installs PostgreSQL here.
fn install_command() -> &'static str {
    if cfg!(target_os = "macos") {
        "brew install postgresql@17"
    } else {
        "apt-get install postgresql, or dnf install postgresql-server"
    }
}
