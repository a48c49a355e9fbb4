//! The Unix socket that is the only way into usher's own PostgreSQL.
//!
//! Owns the socket's folder, the url that leads there and connecting to it. The
//! folder is private to the user that PostgreSQL runs as: the server trusts
//! whoever reaches its socket, so nothing here may ever widen its mode.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::error::EmbeddedError;
use super::owner::Owner;

/// The superuser of the cluster, and the name of usher's database in it.
pub(super) const NAME: &str = "usher";

/// PostgreSQL names its socket after a port even when it opens none.
pub(super) const PORT: u16 = 5432;

const FILE_NAME: &str = ".s.PGSQL.5432";

/// The longest path of a socket: 107 bytes on Linux, 103 on macOS and the BSDs.
const LONGEST_PATH: usize = 103;

/// How long a server may take to answer once it is connected to.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Where the folder is when the data folder's own path is too long. Not the
/// TMPDIR of this process: another process has to find the same folder, and so
/// does PostgreSQL's user, to whom root's TMPDIR may be closed.
const SHORT_PLACE: &str = "/tmp";

/// The folder of the socket.
#[derive(Debug, Clone)]
pub(super) struct SocketFolder {
    path: PathBuf,
}

impl SocketFolder {
    /// The folder's place; the same in every process for the same data folder.
    pub(super) fn of(data_folder: &Path) -> Self {
        let beside = data_folder.join("run");
        if fits(&beside) {
            return Self { path: beside };
        }
        let digest = Sha256::digest(data_folder.as_os_str().as_encoded_bytes());
        let mut name = String::from("usher-");
        for byte in &digest[..8] {
            // Writing into a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        Self {
            path: Path::new(SHORT_PLACE).join(name),
        }
    }

    /// The folder's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, or makes sure that the one there is safe, and removes
    /// the socket that a server which no longer runs left in it.
    pub(super) fn prepare(&self, owner: &Owner) -> Result<(), EmbeddedError> {
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Ok(()) => owner.take(&self.path)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.check(owner)?,
            Err(source) => return Err(self.failed("create the socket folder", source)),
        }
        // Only the data folder's owner comes here, and only when no server runs.
        // The lock beside the socket names a process too, which by now may be
        // any other, and PostgreSQL would then refuse to start.
        for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}.lock")] {
            match fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed("remove the stale socket in", error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Somebody else may have made the folder first, when its parent is open to all.
    fn check(&self, owner: &Owner) -> Result<(), EmbeddedError> {
        let metadata = fs::symlink_metadata(&self.path)
            .map_err(|source| self.failed("look at the socket folder", source))?;
        let private = metadata.is_dir() && metadata.permissions().mode() & 0o777 == 0o700;
        if private && owner.owns(&metadata) {
            return Ok(());
        }
        // Made by usher as root, which was ended before it could hand it over.
        let by_root = std::os::unix::fs::MetadataExt::uid(&metadata) == 0;
        if private && by_root && owner.is_someone_else() {
            return owner.take(&self.path);
        }
        Err(EmbeddedError::SocketFolderTaken {
            path: self.path.clone(),
            user: owner.name().to_owned(),
        })
    }

    /// Leaves nothing behind in the folder that all share.
    pub(super) fn remove_if_temporary(&self) {
        if self.path.parent() == Some(Path::new(SHORT_PLACE)) {
            // A folder that is not empty or already gone is no harm.
            let _ = fs::remove_dir(&self.path);
        }
    }

    fn failed(&self, action: &'static str, source: io::Error) -> EmbeddedError {
        EmbeddedError::Files {
            action,
            path: self.path.clone(),
            source,
        }
    }

    /// A url for that database, as tokio-postgres and psql take it.
    pub(super) fn url(&self, database: &str) -> String {
        let folder = encode(self.path.as_os_str().as_encoded_bytes());
        let database = encode(database.as_bytes());
        format!("postgresql://{NAME}@/{database}?host={folder}&port={PORT}")
    }

    /// Connects to that database. Bounded: a server that is stopping may take
    /// the connection and then say nothing.
    pub(super) async fn connect(&self, database: &str) -> Result<Client, ConnectError> {
        let mut config = Config::new();
        config
            .host_path(&self.path)
            .port(PORT)
            .user(NAME)
            .dbname(database)
            .application_name("usher start");
        let (client, connection) = timeout(ANSWER_LIMIT, config.connect(NoTls))
            .await
            .map_err(|_| ConnectError::Silence)??;
        // Ends when the client is dropped. An error in it reaches the client's caller too.
        tokio::spawn(connection);
        Ok(client)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server took the connection and said nothing.
    #[error("no answer within {} s", ANSWER_LIMIT.as_secs())]
    Silence,
    /// The server refused, or there is none.
    #[error(transparent)]
    Refused(#[from] tokio_postgres::Error),
}

impl ConnectError {
    /// What the server said, if it was the server that refused.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Silence => None,
            Self::Refused(error) => error.code(),
        }
    }

    /// Whether the socket is private to another user.
    pub(super) fn is_closed_to_us(&self) -> bool {
        std::error::Error::source(self)
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|source| source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Whether a socket there has a path that every program can name: not too long,
/// and without what separates or quotes the entries of a list of hosts.
fn fits(folder: &Path) -> bool {
    folder.to_str().is_some_and(|path| {
        path.len() + 1 + FILE_NAME.len() <= LONGEST_PATH && !path.contains([',', '"'])
    })
}

/// Percent-encodes all but the characters that mean themselves everywhere in a url.
fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_beside_the_data_while_its_path_is_short() {
        let short = SocketFolder::of(Path::new("/var/lib/usher"));
        assert_eq!(short.path(), Path::new("/var/lib/usher/run"));
        let url = "postgresql://usher@/a%20b?host=%2Fvar%2Flib%2Fusher%2Frun&port=5432";
        assert_eq!(short.url("a b"), url);

        let long = PathBuf::from(format!("/{}", "x".repeat(90)));
        let elsewhere = SocketFolder::of(&long);
        assert!(elsewhere.path().starts_with("/tmp"), "{elsewhere:?}");
        assert_eq!(elsewhere.path(), SocketFolder::of(&long).path());
        assert!(
            SocketFolder::of(Path::new("/a,b"))
                .path()
                .starts_with("/tmp")
        );
    }

    #[test]
    fn tokio_postgres_understands_the_url() {
        let url = SocketFolder::of(Path::new("/var/lib/us her")).url(NAME);
        let config: Config = url.parse().unwrap();
        let folder = PathBuf::from("/var/lib/us her/run");
        assert_eq!(
            config.get_hosts(),
            [tokio_postgres::config::Host::Unix(folder)]
        );
        assert_eq!(config.get_user(), Some(NAME));
        assert_eq!(config.get_dbname(), Some(NAME));
    }
}
