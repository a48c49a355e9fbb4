//! How usher ends: asked to, and killed. PostgreSQL ends with it, what runs is
//! finished, and the next start finds what was committed.

use super::folder::{expect_still_held, first_event, hold_first_seat};
use crate::support::checks;
use crate::support::lock::Lock;
use crate::support::program::{DataFolder, Server};
use crate::support::{Answer, eventually};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A seat that is locked for as long as a slow machine needs.
const PATIENT: [&str; 4] = ["--lock-timeout", "1m", "--statement-timeout", "1m"];

/// A seat that is locked, and a hold that is in the middle of its work because it
/// wants that seat.
async fn hold_that_waits(folder: &DataFolder, server: &Server) -> (Lock, JoinHandle<Answer>) {
    let mut seat = Lock::on_first_seat(&folder.database_url().await).await;
    let visitor = server.visitor();
    let event = first_event(&visitor).await;
    let seats = visitor.seats(&event).await;
    let holding = tokio::spawn(async move { visitor.hold(&event, &seats[..1]).await });
    seat.is_wanted_by(1).await;
    (seat, holding)
}

#[tokio::test]
async fn a_signal_stops_usher_and_its_postgresql() {
    let folder = DataFolder::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let server = folder.serve(&["--no-demo"]).await;
        let url = server.url.clone();
        let postgres = folder.postgres().expect("PostgreSQL runs");
        server.signal(signal);
        let (code, log) = server.ended().await;
        assert_eq!(code, Some(0), "{log:#?}");
        assert!(
            log.iter()
                .any(|line| line.contains("stopping") && line.contains(signal.as_str())),
            "{log:#?}"
        );
        assert!(!folder.is_postgres(postgres));
        assert_eq!(folder.postgres(), None);
        assert!(reqwest::get(url).await.is_err());
    }
}

#[tokio::test]
async fn a_signal_while_usher_starts_leaves_nothing_behind() {
    let folder = DataFolder::new();
    let mut command = folder.usher(&["--listen", "127.0.0.1:0"]);
    command.arg("--no-demo");
    let mut server = Server::spawn(command);
    server
        .logged(|line| line.contains("making usher's own PostgreSQL"))
        .await;
    server.signal(Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    assert_eq!(folder.postgres(), None);
}

#[tokio::test]
async fn a_request_that_runs_is_finished_first() {
    let folder = DataFolder::new();
    let mut server = folder.serve(&PATIENT).await;
    let (seat, holding) = hold_that_waits(&folder, &server).await;

    server.signal(Signal::SIGTERM);
    server.logged(|line| line.contains("stopping")).await;
    assert!(!holding.is_finished());
    seat.let_go().await;
    let answer = holding.await.unwrap();
    assert_eq!(answer.data()["__typename"], "SeatsHeld");
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("cut off")), "{log:#?}");

    let token = answer.data()["token"].as_str().unwrap();
    let server = folder.serve(&[]).await;
    expect_still_held(&server, token).await;
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_runs_for_too_long_is_cut_off() {
    let folder = DataFolder::new();
    let flags = [&PATIENT[..], &["--shutdown-timeout", "100ms"]].concat();
    let mut server = folder.serve(&flags).await;
    let (_seat, holding) = hold_that_waits(&folder, &server).await;
    server.signal(Signal::SIGTERM);
    server.logged(|line| line.contains("cut off")).await;
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    assert_eq!(folder.postgres(), None);
    // The client may learn that it was in vain, or nothing; or that it was done, when the seat
    // was free for a moment because whoever had locked it was cut off first.
    let Ok(answer) = holding.await else {
        return;
    };
    if answer.0["data"]["__typename"] != "SeatsHeld" {
        assert_eq!(answer.error_code(), "UNAVAILABLE");
        return;
    }
    let server = folder.serve(&PATIENT).await;
    let first_seat = "seats WHERE event_id = 1 AND seat_no = 0 AND status = 'HELD'";
    assert_eq!(checks::count(&mut folder.sql().await, first_seat).await, 1);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended().await.0, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_the_waiting() {
    let folder = DataFolder::new();
    let flags = [&PATIENT[..], &["--shutdown-timeout", "1h"]].concat();
    let mut server = folder.serve(&flags).await;
    let (_seat, holding) = hold_that_waits(&folder, &server).await;
    server.signal(Signal::SIGTERM);
    server.logged(|line| line.contains("stopping")).await;
    assert!(!holding.is_finished());
    server.signal(Signal::SIGINT);
    server
        .logged(|line| line.contains("once more") && line.contains("SIGINT"))
        .await;
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    assert_eq!(folder.postgres(), None);
    holding.abort();
}

/// A query that doubles what is to be done with each of its fragments.
fn bomb() -> String {
    let mut query = "{ ...f0 }".to_owned();
    for number in 0..30 {
        let next = number + 1;
        write!(
            query,
            " fragment f{number} on Query {{ ...f{next} ...f{next} }}"
        )
        .unwrap();
    }
    query + " fragment f30 on Query { __typename }"
}

#[tokio::test]
async fn usher_ends_also_when_every_worker_is_busy_for_ever() {
    let folder = DataFolder::new();
    let mut command = folder.usher(&["--no-demo", "--shutdown-timeout", "100ms"]);
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("TOKIO_WORKER_THREADS", "1");
    let server = Server::start(command).await;
    let query = reqwest::Client::new()
        .post(format!("{}/graphql", server.url))
        .json(&json!({"query": bomb()}));
    let asking = tokio::spawn(query.send());
    // If the query should be refused, then it is a server like any other.
    let health = format!("{}/healthz", server.url);
    eventually("the worker is busy", async || {
        let answer = timeout(Duration::from_secs(1), reqwest::get(&health)).await;
        (answer.is_err() || asking.is_finished()).then_some(())
    })
    .await;
    server.signal(Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    assert_eq!(folder.postgres(), None);
    asking.abort();
}

#[tokio::test]
async fn after_a_kill_the_next_start_recovers() {
    let folder = DataFolder::new();
    let server = folder.serve(&[]).await;
    let held = hold_first_seat(&server).await;
    let orphan = folder.postgres().expect("PostgreSQL runs");
    server.signal(Signal::SIGKILL);
    let (code, _) = server.ended().await;
    assert_eq!(code, None, "no exit code: it was killed");

    let server = folder.serve(&[]).await;
    assert!(!folder.is_postgres(orphan), "the orphan has been stopped");
    assert_ne!(folder.postgres(), None);
    expect_still_held(&server, &held).await;
    server.stop().await;
}

#[tokio::test]
async fn usher_ends_when_its_postgresql_does() {
    let folder = DataFolder::new();
    let server = folder.serve(&["--no-demo"]).await;
    let postgres = folder.postgres().expect("PostgreSQL runs");
    nix::sys::signal::kill(postgres, Signal::SIGQUIT).unwrap();
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(1), "{log:#?}");
    let last = log.last().unwrap();
    let expected = "usher: PostgreSQL ended by itself";
    assert!(last.starts_with(expected), "{log:#?}");
    let is_said_at_once = |line: &String| line.contains("ERROR stopping");
    assert!(log.iter().any(is_said_at_once), "{log:#?}");
}
