//! One PostgreSQL for all tests that run, and a database of its own for each:
//! cloned from a template that is migrated once.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use usher::db::embedded::{EmbeddedOptions, EmbeddedPostgres};
use usher::db::migrations;

const TEMPLATE: &str = "template_usher";

/// Started by the first test that needs it and stopped by the last one, so that
/// nothing is left behind when the test program ends.
static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static NEXT_DATABASE: AtomicU32 = AtomicU32::new(1);

/// A running PostgreSQL with a migrated template.
pub struct Cluster {
    // A runtime of its own: those of the tests come and go.
    runtime: Option<Runtime>,
    postgres: Option<EmbeddedPostgres>,
    _folder: TempDir,
}

impl Cluster {
    /// The cluster that all tests share.
    pub fn shared() -> Arc<Self> {
        // A test that failed while it started the cluster has said why.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let started = std::thread::spawn(|| Arc::new(Self::start())).join();
        let cluster = started.expect("PostgreSQL starts for the tests");
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("usher-tests-")
            .tempdir()
            .unwrap();
        // PostgreSQL runs as another user when the tests run as root.
        let reachable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), reachable).unwrap();
        let runtime = Runtime::new().unwrap();
        let settings = [
            // Nobody misses this data after a power cut.
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "500"),
            // Small, and not always busy with hundreds of databases.
            ("shared_buffers", "256MB"),
            ("autovacuum_naptime", "1min"),
        ];
        let options = options(folder.path(), settings);
        let postgres = runtime.block_on(async {
            let postgres = EmbeddedPostgres::start(&options).await.unwrap();
            let mut admin = connect(postgres.database_url()).await;
            admin
                .batch_execute(&format!("CREATE DATABASE {TEMPLATE}"))
                .await
                .unwrap();
            let template = connect(&postgres.database_url_for(TEMPLATE)).await;
            runtime
                .spawn(migrations::run_pending(template))
                .await
                .unwrap()
                .unwrap();
            postgres
        });
        Self {
            runtime: Some(runtime),
            postgres: Some(postgres),
            _folder: folder,
        }
    }

    /// A new database with the migrated tables, and its URL.
    pub async fn migrated_database(&self) -> String {
        self.database(&format!("TEMPLATE {TEMPLATE}")).await
    }

    /// A new database with nothing in it, and its URL.
    pub async fn empty_database(&self) -> String {
        self.database("TEMPLATE template0").await
    }

    async fn database(&self, how: &str) -> String {
        let name = format!("test_{}", NEXT_DATABASE.fetch_add(1, Ordering::Relaxed));
        let postgres = self.postgres.as_ref().unwrap();
        let mut admin = connect(postgres.database_url()).await;
        admin
            .batch_execute(&format!("CREATE DATABASE {name} {how}"))
            .await
            .unwrap();
        postgres.database_url_for(&name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let (postgres, runtime) = (self.postgres.take(), self.runtime.take());
        // Not on the thread of a test: its runtime must not be blocked.
        let stopping = std::thread::spawn(move || {
            drop(postgres);
            drop(runtime);
        });
        stopping.join().unwrap();
    }
}

/// Those of a PostgreSQL in this folder, with these settings.
pub fn options<'a>(
    folder: &Path,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> EmbeddedOptions {
    let settings = settings.into_iter();
    EmbeddedOptions {
        data_dir: folder.to_owned(),
        postgres_bin: None,
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

/// A plain connection, for what no client of usher may do.
pub async fn connect(url: &str) -> AsyncPgConnection {
    AsyncPgConnection::establish(url).await.unwrap()
}
