//! usher as its operators meet it: the built program, a process of its own.
//!
//! Whatever happens in a test, no process outlives it: each is ended by its
//! number, the PostgreSQL that an usher left behind included.

use crate::support::actor::Actor;
use crate::support::{House, PATIENCE, cluster};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, Permissions};
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use usher::db::embedded::running_url;

/// A data folder for one test, which is not there before usher makes it.
pub struct DataFolder {
    path: PathBuf,
    _parent: TempDir,
}

impl DataFolder {
    pub fn new() -> Self {
        let parent = tempfile::Builder::new()
            .prefix("usher-program-")
            .tempdir()
            .unwrap();
        // PostgreSQL runs as another user when the tests run as root.
        std::fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
        Self {
            path: parent.path().join("data"),
            _parent: parent,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command line that uses this folder.
    pub fn usher(&self, arguments: &[&str]) -> Command {
        let mut command = usher(arguments);
        command.env("USHER_DATA_DIR", &self.path);
        command
    }

    /// A server on this folder, with these flags, on a port of its own.
    pub async fn serve(&self, flags: &[&str]) -> Server {
        let mut command = self.usher(flags);
        command.args(["--listen", "127.0.0.1:0"]);
        Server::start(command).await
    }

    /// A connection to the PostgreSQL that runs here.
    pub async fn sql(&self) -> AsyncPgConnection {
        cluster::connect(&self.database_url().await).await
    }

    /// The database that a running usher has here.
    pub async fn database_url(&self) -> String {
        let options = cluster::options(&self.path, []);
        let url = running_url(&options).await.unwrap();
        url.expect("an usher runs on this folder")
    }

    /// The staff token that a server has made here.
    pub fn staff_token(&self) -> String {
        let token = std::fs::read_to_string(self.path.join("staff-token")).unwrap();
        token.trim().to_owned()
    }

    /// The PostgreSQL that runs here.
    pub fn postgres(&self) -> Option<Pid> {
        let record = self.path.join("postgres/postmaster.pid");
        let text = std::fs::read_to_string(record).ok()?;
        let process = Pid::from_raw(text.lines().next()?.parse().ok()?);
        self.is_postgres(process).then_some(process)
    }

    /// Whether this process still is the PostgreSQL of this folder.
    pub fn is_postgres(&self, process: Pid) -> bool {
        runs(process, &self.path.join("postgres").to_string_lossy())
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        if let Some(process) = self.postgres() {
            let _ = kill(process, Signal::SIGQUIT);
            wait_until(|| !self.is_postgres(process));
        }
    }
}

/// A command line of usher's that gets nothing of this process' environment.
pub fn usher(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// As the houses are: a test machine is slow and full, and what another test leaves open
/// for a moment holds back the feeds of all.
const PATIENT: [(&str, &str); 6] = [
    ("USHER_DATABASE_ACQUIRE_TIMEOUT", "1m"),
    ("USHER_STATEMENT_TIMEOUT", "1m"),
    ("USHER_LOCK_TIMEOUT", "1m"),
    ("USHER_IDLE_TRANSACTION_TIMEOUT", "1m"),
    ("USHER_CURSOR_TIMEOUT", "1m"),
    ("USHER_OWN_CHANGES_WAIT", "1m"),
];

/// Nobody is limited: all of a test come from one address. And visitors may buy, as in the
/// houses.
pub const HOSPITABLE: [(&str, &str); 9] = [
    ("USHER_VISITORS", "buy"),
    ("USHER_RATE_READS", "off"),
    ("USHER_RATE_WRITES", "off"),
    ("USHER_RATE_SOCKETS", "off"),
    ("USHER_RATE_SOCKET_MESSAGES", "off"),
    ("USHER_SOCKETS_PER_ADDRESS", "100000"),
    ("USHER_SUBSCRIPTIONS_PER_CALLER", "100000"),
    ("USHER_RATE_MESSAGES", "off"),
    ("USHER_CONNECTIONS_PER_ADDRESS", "100000"),
];

/// A log without what a server says of a machine that other tests keep busy: who holds back
/// the feed of the PostgreSQL that they share, and that no thread is free.
pub fn of_itself(log: &[String]) -> Vec<&String> {
    let of_others = ["holds the change feed back", "no thread is free"];
    let is_of_others = |line: &String| of_others.iter().any(|part| line.contains(part));
    log.iter().filter(|line| !is_of_others(line)).collect()
}

/// What a command answered.
#[derive(Debug)]
pub struct Answered {
    pub code: i32,
    pub output: String,
    pub errors: String,
}

impl Answered {
    /// What the command printed; it must have succeeded.
    pub fn printed(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        self.output.trim_end()
    }

    /// The one line in which the command said why it failed.
    pub fn complaint(&self) -> &str {
        assert_eq!(self.code, 1, "{self:?}");
        assert_eq!(self.output, "", "{self:?}");
        let complaint = self.errors.strip_suffix('\n').unwrap();
        assert_eq!(complaint.lines().count(), 1, "{self:?}");
        let complaint = complaint.strip_prefix("usher: ");
        complaint.unwrap_or_else(|| panic!("not usher's own words: {self:?}"))
    }
}

#[derive(QueryableByName)]
struct Folder {
    #[diesel(sql_type = Text)]
    setting: String,
}

/// One of the programs that the PostgreSQL of this connection came with.
pub async fn of_postgres(sql: &mut AsyncPgConnection, name: &str) -> Command {
    let folder = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
    let folder: Folder = diesel::sql_query(folder).get_result(sql).await.unwrap();
    Command::new(Path::new(&folder.setting).join(name))
}

/// Runs a command to its end.
pub async fn run(mut command: Command) -> Answered {
    let Output {
        status,
        stdout,
        stderr,
    } = timeout(PATIENCE, command.output())
        .await
        .expect("the command ends")
        .unwrap();
    Answered {
        code: status.code().expect("the command ends by itself"),
        output: String::from_utf8(stdout).unwrap(),
        errors: String::from_utf8(stderr).unwrap(),
    }
}

/// A terminal that a program may print on: its two sides.
pub struct Terminal {
    ours: OwnedFd,
    theirs: OwnedFd,
}

impl Terminal {
    pub fn open() -> Self {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        Self {
            ours: master,
            theirs: slave,
        }
    }
}

/// A running server.
pub struct Server {
    child: Child,
    output: Lines,
    log: Lines,
    pub url: String,
}

/// The lines that a process has written, and whether there will be more.
pub type Lines = watch::Receiver<(Vec<String>, bool)>;

impl Server {
    /// Starts one and waits until it says where it is.
    pub async fn start(command: Command) -> Self {
        Self::started(Self::spawn(command)).await
    }

    async fn started(mut server: Self) -> Self {
        let start = server.link("Start here").await;
        server.url = start.trim_end_matches('/').to_owned();
        // The last thing that is printed.
        line(&mut server.output, |line| line.ends_with("Ctrl-C.")).await;
        server
    }

    /// Starts one that prints on a terminal, and waits until it says where it is.
    pub async fn start_on(mut command: Command, terminal: Terminal) -> Self {
        command.stdout(terminal.theirs);
        let output = follow_terminal(terminal.ours.into());
        Self::started(Self::spawned(command, Some(output))).await
    }

    /// Starts one and does not wait.
    pub fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        Self::spawned(command, None)
    }

    fn spawned(mut command: Command, output: Option<Lines>) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let output = output.unwrap_or_else(|| follow(child.stdout.take().unwrap()));
        let log = follow(child.stderr.take().unwrap());
        Self {
            child,
            output,
            log,
            url: String::new(),
        }
    }

    /// Starts one with these flags on the database of a house, which it shares. It is patient
    /// where they do not say otherwise.
    pub async fn beside(house: &House, flags: &[&str]) -> Self {
        Self::beside_with(house, flags, &[]).await
    }

    /// As `beside`, with these variables in its environment, which win as well.
    pub async fn beside_with(house: &House, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = usher(flags);
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", &house.server_url)
            .envs(HOSPITABLE)
            .envs(PATIENT)
            .envs(environment.iter().copied());
        Self::start(command).await
    }

    /// The link that is printed beside this name.
    pub async fn link(&mut self, name: &str) -> String {
        let found = timeout(PATIENCE, line(&mut self.output, |line| line.contains(name)));
        let Ok(Some(line)) = found.await else {
            panic!("usher did not start: {:#?}", self.log());
        };
        line.split_whitespace().next_back().unwrap().to_owned()
    }

    pub fn process(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap())
    }

    /// The memory of a process that is not given back: now, and at most so far, in MB.
    pub fn memory(&self) -> Option<[usize; 2]> {
        // Where there is no such file the bound is not checked.
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process())).ok()?;
        let size = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: usize = line.split_whitespace().next()?.parse().ok()?;
            Some(kilobytes / 1024)
        };
        Some([size("VmRSS:")?, size("VmHWM:")?])
    }

    /// Somebody without a token.
    pub fn visitor(&self) -> Actor {
        Actor::new(&self.url, None)
    }

    /// Somebody with this token.
    pub fn bearer(&self, token: &str) -> Actor {
        Actor::new(&self.url, Some(token.to_owned()))
    }

    /// What `/metrics` says of this sample, which is there.
    pub async fn sample(&self, name: &str) -> f64 {
        let answer = reqwest::get(format!("{}/metrics", self.url)).await.unwrap();
        let text = answer.text().await.unwrap();
        let value = text.lines().find_map(|line| {
            let (sample, value) = line.rsplit_once(' ')?;
            (sample == name).then_some(value)
        });
        let value = value.unwrap_or_else(|| panic!("no {name} in {text}"));
        value.parse().unwrap()
    }

    /// What was printed up to now.
    pub fn printed(&self) -> Vec<String> {
        self.output.borrow().0.clone()
    }

    /// What was logged up to now.
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().0.clone()
    }

    /// The first line of the log that is wanted, when it is there.
    pub async fn logged(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let found = timeout(PATIENCE, line(&mut self.log, wanted)).await;
        let Ok(Some(line)) = found else {
            panic!("this was never logged: {:#?}", self.log());
        };
        line
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.process(), signal).unwrap();
    }

    /// Kills it, if it is still there.
    pub fn kill(&self) {
        if self.child.id().is_some() {
            self.signal(Signal::SIGKILL);
        }
    }

    /// Waits for the end; answers the exit code and everything that was logged.
    pub async fn ended(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.exit_code().await;
        (code, self.log())
    }

    /// Waits for the end of it, and of its log.
    pub async fn exit_code(&mut self) -> Option<i32> {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("usher stops").unwrap();
        let all = timeout(PATIENCE, self.log.wait_for(|(_, ended)| *ended));
        drop(all.await.expect("the log ends"));
        status.code()
    }

    /// Stops it as service managers do.
    pub async fn stop(self) {
        self.signal(Signal::SIGTERM);
        let (code, log) = self.ended().await;
        assert_eq!(code, Some(0), "{log:#?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(self.process(), Signal::SIGTERM);
            wait_until(|| !matches!(self.child.try_wait(), Ok(None)));
        }
        // What is left is killed with the child.
    }
}

/// Collects what a process writes, for as long as it does.
pub fn follow(pipe: impl AsyncRead + Unpin + Send + 'static) -> Lines {
    let (sender, receiver) = watch::channel((Vec::new(), false));
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|(lines, _)| lines.push(line));
        }
        sender.send_modify(|(_, ended)| *ended = true);
    });
    receiver
}

/// The same for a terminal, which is no pipe: reading it ends with an error when nobody has its
/// other side any more.
fn follow_terminal(terminal: File) -> Lines {
    let (sender, receiver) = watch::channel((Vec::new(), false));
    std::thread::spawn(move || {
        for line in std::io::BufReader::new(terminal).lines() {
            let Ok(line) = line else { break };
            sender.send_modify(|(lines, _)| lines.push(line));
        }
        sender.send_modify(|(_, ended)| *ended = true);
    });
    receiver
}

/// The first line that is wanted, when it is there; nothing if it never comes.
async fn line(lines: &mut Lines, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let find = |lines: &[String]| lines.iter().find(|line| wanted(line)).cloned();
    let found = lines
        .wait_for(|(lines, ended)| *ended || find(lines).is_some())
        .await
        .unwrap();
    find(&found.0)
}

/// Whether this process runs and has this in its command line: it may be another
/// one that got the number since. Where that cannot be told, any process counts.
fn runs(process: Pid, argument: &str) -> bool {
    if !Path::new("/proc/self").exists() {
        return kill(process, None).is_ok();
    }
    let command_line = std::fs::read(format!("/proc/{process}/cmdline"));
    command_line.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(argument))
}

/// Waits without a runtime, for guards. Gives up without a word.
fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
}
