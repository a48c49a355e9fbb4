//! The server under load: the usher program on a data folder of its own.

use crate::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_postgres::NoTls;

/// For loads that all come from one address, where nobody is to be turned away.
const UNLIMITED: [(&str, &str); 10] = [
    ("USHER_RATE_READS", "off"),
    ("USHER_RATE_WRITES", "off"),
    ("USHER_RATE_SOCKETS", "off"),
    ("USHER_SOCKETS_PER_ADDRESS", "1000000"),
    ("USHER_MAX_SOCKETS", "1000000"),
    ("USHER_SUBSCRIPTIONS_PER_CALLER", "1000000"),
    ("USHER_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("USHER_RATE_SOCKET_MESSAGES", "off"),
    ("USHER_RATE_MESSAGES", "off"),
    ("USHER_DATABASE_QUEUE", "100000"),
];

pub struct Server {
    process: Child,
    folder: TempDir,
    pub address: String,
}

impl Server {
    /// An usher on a fresh data folder, with these flags.
    pub async fn start(flags: &[&str]) -> Outcome<Self> {
        Self::launch(None, flags, &UNLIMITED).await
    }

    /// An usher as strangers meet it: with all its limits.
    pub async fn start_limited(flags: &[&str]) -> Outcome<Self> {
        Self::launch(None, flags, &[]).await
    }

    /// Another usher on the same database.
    pub async fn beside(&self) -> Outcome<Self> {
        self.beside_with(&[]).await
    }

    /// Another usher on the same database, with these flags.
    pub async fn beside_with(&self, flags: &[&str]) -> Outcome<Self> {
        Self::launch(Some(self.database_url()), flags, &UNLIMITED).await
    }

    async fn launch(
        database_url: Option<String>,
        flags: &[&str],
        limits: &[(&str, &str)],
    ) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("usher-bench-").tempdir()?;
        // PostgreSQL runs as another user when the bench runs as root.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            // The security log has a file.
            .args(["--log", "warn,usher::security=off"])
            .args(flags)
            .env_remove("DATABASE_URL")
            .env("USHER_SECURITY_LOG", folder.path().join("security.log"))
            // With a key it would make no token for staff.
            .env_remove("USHER_JWT_SECRET")
            .env_remove("USHER_JWT_SECRET_FILE")
            .env_remove("USHER_JWT_KEYS")
            // As the private database has it.
            .env("USHER_VISITORS", "buy")
            .envs(limits.iter().copied())
            .stdout(Stdio::piped());
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or("the server has no output")?;
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some((_, address)) = line.split_once("Start here       http://") {
                let address = address.trim_end_matches('/').to_owned();
                // Read on, so that the server never waits for a reader.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Self {
                    process,
                    folder,
                    address,
                });
            }
        }
        Err("the server ended before it was ready".into())
    }

    /// The folder of PostgreSQL's socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn database_url(&self) -> String {
        let folder = self.socket_folder();
        format!("postgresql://usher@/usher?host={}", folder.display())
    }

    /// A connection to its database, past usher.
    pub async fn sql(&self) -> Outcome<tokio_postgres::Client> {
        let (client, connection) = tokio_postgres::connect(&self.database_url(), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The number of usher's process.
    pub fn process(&self) -> Outcome<u32> {
        Ok(self.process.id().ok_or("the server has ended")?)
    }

    /// The number of its PostgreSQL's first process, whose children do the work.
    pub fn postgres(&self) -> Outcome<u32> {
        let record = self.folder.path().join("postgres/postmaster.pid");
        let text = std::fs::read_to_string(record)?;
        Ok(text.lines().next().unwrap_or_default().parse()?)
    }

    /// Resident memory of usher itself, in MiB.
    pub fn memory(&self) -> Outcome<f64> {
        let id = self.process()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .ok_or("no VmRSS")?;
        let kib = line.split_whitespace().nth(1).ok_or("no VmRSS")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    /// Sends an operation as staff; answers its data.
    pub async fn staff(&self, query: &str, variables: Value) -> Outcome<Value> {
        let token = std::fs::read_to_string(self.folder.path().join("staff-token"))?;
        let answer: Value = reqwest::Client::new()
            .post(format!("http://{}/graphql", self.address))
            .bearer_auth(token.trim())
            .json(&json!({"query": query, "variables": variables}))
            .send()
            .await?
            .json()
            .await?;
        match answer.get("errors") {
            None => Ok(answer["data"].clone()),
            Some(errors) => Err(format!("staff was refused: {errors}").into()),
        }
    }

    /// A token that this server believes, of a buyer.
    pub async fn token(&self, subject: &str) -> Outcome<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_usher"))
            .args(["token", "--subject", subject, "--data-dir"])
            .arg(self.folder.path())
            .env_remove("DATABASE_URL")
            // It signs with the key of the server's folder.
            .env_remove("USHER_JWT_SECRET")
            .env_remove("USHER_JWT_SECRET_FILE")
            .env_remove("USHER_JWT_KEYS")
            .output()
            .await?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Ends the server and its PostgreSQL, and waits until they have.
    pub async fn stop(mut self) -> Outcome<()> {
        self.terminate();
        self.process.wait().await?;
        Ok(())
    }

    /// Asks it to end: killed, it would leave its PostgreSQL behind.
    fn terminate(&self) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.map(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill(id, Signal::SIGTERM);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.terminate();
    }
}
