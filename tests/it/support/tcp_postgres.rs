//! A PostgreSQL that listens on TCP, with TLS or without: what the shared one, which is usher's
//! own, never does.

use crate::support::certificates::{Authority, Certificate};
use crate::support::cluster::{self, Cluster};
use crate::support::eventually;
use crate::support::program::{of_postgres, run};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use std::fs::Permissions;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_postgres::NoTls;

/// Its only password.
pub const PASSWORD: &str = "hunter2";

/// Each has an address of its own on this machine, so that none takes another one's port.
const PORT: u16 = 54_329;
static NEXT_ADDRESS: AtomicU8 = AtomicU8::new(1);

/// A running PostgreSQL, ended with this value.
pub struct TcpPostgres {
    pub address: Ipv4Addr,
    folder: TempDir,
    _child: Child,
}

#[derive(QueryableByName)]
struct Folder {
    #[diesel(sql_type = Text)]
    setting: String,
}

impl TcpPostgres {
    /// One that shows this certificate, or has no TLS. Of clients with a certificate of
    /// `clients` it wants to see that.
    pub async fn start(certificate: Option<&Certificate>, clients: Option<&Authority>) -> Self {
        let shared = Cluster::shared();
        let mut sql = cluster::connect(&shared.empty_database().await).await;
        let query = "SELECT current_setting('data_directory') AS setting";
        let data: Folder = diesel::sql_query(query).get_result(&mut sql).await.unwrap();
        let owner = std::fs::metadata(data.setting).unwrap();
        let folder = tempfile::Builder::new()
            .prefix("usher-tcp-")
            .tempdir()
            .unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let own = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            // Of whoever runs PostgreSQL: it refuses to run as root.
            chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
        };
        let as_owner = |mut command: Command| {
            if nix::unistd::geteuid().is_root() {
                command.uid(owner.uid()).gid(owner.gid());
            }
            command.current_dir(folder.path()).env("LC_ALL", "C");
            command
        };

        let cluster = folder.path().join("cluster");
        std::fs::create_dir(&cluster).unwrap();
        own(&cluster, 0o700);
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        own(&password, 0o600);
        let mut initdb = as_owner(of_postgres(&mut sql, "initdb").await);
        initdb.args(["--username=usher", "--auth=scram-sha-256", "--no-sync"]);
        initdb.arg("--pwfile").arg(&password);
        initdb.arg("--pgdata").arg(&cluster);
        run(initdb).await.printed();

        let number = NEXT_ADDRESS.fetch_add(1, Ordering::Relaxed);
        let [high, low] = u16::try_from(std::process::id() % 65_536)
            .unwrap()
            .to_be_bytes();
        let address = Ipv4Addr::new(127, high, low, number);
        let hba = match clients {
            // Let in without one is who looks whether it is there yet.
            Some(_) => {
                "hostssl all all all scram-sha-256 clientcert=verify-full\n\
                        hostnossl all all all scram-sha-256\n"
            }
            None => "host all all all scram-sha-256\n",
        };
        std::fs::write(cluster.join("pg_hba.conf"), hba).unwrap();
        let mut postgres = as_owner(of_postgres(&mut sql, "postgres").await);
        postgres.arg("-D").arg(&cluster).args(["-c", "fsync=off"]);
        postgres.args(["-c", &format!("listen_addresses={address}")]);
        postgres.args(["-c", &format!("port={PORT}")]);
        postgres.args(["-c", "unix_socket_directories="]);
        if let Some(certificate) = certificate {
            let (chain, key) = certificate.publish(folder.path(), "server");
            own(&chain, 0o600);
            own(&key, 0o600);
            postgres.args(["-c", "ssl=on"]);
            postgres.args(["-c", &format!("ssl_cert_file={}", chain.display())]);
            postgres.args(["-c", &format!("ssl_key_file={}", key.display())]);
        }
        if let Some(clients) = clients {
            let file = clients.publish(folder.path(), "clients.pem");
            own(&file, 0o600);
            postgres.args(["-c", &format!("ssl_ca_file={}", file.display())]);
        }
        postgres.stdout(Stdio::null()).stderr(Stdio::null());
        // Killed, it leaves nothing that anybody needs.
        let child = postgres.kill_on_drop(true).spawn().unwrap();
        let started = Self {
            address,
            folder,
            _child: child,
        };
        let url = started.url("localhost", "sslmode=disable");
        eventually("PostgreSQL takes connections", async || {
            tokio_postgres::connect(&url, NoTls).await.ok().map(drop)
        })
        .await;
        started
    }

    /// Its URL, by the name `host`, with these parameters.
    pub fn url(&self, host: &str, parameters: &str) -> String {
        let address = self.address;
        format!(
            "postgres://usher:{PASSWORD}@{host}:{PORT}/postgres?hostaddr={address}&{parameters}"
        )
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the test.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let file = self.folder().join(name);
        std::fs::write(&file, content).unwrap();
        file
    }
}
