//! A Redis for a run, on a socket of its own.

use crate::Outcome;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, Client};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A running Redis. It ends with this.
pub struct Redis {
    pub url: String,
    connection: MultiplexedConnection,
    _process: Child,
    _folder: TempDir,
}

impl Redis {
    pub async fn start() -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("usher-bench-").tempdir()?;
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let url = format!("unix://{}/redis.sock", folder.path().display());
        let client = Client::open(url.as_str())?;
        loop {
            if let Ok(connection) = client.get_multiplexed_async_connection().await {
                return Ok(Self {
                    url,
                    connection,
                    _process: process,
                    _folder: folder,
                });
            }
            if process.try_wait()?.is_some() {
                return Err("Redis ended before it was ready".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// All that is in it.
    pub async fn values(&self) -> Outcome<Vec<(String, Vec<u8>)>> {
        let mut connection = self.connection.clone();
        let keys: Vec<String> = connection.keys("*").await?;
        let mut values = Vec::new();
        for key in keys {
            let value = connection.get(&key).await?;
            values.push((key, value));
        }
        Ok(values)
    }

    /// Puts back what was in it.
    pub async fn put(&self, values: &[(String, Vec<u8>)]) -> Outcome<()> {
        let mut connection = self.connection.clone();
        for (key, value) in values {
            let () = connection.set(key, value).await?;
        }
        Ok(())
    }
}
