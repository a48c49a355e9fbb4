//! usher's own private PostgreSQL, for when no `DATABASE_URL` names another.
//!
//! Owns a cluster under the data folder and the server process on it: makes the
//! cluster once, starts the server on a Unix socket alone, stops it with usher,
//! and at the next start recovers what a crash left behind. Everything runs
//! under the data folder's lock:
//!
//! ```text
//! data folder/            usher's, 0711
//!   usher.lock            who owns the folder         (lock)
//!   postgres/             the cluster, its user's     (initialise, recover)
//!   postgres.conf         the server's settings       (settings)
//!   run/.s.PGSQL.5432     the socket, its user's      (socket)
//!   postgres.log          what the server says        (log)
//! ```
//!
//! It knows nothing of usher's tables, never listens on the network, never
//! destroys or upgrades data that is there, and never ends a process that is
//! not proven to be this cluster's server. Unix only.

mod error;
mod folder;
mod initialise;
mod locate;
mod lock;
mod log;
mod memory;
mod owner;
mod recover;
mod server;
mod settings;
mod socket;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use self::error::EmbeddedError;
use self::folder::Place;
use self::locate::{Places, Programs};
use self::lock::{FolderLock, Holder};
use self::server::Server;
pub use self::socket::ConnectError;
use self::socket::SocketFolder;

/// How long [`running_url`] gives an usher that is just starting.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);

/// How long to wait for the last processes of a server that was killed.
const LINGER_LIMIT: Duration = Duration::from_secs(20);

/// How PostgreSQL says that another server's processes use the cluster: helpers
/// that have not noticed its end, or a server so young that it had no lock file yet.
const IN_USE: [&str; 2] = [
    "pre-existing shared memory block",
    "lock file \"postmaster.pid\" already exists",
];

/// What usher's own PostgreSQL is to be like.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The folder that everything is kept in. Made when it is missing.
    pub data_dir: PathBuf,
    /// The folder of PostgreSQL's programs; looked for when it is not named.
    pub postgres_bin: Option<PathBuf>,
    /// Settings of the server, which win over usher's and over what is set in the cluster.
    pub settings: Vec<(String, String)>,
}

/// A running PostgreSQL that this process owns.
///
/// Dropping it stops the server, which blocks the thread for the moment that
/// takes; [`EmbeddedPostgres::stop`] does the same without blocking.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    // Fields are dropped in this order, and the lock is the last to go: the
    // next owner must not meet this server.
    server: Server,
    socket: SocketRemains,
    _lock: FolderLock,
    database_url: String,
}

impl EmbeddedPostgres {
    /// Starts the server, and makes the cluster and usher's database first
    /// where they are missing. Answers when connections are taken.
    ///
    /// # Errors
    ///
    /// When anything that PostgreSQL needs is missing, closed or in use; the
    /// error says what. Then no server runs.
    pub async fn start(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let data = folder::prepare(&options.data_dir)?;
        let lock = FolderLock::acquire(&data).await?;
        let place = Place::in_data_folder(&data)?;

        let written_by = initialise::version_of(&place.cluster)?;
        let places = Places::of_this_machine(options.postgres_bin.as_deref(), &place.owner).await;
        let programs = places.find(&place.owner, written_by).await?;
        check_version(&place, &programs, written_by)?;
        place
            .owner
            .check_reaches(&place.data, &programs.postgres())
            .await?;

        if written_by.is_none() {
            initialise::initialise(&place, &programs).await?;
        }
        let socket = SocketRemains(place.socket.clone());
        let server = start_server(&place, &programs, &options.settings).await?;
        server.ensure_database(&place).await?;
        tracing::info!(
            cluster = %place.cluster.display(),
            version = programs.major,
            user = place.owner.name(),
            "usher's own PostgreSQL is running"
        );
        Ok(Self {
            database_url: place.socket.url(socket::NAME),
            server,
            socket,
            _lock: lock,
        })
    }

    /// The url of usher's database.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The url of another database of the same server.
    pub fn database_url_for(&self, database: &str) -> String {
        self.socket.0.url(database)
    }

    /// Stops the server and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When the server does not end, not even when it is killed.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        self.server.stop().await
    }

    /// Resolves when the server ends although nobody stopped it, with the error
    /// that says how. May be dropped and called again.
    pub async fn exited(&mut self) -> EmbeddedError {
        self.server.exited().await
    }
}

/// Removes the socket's folder, if it is a temporary one, after the server.
#[derive(Debug)]
struct SocketRemains(SocketFolder);

impl Drop for SocketRemains {
    fn drop(&mut self) {
        self.0.remove_if_temporary();
    }
}

/// The url of the database that another usher process keeps running on this
/// data folder, if one does. An usher that is just starting is waited for.
///
/// # Errors
///
/// When the folder cannot be read, or its usher's database does not answer.
pub async fn running_url(options: &EmbeddedOptions) -> Result<Option<String>, EmbeddedError> {
    let Some(data) = folder::existing(&options.data_dir)? else {
        return Ok(None);
    };
    let socket = SocketFolder::of(&data);
    let deadline = Instant::now() + ATTACH_LIMIT;
    loop {
        let Some(Holder { process }) = lock::holder(&data)? else {
            return Ok(None);
        };
        let Err(source) = socket.connect(socket::NAME).await else {
            return Ok(Some(socket.url(socket::NAME)));
        };
        if source.is_closed_to_us() {
            return Err(EmbeddedError::NotYours {
                folder: data,
                process,
                source,
            });
        }
        if Instant::now() > deadline {
            return Err(EmbeddedError::NoAnswer {
                folder: data,
                process,
                source,
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Starts the server, and first ends whatever still uses the cluster.
async fn start_server(
    place: &Place,
    programs: &Programs,
    settings: &[(String, String)],
) -> Result<Server, EmbeddedError> {
    let deadline = Instant::now() + LINGER_LIMIT;
    loop {
        let stale = recover::recover(place).await?;
        place.socket.prepare(&place.owner)?;
        match Server::start(place, programs, settings, stale).await {
            Err(EmbeddedError::Ended { excerpt, .. })
                if IN_USE.iter().any(|proof| excerpt.contains(proof))
                    && Instant::now() < deadline =>
            {
                tracing::warn!(%excerpt, "waiting for the last processes of a killed PostgreSQL");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            result => return result,
        }
    }
}

/// PostgreSQL reads only what its own major version wrote.
fn check_version(
    place: &Place,
    programs: &Programs,
    written_by: Option<u32>,
) -> Result<(), EmbeddedError> {
    match written_by {
        Some(written_by) if written_by != programs.major => Err(EmbeddedError::OtherMajorVersion {
            cluster: place.cluster.clone(),
            written_by,
            programs: programs.folder().to_path_buf(),
            found: programs.major,
        }),
        _ => Ok(()),
    }
}
