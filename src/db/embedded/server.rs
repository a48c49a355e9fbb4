//! The server process: its start and its end.
//!
//! Owns the child process. A server that this module started ends with its
//! guard, whatever happens: by [`Server::stop`], or else when it is dropped.
//! Its process number is only ever signalled while the process has not been
//! waited for, so a signal cannot reach a stranger who got the number since.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::error::EmbeddedError;
use super::folder::Place;
use super::locate::Programs;
use super::log::ServerLog;
use super::settings;
use super::socket::{NAME, PORT};

/// How a server is ended, and how long each way may take: finish what is
/// running and flush; leave at once and replay the log at the next start; die.
pub(super) const WAYS_TO_END: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(30)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(10)),
];

/// How long a starting server may stay silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How long a server may go on answering that it is still recovering from a crash.
const RECOVERY_LIMIT: Duration = Duration::from_mins(10);

const PAUSE: Duration = Duration::from_millis(20);

/// A running server. Ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    log: ServerLog,
    cluster: PathBuf,
}

impl Server {
    /// Starts the server and waits until it takes connections.
    ///
    /// `stale` is the process that the cluster's lock file names, when that
    /// process is known to be a stranger.
    pub(super) async fn start(
        place: &Place,
        programs: &Programs,
        given: &[(String, String)],
        stale: Option<Pid>,
    ) -> Result<Self, EmbeddedError> {
        let mut server = Self::spawn(place, programs, given, stale)?;
        server.wait_until_ready(place).await?;
        Ok(server)
    }

    fn spawn(
        place: &Place,
        programs: &Programs,
        given: &[(String, String)],
        stale: Option<Pid>,
    ) -> Result<Self, EmbeddedError> {
        let failed = |source| EmbeddedError::ProgramFailed {
            program: programs.postgres(),
            user: place.owner.name().to_owned(),
            source,
        };
        let (log, output) = ServerLog::open(&place.data)?;
        let errors = output.try_clone().map_err(failed)?;
        let mut command = place.owner.command(&programs.postgres(), &place.data);
        command.arg("-D").arg(&place.cluster);
        let mut file = OsString::from("config_file=");
        file.push(settings::write(&place.data)?);
        command.arg("-c").arg(file);
        let given = given.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in settings::FIXED.into_iter().chain(given) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // The last word is usher's: no setting may open the server to the network.
        let mut folder = OsString::from("unix_socket_directories=");
        folder.push(place.socket.path());
        command
            .args(["-c", "listen_addresses="])
            .args(["-c", "unix_socket_permissions=0700"])
            .args(["-c", "logging_collector=off"])
            .args(["-c", "log_destination=stderr"])
            .args(["-c", &format!("port={PORT}")])
            .arg("-c")
            .arg(folder)
            .stdout(output)
            .stderr(errors);
        if let Some(stale) = stale {
            // PostgreSQL does not take its own ancestors for another server: that is
            // how its pg_ctl says so. Unlike removing the lock file, it leaves
            // PostgreSQL its own proof that no other process uses the cluster.
            command.env("PG_GRANDPARENT_PID", stale.to_string());
        }
        let child = Command::from(command).spawn().map_err(failed)?;
        Ok(Self {
            child,
            log,
            cluster: place.cluster.clone(),
        })
    }

    async fn wait_until_ready(&mut self, place: &Place) -> Result<(), EmbeddedError> {
        let started = Instant::now();
        let mut heard = started;
        loop {
            let attempt = tokio::select! {
                ended = self.child.wait() => return Err(self.ended(ended)),
                attempt = place.socket.connect("postgres") => attempt,
            };
            let Err(error) = attempt else {
                return Ok(());
            };
            // Any other answer than "not yet" stays the answer.
            let not_yet = error.code() == Some(&SqlState::CANNOT_CONNECT_NOW);
            let hopeless = match error.code() {
                Some(_) => !not_yet || self.log.tells_of_panic(),
                None => heard.elapsed() > SILENCE_LIMIT,
            };
            if hopeless || started.elapsed() > RECOVERY_LIMIT {
                return Err(EmbeddedError::NotReady {
                    waited: started.elapsed(),
                    excerpt: self.log.excerpt(),
                    log: self.log.path().to_path_buf(),
                    source: error,
                });
            }
            if not_yet {
                heard = Instant::now();
            }
            // Each attempt that is answered leaves a line in the server's log.
            tokio::time::sleep(if not_yet { PAUSE * 10 } else { PAUSE }).await;
        }
    }

    /// Creates usher's database, unless it is there; warns of settings that do not count.
    pub(super) async fn ensure_database(&self, place: &Place) -> Result<(), EmbeddedError> {
        let work = async {
            let client = place.socket.connect("postgres").await?;
            settings::check_local(&client, &place.data).await;
            Ok(create_missing(&client).await?)
        };
        work.await.map_err(|source| EmbeddedError::CreateDatabase {
            log: self.log.path().to_path_buf(),
            source,
        })
    }

    /// Resolves when the server ends by itself, with the error that tells of it.
    pub(super) async fn exited(&mut self) -> EmbeddedError {
        let ended = self.child.wait().await;
        self.ended(ended)
    }

    fn ended(&self, waited: std::io::Result<ExitStatus>) -> EmbeddedError {
        match waited {
            Ok(status) => EmbeddedError::Ended {
                status,
                excerpt: self.log.excerpt(),
                log: self.log.path().to_path_buf(),
            },
            Err(source) => self.cannot_wait(source),
        }
    }

    fn cannot_wait(&self, source: std::io::Error) -> EmbeddedError {
        EmbeddedError::Wait {
            process: self.child.id().unwrap_or_default(),
            source,
        }
    }

    /// Ends the server and waits until it is gone.
    pub(super) async fn stop(&mut self) -> Result<(), EmbeddedError> {
        for (signal, limit) in WAYS_TO_END {
            let Some(process) = self.process() else {
                return Ok(());
            };
            send(process, signal);
            match tokio::time::timeout(limit, self.child.wait()).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(source)) => return Err(self.cannot_wait(source)),
                Err(_) => tracing::warn!(%process, %signal, "PostgreSQL has not ended yet"),
            }
        }
        Err(self.unstoppable())
    }

    /// The same without a runtime, for a guard that is dropped.
    fn stop_blocking(&mut self) -> Result<(), EmbeddedError> {
        for (signal, limit) in WAYS_TO_END {
            let Some(process) = self.process() else {
                return Ok(());
            };
            send(process, signal);
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                match self.child.try_wait() {
                    Ok(Some(_)) => return Ok(()),
                    Ok(None) => std::thread::sleep(PAUSE),
                    Err(source) => return Err(self.cannot_wait(source)),
                }
            }
            tracing::warn!(%process, %signal, "PostgreSQL has not ended yet");
        }
        Err(self.unstoppable())
    }

    /// The process, until it has been waited for.
    fn process(&self) -> Option<Pid> {
        let process = i32::try_from(self.child.id()?).ok()?;
        Some(Pid::from_raw(process))
    }

    fn unstoppable(&self) -> EmbeddedError {
        EmbeddedError::Unstoppable {
            process: self.child.id().unwrap_or_default(),
            cluster: self.cluster.clone(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop_blocking() {
            tracing::error!(%error, "usher's own PostgreSQL was not stopped");
        }
    }
}

/// Signals a server. A failure shows in that the server does not end.
pub(super) fn send(process: Pid, signal: Signal) {
    if let Err(error) = kill(process, signal) {
        tracing::warn!(%process, %signal, %error, "cannot signal PostgreSQL");
    }
}

async fn create_missing(client: &Client) -> Result<(), tokio_postgres::Error> {
    let found = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&NAME])
        .await?;
    if found.is_none() {
        client
            .batch_execute(&format!("CREATE DATABASE {NAME}"))
            .await?;
    }
    Ok(())
}
