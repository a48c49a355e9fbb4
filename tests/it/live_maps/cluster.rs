//! A PostgreSQL of its own for a test that restarts it, and the ushers on it, each a
//! process that can be killed.

use crate::live_maps::watcher::Servers;
use crate::support::cluster;
use crate::support::program::{DataFolder, HOSPITABLE, Server, usher};
use crate::support::tokens::token_signed_with;
use diesel_async::AsyncPgConnection;
use nix::sys::signal::{Signal, kill};
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use usher::db::embedded::{EmbeddedOptions, EmbeddedPostgres};
use usher::model::Role;

const SECRET: &str = "a secret of the chaos, and of nobody else";

/// When PostgreSQL is there again a follower may be asleep before it tries once more, and
/// behind what watchers know from another one for longer than anybody waits by default.
const PATIENT: [&str; 2] = ["--cursor-timeout", "1m"];

/// A PostgreSQL, and ushers on it.
pub struct PrivateCluster {
    options: EmbeddedOptions,
    postgres: Option<EmbeddedPostgres>,
    pub database_url: String,
    /// The oldest one first.
    running: VecDeque<Server>,
    addresses: watch::Sender<Vec<String>>,
    /// When PostgreSQL was away.
    pub outages: Vec<(SystemTime, SystemTime)>,
    // Dropped last: ends what is left of PostgreSQL.
    folder: DataFolder,
}

/// How PostgreSQL is stopped, before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// As `pg_ctl -m fast`: transactions are rolled back, everything is written.
    Fast,
    /// As `pg_ctl -m immediate`, or as a crash: the next start recovers.
    Immediate,
}

impl PrivateCluster {
    /// With so many patient ushers.
    pub async fn start(ushers: usize) -> Self {
        Self::start_with(ushers, &[]).await
    }

    /// With so many patient ushers, and with these settings of PostgreSQL.
    pub async fn start_with(ushers: usize, further: &[(&str, &str)]) -> Self {
        let folder = DataFolder::new();
        let settings = [
            // A process that crashes loses nothing that the system has, and the machine
            // does not crash. Commits must be written before they are seen, though.
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "200"),
            ("shared_buffers", "128MB"),
        ];
        let settings = settings.iter().chain(further).copied();
        let options = cluster::options(folder.path(), settings);
        let postgres = EmbeddedPostgres::start(&options).await.unwrap();
        let mut cluster = Self {
            options,
            database_url: postgres.database_url().to_owned(),
            postgres: Some(postgres),
            running: VecDeque::new(),
            addresses: watch::Sender::new(Vec::new()),
            outages: Vec::new(),
            folder,
        };
        for _ in 0..ushers {
            cluster.add(&PATIENT).await;
        }
        cluster
    }

    /// Where the ushers are that run.
    pub fn servers(&self) -> Servers {
        self.addresses.subscribe()
    }

    /// A token that they believe.
    pub fn token(name: &str, role: Role) -> String {
        token_signed_with(SECRET, name, role, Duration::from_hours(24))
    }

    /// A connection that goes past usher.
    pub async fn sql(&self) -> AsyncPgConnection {
        cluster::connect(&self.database_url).await
    }

    /// The usher that has run for the shortest time.
    pub fn newest(&self) -> &Server {
        self.running.back().unwrap()
    }

    /// Starts another usher, with these flags, and as impatient as they leave it.
    pub async fn add(&mut self, flags: &[&str]) {
        let mut command = usher(&["--listen", "127.0.0.1:0", "--log", "warn"]);
        command
            .args(flags)
            .env("DATABASE_URL", &self.database_url)
            .env("USHER_JWT_SECRET", SECRET)
            .envs(HOSPITABLE);
        self.running.push_back(Server::start(command).await);
        self.tell_addresses();
    }

    fn tell_addresses(&self) {
        let addresses = self.running.iter().map(|server| server.url.clone());
        self.addresses.send_replace(addresses.collect());
    }

    /// Kills the usher that has run for the longest, and starts another patient one.
    pub async fn replace_oldest(&mut self) {
        let oldest = self.running.pop_front().unwrap();
        oldest.signal(Signal::SIGKILL);
        self.tell_addresses();
        let (code, _) = oldest.ended().await;
        assert_eq!(code, None, "it was killed");
        self.add(&PATIENT).await;
    }

    /// Stops PostgreSQL and starts it again, under everything that uses it.
    pub async fn restart(&mut self, how: Restart) {
        let down = SystemTime::now();
        let mut postgres = self.postgres.take().unwrap();
        match how {
            Restart::Fast => postgres.stop().await.unwrap(),
            Restart::Immediate => {
                kill(self.folder.postgres().unwrap(), Signal::SIGQUIT).unwrap();
                postgres.exited().await;
                drop(postgres);
            }
        }
        self.postgres = Some(EmbeddedPostgres::start(&self.options).await.unwrap());
        self.outages.push((down, SystemTime::now()));
    }

    /// Ends everything; whoever has survived must end well.
    pub async fn stop(mut self) {
        for server in self.running {
            server.stop().await;
        }
        self.postgres.take().unwrap().stop().await.unwrap();
    }
}
