//! A way to PostgreSQL that is cut in the worst moment: when a transaction has
//! committed and nobody has been told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_postgres::config::Host;

/// What PostgreSQL answers when it has committed:
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// A proxy before a database.
pub struct Cut {
    /// The database, by this way.
    pub database_url: String,
    due: Arc<Due>,
}

/// What is to be cut, and what is.
#[derive(Default)]
struct Due {
    once: AtomicBool,
    all: AtomicBool,
    /// Whether nothing passes any more.
    is_closed: watch::Sender<bool>,
}

impl Cut {
    /// Before this database, for transactions in which `actor` changes seats; whole
    /// until [`Cut::after_next_commit`].
    pub async fn before(database_url: &str, actor: &'static str) -> Self {
        let config: tokio_postgres::Config = database_url.parse().unwrap();
        let [Host::Unix(folder)] = config.get_hosts() else {
            panic!("the tests' PostgreSQL has one Unix socket");
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let socket = folder.join(format!(".s.PGSQL.{port}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let database_url = format!(
            "postgres://{}@{}/{}?sslmode=disable",
            config.get_user().unwrap(),
            listener.local_addr().unwrap(),
            config.get_dbname().unwrap()
        );
        let due = Arc::<Due>::default();
        let shared = Arc::clone(&due);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *shared.is_closed.borrow() {
                    continue;
                }
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(pass_on(client, server, actor, Arc::clone(&shared)));
            }
        });
        Self { database_url, due }
    }

    /// Cuts the next such transaction when it has committed, before it hears of that.
    pub fn after_next_commit(&self) {
        self.due.once.store(true, Ordering::SeqCst);
    }

    /// The same, and all other connections with it: nobody gets through before it is
    /// [mended](Cut::mend).
    pub fn all_after_next_commit(&self) {
        self.due.all.store(true, Ordering::SeqCst);
        self.after_next_commit();
    }

    /// Lets whoever connects from now on get through.
    pub fn mend(&self) {
        self.due.is_closed.send_replace(false);
    }

    /// Whether that has happened.
    pub fn is_done(&self) -> bool {
        !self.due.once.load(Ordering::SeqCst)
    }
}

impl Due {
    /// Whether this commit is the one.
    fn is_it(&self) -> bool {
        let is_it = self.once.swap(false, Ordering::SeqCst);
        if is_it && self.all.swap(false, Ordering::SeqCst) {
            self.is_closed.send_replace(true);
        }
        is_it
    }
}

async fn pass_on(mut client: TcpStream, mut server: UnixStream, actor: &str, due: Arc<Due>) {
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    // Other transactions, such as the sweeper's, commit as well.
    let mut is_meant = false;
    let (mut from_client, mut from_server) = ([0; 8192], [0; 8192]);
    let mut closed = due.is_closed.subscribe();
    loop {
        let passed = tokio::select! {
            () = async { drop(closed.wait_for(|is_closed| *is_closed).await) } => return,
            read = client.read(&mut from_client) => match read {
                Ok(length) if length > 0 => {
                    is_meant |= has(&from_client[..length], actor.as_bytes());
                    server.write_all(&from_client[..length]).await
                }
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(length) if length > 0 => {
                    let answer = &from_server[..length];
                    if has(answer, COMMITTED) {
                        if is_meant && due.is_it() {
                            return;
                        }
                        is_meant = false;
                    }
                    client.write_all(answer).await
                }
                _ => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}
