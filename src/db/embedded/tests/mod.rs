//! Tests of the embedded PostgreSQL against the real programs.
//!
//! Owns what the tests share: folders, processes, and a victim, which is this
//! test program run once more to be killed. Never waits for a fixed time: it
//! polls a condition, with a bound.

mod lifecycle;
mod recovery;
mod refusals;
mod settings;

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres, running_url};

const LIMIT: Duration = Duration::from_secs(30);

/// A folder that every user may enter, which a temporary one usually is not.
fn open_folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("usher-test-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Options for a small server in the folder "data" of that folder.
fn options(folder: &Path) -> EmbeddedOptions {
    let settings = [("shared_buffers", "16MB"), ("fsync", "off")];
    EmbeddedOptions {
        data_dir: folder.join("data"),
        postgres_bin: None,
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(client: &Client, question: &str) -> String {
    client.query_one(question, &[]).await.unwrap().get(0)
}

/// Starts a server, leaves a mark in its database and stops it.
async fn make_marked_cluster(options: &EmbeddedOptions) {
    let postgres = EmbeddedPostgres::start(options).await.unwrap();
    mark(postgres.database_url()).await;
    postgres.stop().await.unwrap();
}

async fn mark(url: &str) {
    let client = connect(url).await;
    let statement = "CREATE TABLE mark AS SELECT 'still here' AS text";
    client.batch_execute(statement).await.unwrap();
}

async fn read_mark(url: &str) -> String {
    ask(&connect(url).await, "SELECT text FROM mark").await
}

/// The processes that work in the cluster's folder, as all of PostgreSQL's do.
fn processes(options: &EmbeddedOptions) -> Vec<Pid> {
    let cluster = options.data_dir.join("postgres");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let works_there = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == cluster);
        if let (Some(number), true) = (number, works_there) {
            found.push(Pid::from_raw(number));
        }
    }
    found
}

/// The server's main process, by its lock file.
fn server_process(options: &EmbeddedOptions) -> Pid {
    let path = options.data_dir.join("postgres/postmaster.pid");
    let text = fs::read_to_string(path).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
}

/// Writes a lock file as a server with that number would have left it.
fn leave_lock_file(options: &EmbeddedOptions, process: Pid) {
    let cluster = options.data_dir.join("postgres");
    let run = options.data_dir.join("run");
    let text = format!(
        "{process}\n{}\n1700000000\n5432\n{}\n\n  5432001    999999\nready   \n",
        cluster.display(),
        run.display()
    );
    for path in [
        cluster.join("postmaster.pid"),
        run.join(".s.PGSQL.5432.lock"),
    ] {
        fs::write(&path, &text).unwrap();
        let owner = fs::metadata(&cluster).unwrap();
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn is_alive(process: Pid) -> bool {
    kill(process, None).is_ok()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An error and its causes, as they are shown to a person.
fn shown(error: &EmbeddedError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!text.contains('\n'), "more than one line: {text}");
    text
}

async fn refusal(options: &EmbeddedOptions) -> String {
    shown(&EmbeddedPostgres::start(options).await.unwrap_err())
}

fn is_root() -> bool {
    Uid::effective().is_root()
}

/// A process of the user that PostgreSQL runs as, which does nothing. Ended when dropped.
struct Stranger(Child);

impl Stranger {
    fn of_the_owner_of(folder: &Path) -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null());
        if is_root() {
            command.uid(fs::metadata(folder).unwrap().uid());
        }
        Self(command.spawn().unwrap())
    }

    fn process(&self) -> Pid {
        Pid::from_raw(self.0.id().try_into().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

const VICTIM_FOLDER: &str = "USHER_TEST_VICTIM_FOLDER";
const VICTIM_READY: &str = "the victim is ready";

/// An usher in a process of its own, that has left a mark in its database.
struct Victim(Child);

impl Victim {
    fn start(folder: &Path) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([&format!("{module}::victim"), "--exact"])
            .arg("--nocapture")
            .env(VICTIM_FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains(VICTIM_READY)),
            "the victim did not start"
        );
        Self(child)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Does nothing unless [`Victim`] runs it, in a process that will be killed.
#[tokio::test]
async fn victim() {
    let Some(folder) = std::env::var_os(VICTIM_FOLDER) else {
        return;
    };
    let mut postgres = EmbeddedPostgres::start(&options(&PathBuf::from(folder)))
        .await
        .unwrap();
    mark(postgres.database_url()).await;
    println!("{VICTIM_READY}");
    let error = postgres.exited().await;
    panic!("the victim's server ended: {error}");
}
