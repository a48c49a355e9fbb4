//! Standard output that is closed or full: nothing panics over it, and the server
//! serves on.

use crate::support::program::{DataFolder, usher};
use crate::support::{House, PATIENCE, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::process::{Output, Stdio};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// Runs a command that prints to this; answers its exit code and what it complains of.
async fn run_into(output: Stdio, mut command: Command) -> (Option<i32>, String) {
    let child = command.stdout(output).stderr(Stdio::piped()).spawn();
    let ended = timeout(PATIENCE, child.unwrap().wait_with_output()).await;
    let Output { status, stderr, .. } = ended.expect("the command ends").unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = DataFolder::new();
    for arguments in [&["schema"][..], &["token", "--subject", "a"], &["--help"]] {
        let mut command = folder.usher(arguments);
        command.env("USHER_LOG", "warn");
        let answered = run_into(closed(), command).await;
        assert_eq!(answered, (Some(0), String::new()), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_answer_that_has_no_room_is_complained_of() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (code, complaint) = run_into(full.into(), usher(&["schema"])).await;
    assert_eq!(code, Some(1), "{complaint}");
    let expected = "usher: standard output cannot be written to: No space left";
    assert!(complaint.starts_with(expected), "{complaint}");
}

#[tokio::test]
async fn a_server_that_nobody_listens_to_serves() {
    let house = House::open().await;
    // The server cannot say which port it took. This address is nobody else's.
    let listener = TcpListener::bind("127.83.69.65:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut command = usher(&["--listen", &address, "--log", "debug"]);
    command
        .env("DATABASE_URL", &house.database_url)
        .stdout(closed())
        .stderr(closed());
    let mut server = command.spawn().unwrap();
    let health = format!("http://{address}/healthz");
    for _ in 0..2 {
        eventually("the server answers", async || {
            let answer = reqwest::get(&health).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }
    let process = Pid::from_raw(server.id().unwrap().try_into().unwrap());
    kill(process, Signal::SIGTERM).unwrap();
    let ended = timeout(PATIENCE, server.wait()).await;
    assert_eq!(ended.expect("usher stops").unwrap().code(), Some(0));
}
