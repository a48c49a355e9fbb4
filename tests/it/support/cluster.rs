//! One PostgreSQL for all tests that run, and a database of its own for each:
//! cloned from a template that is migrated once.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use usher::config::RetentionSettings;
use usher::db::embedded::{EmbeddedOptions, EmbeddedPostgres};
use usher::db::migrations;

const TEMPLATE: &str = "template_usher";

/// Who owns nothing in any database, and may do in the migrated ones what usher needs.
pub const RUN_ROLE: &str = "usher_run";

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
            let role =
                format!("CREATE ROLE {RUN_ROLE} LOGIN; GRANT pg_read_all_stats TO {RUN_ROLE}");
            admin.batch_execute(&role).await.unwrap();
            // What is pruned is up to each test.
            let kept = RetentionSettings {
                resume_window: Duration::from_secs(1),
                history_retention: Duration::from_secs(1),
                history_changes: Some(1),
            };
            let migrating =
                async move { migrations::run_pending_for(template, RUN_ROLE, &kept).await };
            let (_, too_much) = runtime.spawn(migrating).await.unwrap().unwrap();
            assert_eq!(too_much, [""; 0]);
            // What a test puts in the way of a server may have tables and counters.
            let mut template = connect(&postgres.database_url_for(TEMPLATE)).await;
            let lenient = format!(
                "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {RUN_ROLE}; \
                 ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {RUN_ROLE}"
            );
            template.batch_execute(&lenient).await.unwrap();
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

    /// Whether a URL is of this cluster, and of the owner of its databases.
    pub fn has(&self, url: &str) -> bool {
        let of_all = self.postgres.as_ref().unwrap().database_url();
        let place = |url: &str| url.split_once('?').map(|(_, place)| place.to_owned());
        url.contains("//usher@") && place(url) == place(of_all)
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

/// The same database for the role that owns nothing.
pub fn as_run_role(url: &str) -> String {
    url.replace("//usher@", &format!("//{RUN_ROLE}@"))
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
