//! A replica that is told to stop: it says so, serves on until nobody is sent there any
//! more, sends its watchers away, and ends.

use super::follower::Follower;
use super::load::SteadyLoad;
use super::{Deployment, SOCKETS};
use crate::support::checks::assert_sound;
use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::{House, PATIENCE, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any test.
const FOR_LONG: [&str; 2] = ["--drain-delay", "1h"];

/// A connection that is kept from one request to the next, and on which every byte is seen.
struct Kept {
    stream: TcpStream,
}

impl Kept {
    async fn to(server: &Server) -> Self {
        let address = server.url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream }
    }

    /// The answer to one more request, in lower case.
    async fn ask(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: usher\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // All answers here have a body of JSON, which is short.
        while !answer.ends_with(b"}") {
            let read = self.stream.read_buf(&mut answer);
            let read = timeout(PATIENCE, read).await.expect("an answer");
            assert_ne!(read.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
        }
        String::from_utf8(answer).unwrap().to_ascii_lowercase()
    }

    /// Waits until the server has closed it, without one more byte.
    async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let reading = self.stream.read_to_end(&mut rest);
        timeout(PATIENCE, reading).await.expect("an end").unwrap();
        assert_eq!(rest, b"");
    }
}

const SAYS_CLOSE: &str = "\r\nconnection: close\r\n";

#[tokio::test]
async fn a_server_that_drains_says_so_and_serves_on() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let mut server = Server::beside(&house, &FOR_LONG).await;
    let (visitor, mut peer) = (server.visitor(), Peer::ready(&server.url).await);
    let (mut kept, mut idle) = (Kept::to(&server).await, Kept::to(&server).await);
    for kept in [&mut kept, &mut idle] {
        let answer = kept.ask("/readyz").await;
        assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
        assert!(!answer.contains(SAYS_CLOSE), "{answer}");
    }

    server.signal(Signal::SIGTERM);
    server.logged(|line| line.contains("stopping")).await;
    let (code, status) = eventually("the server drains", async || {
        let answer = reqwest::get(format!("{}/readyz", server.url))
            .await
            .unwrap();
        let code = answer.status().as_u16();
        let status: Value = answer.json().await.unwrap();
        (code != 200).then_some((code, status))
    })
    .await;
    assert_eq!((code, status), (503, json!({"status": "draining"})));
    assert!((server.sample("usher_draining").await - 1.0).abs() < 0.1);

    // Everything else is as it was: requests, sockets that are open, and new ones.
    let held = visitor.hold(&event.id, &event.seats[..1]).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    peer.expect_alive().await;
    let mut late = Peer::ready(&server.url).await;
    late.subscribe(
        "1",
        &format!("mutation {}", holding(&event.seats[1].id, &event.id)),
    )
    .await;
    let held = late.next_of("1").await;
    assert_eq!(
        held["payload"]["data"]["holdSeats"]["__typename"], "SeatsHeld",
        "{held}"
    );
    assert!((server.sample(SOCKETS).await - 2.0).abs() < 0.1);
    // But whoever keeps a connection is told to make another one, elsewhere.
    let answer = kept.ask("/healthz").await;
    assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    assert!(answer.contains(SAYS_CLOSE), "{answer}");
    kept.is_closed().await;

    // A second signal ends the waiting. A connection on which nothing was asked since
    // ends without a word: that is what the others were told for.
    server.signal(Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    assert!(
        log.iter().any(|line| line.contains("once more")),
        "{log:#?}"
    );
    idle.is_closed().await;
}

/// The rest of a mutation that holds a seat which nobody has had yet.
fn holding(seat: &str, event: &str) -> String {
    format!(
        "{{ holdSeats(input: {{eventId: {event:?}, seats: [{{seatId: {seat:?}, version: 1}}]}}) \
           {{ __typename }} }}"
    )
}

/// What the delay is for, seen without it.
#[tokio::test]
async fn without_a_delay_a_kept_connection_ends_without_a_word() {
    let house = House::open().await;
    let server = Server::beside(&house, &[]).await;
    let mut kept = Kept::to(&server).await;
    let answer = kept.ask("/healthz").await;
    assert!(!answer.contains(SAYS_CLOSE), "{answer}");
    server.stop().await;
    kept.is_closed().await;
}

#[tokio::test]
async fn a_replica_is_drained_without_one_failed_mutation() {
    // What is said in the file for HAProxy, and a word for each socket that is closed.
    let flags = ["--drain-delay", "6s", "--log", "usher=debug"];
    let mut deployment = Deployment::open(60, &flags).await;
    let url = deployment.proxy.url.clone();
    let mut followers = Vec::new();
    for _ in 0..6 {
        followers.push(Follower::new(&url, &deployment.event.id).await);
    }
    let load = SteadyLoad::start(&url, &deployment.event, 4);
    eventually("they are busy", async || (load.held() >= 60).then_some(())).await;
    let leaving = &mut deployment.servers[0];
    let watched = leaving.sample(SOCKETS).await;
    assert!((watched - 2.0).abs() < 0.1, "{watched} are there to go");

    leaving.signal(Signal::SIGTERM);
    assert_eq!(leaving.exit_code().await, Some(0), "{:#?}", leaving.log());
    let held = load.held();
    eventually("they are busy as before", async || {
        (load.held() >= held + 60).then_some(())
    })
    .await;
    let failures = load.stop().await;
    assert_eq!(failures, [] as [String; 0], "{:#?}", deployment.proxy.log());

    let truth = deployment.truth().await;
    let mut sent_away = 0;
    for follower in &followers {
        follower.has_seen(&truth).await;
        let seen = follower.seen();
        assert_eq!(seen.snapshots, 1, "the cursor was good: {:?}", seen.endings);
        let going_away = seen.endings.iter().all(|code| *code == Some(1001));
        assert!(going_away, "{:?}", seen.endings);
        sent_away += usize::from(!seen.endings.is_empty());
    }
    assert_eq!(sent_away, 2, "only those of the one that stopped");
    assert_sound(&deployment.house).await;

    let log = deployment.servers[0].log();
    let place = |what: &[&str]| {
        let line = |line: &String| what.iter().all(|part| line.contains(part));
        log.iter()
            .position(line)
            .unwrap_or_else(|| panic!("{what:?}: {log:#?}"))
    };
    let told = place(&["/readyz", "503"]);
    assert!(told < place(&["a WebSocket ends", "ShuttingDown"]));
}
