//! The real HAProxy with the configuration that is shipped, before real servers.

use crate::support::eventually;
use crate::support::program::{Lines, Server, follow};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use tokio::process::{Child, Command};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/haproxy.cfg");

/// A running HAProxy. It ends with this.
pub struct Proxy {
    pub url: String,
    log: Lines,
    _process: Child,
}

impl Proxy {
    /// Starts one before these servers, and waits until it answers.
    pub async fn before(servers: &[Server; 3]) -> Self {
        // Nobody else can have the port: the socket itself is handed over, in the place
        // of the standard input.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Debian keeps it where only root looks.
        let path = format!(
            "{}:/usr/sbin:/usr/local/sbin",
            std::env::var("PATH").unwrap()
        );
        let mut command = Command::new("haproxy");
        command
            .args(["-db", "-f", CONFIGURATION])
            .env_clear()
            .env("PATH", path)
            .env("USHER_FRONT", "fd@0")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (number, server) in (1..).zip(servers) {
            let address = server.url.strip_prefix("http://").unwrap();
            command.env(format!("USHER_SERVER_{number}"), address);
        }
        let mut process = command
            .spawn()
            .expect("script/bootstrap --test installs HAProxy");
        let log = follow(process.stdout.take().unwrap());
        // The same once more, and why it does not start.
        let errors = follow(process.stderr.take().unwrap());
        eventually("the proxy answers", async || {
            let ended = process.try_wait().unwrap();
            assert_eq!(ended, None, "{:#?}", errors.borrow().0);
            let answer = reqwest::get(format!("{url}/readyz")).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        Self {
            url,
            log,
            _process: process,
        }
    }

    /// What it has logged up to now: a line for each request, and what it thinks of
    /// the servers.
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().0.clone()
    }
}
