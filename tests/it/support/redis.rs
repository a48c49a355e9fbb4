//! A real Redis on a socket of its own, which can be stopped, paused and filled.

use crate::support::eventually;
use crate::support::program::{Lines, follow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, FromRedisValue};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running Redis. It ends with this, also when it is paused.
pub struct Redis {
    pub url: String,
    folder: TempDir,
    process: Child,
    log: Lines,
}

impl Redis {
    /// An empty one.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("usher-redis-")
            .tempdir()
            .unwrap();
        let url = format!("unix://{}/redis.sock", folder.path().display());
        let (process, log) = spawn(&folder);
        let mut redis = Self {
            url,
            folder,
            process,
            log,
        };
        redis.is_ready().await;
        redis
    }

    /// Ends it as service managers do. What was in it is lost.
    pub async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        self.process.wait().await.unwrap();
    }

    /// Starts it once more, where it was.
    pub async fn start_again(&mut self) {
        (self.process, self.log) = spawn(&self.folder);
        self.is_ready().await;
    }

    /// Keeps it from answering: its connections stay open.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it answers.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let mut connection = self.connect().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    /// Every key in it.
    pub async fn keys(&self) -> Vec<String> {
        self.ask(redis::cmd("KEYS").arg("*")).await
    }

    pub async fn get(&self, key: &str) -> Vec<u8> {
        self.ask(redis::cmd("GET").arg(key)).await
    }

    pub async fn set(&self, key: &str, value: &[u8]) {
        self.ask::<()>(redis::cmd("SET").arg(key).arg(value)).await;
    }

    /// Empties it.
    pub async fn flush(&self) {
        self.ask::<()>(&redis::cmd("FLUSHALL")).await;
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let client = Client::open(self.url.as_str())?;
        client.get_multiplexed_async_connection().await
    }

    async fn is_ready(&mut self) {
        eventually("Redis answers", async || {
            let ended = self.process.try_wait().unwrap();
            assert_eq!(ended, None, "{:#?}", self.log.borrow().0);
            let mut connection = self.connect().await.ok()?;
            redis::cmd("PING").exec_async(&mut connection).await.ok()
        })
        .await;
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.id().unwrap().try_into().unwrap();
        kill(Pid::from_raw(process), signal).unwrap();
    }
}

fn spawn(folder: &TempDir) -> (Child, Lines) {
    let mut process = Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
        .args(["--appendonly", "no", "--daemonize", "no"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("script/bootstrap --test installs Redis");
    let log = follow(process.stdout.take().unwrap());
    (process, log)
}
