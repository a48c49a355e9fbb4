//! Redis is lost, slow or empty: usher goes on, says so once, and comes back by itself.

use super::{Scene, assert_outcomes};
use crate::support::program::{Server, run, usher};
use crate::support::{House, eventually};
use std::time::{Duration, Instant};

const AWAY: &str = "Redis is away";
const BACK: &str = "Redis is back";

fn said(server: &Server, what: &str) -> usize {
    let log = server.log();
    log.iter().filter(|line| line.contains(what)).count()
}

async fn is_up(server: &Server) -> bool {
    server.sample("usher_redis_up").await > 0.5
}

/// A second event, whose map nobody has asked for.
async fn another_event(scene: &mut Scene) {
    scene.event = scene.house.event(2, 10).await;
}

/// Every seat of the newest event as this server shows it must be available.
async fn shows_a_fresh_event(scene: &mut Scene, server: &Server) {
    another_event(scene).await;
    let shown = scene.shown(server).await;
    assert_eq!(shown, vec![(1, "AVAILABLE".to_owned()); 20]);
}

#[tokio::test]
async fn an_empty_redis_is_filled() {
    let scene = Scene::with_a_warm_map().await;
    scene.redis.flush().await;
    scene.house.block("seat_no < 5").await;
    let cold = scene.replica().await;
    scene.shows_the_truth(&cold).await;
    assert_outcomes(&cold, &[("miss", 1.0)]).await;
    let (key, stored) = scene.stored().await;
    assert_eq!(stored.states[4].0, 2);
    // Emptied again, while somebody has the map: it comes back with the next change.
    scene.redis.flush().await;
    scene.house.block("seat_no = 7").await;
    eventually("the map is stored again", async || {
        (scene.redis.keys().await == [key.clone()]).then_some(())
    })
    .await;
    assert_eq!(said(&cold, AWAY), 0);
    cold.stop().await;
}

#[tokio::test]
async fn a_stopped_redis_is_done_without_and_comes_back() {
    let mut scene = Scene::with_a_warm_map().await;
    let mut server = scene.replica().await;
    scene.shows_the_truth(&server).await;
    assert_outcomes(&server, &[("hit", 1.0)]).await;
    scene.redis.stop().await;
    for _ in 0..5 {
        shows_a_fresh_event(&mut scene, &server).await;
    }
    assert_outcomes(&server, &[("hit", 1.0), ("failed", 5.0)]).await;
    assert!(!is_up(&server).await);
    assert_eq!(said(&server, AWAY), 1, "{:#?}", server.log());
    scene.redis.start_again().await;
    server.logged(|line| line.contains(BACK)).await;
    assert!(is_up(&server).await);
    shows_a_fresh_event(&mut scene, &server).await;
    assert_outcomes(&server, &[("hit", 1.0), ("failed", 5.0), ("miss", 1.0)]).await;
    scene.is_stored().await;
    assert_eq!((said(&server, AWAY), said(&server, BACK)), (1, 1));
    server.stop().await;
}

/// The worst of it: connections are open and accepted, and nothing is answered.
#[tokio::test]
async fn a_paused_redis_costs_one_time_limit_and_comes_back() {
    let mut scene = Scene::with_a_warm_map().await;
    let mut server = scene.replica_with(&["--redis-timeout", "2s"]).await;
    assert!(is_up(&server).await);
    scene.redis.pause();
    let began = Instant::now();
    shows_a_fresh_event(&mut scene, &server).await;
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "it was waited for"
    );
    // From then on nobody waits, however many ask.
    assert_eq!(said(&server, AWAY), 1, "{:#?}", server.log());
    for _ in 0..5 {
        shows_a_fresh_event(&mut scene, &server).await;
    }
    assert_outcomes(&server, &[("failed", 6.0)]).await;
    assert_eq!(said(&server, AWAY), 1, "{:#?}", server.log());
    scene.redis.go_on();
    server.logged(|line| line.contains(BACK)).await;
    shows_a_fresh_event(&mut scene, &server).await;
    assert_outcomes(&server, &[("failed", 6.0), ("miss", 1.0)]).await;
    assert_eq!((said(&server, AWAY), said(&server, BACK)), (1, 1));
    server.stop().await;
}

/// Many are waiting for it when it is lost: one of them says so.
#[tokio::test]
async fn an_outage_is_said_once_by_all_who_notice() {
    let mut scene = Scene::new().await;
    let server = scene.replica_with(&["--redis-timeout", "1s"]).await;
    let mut events = Vec::new();
    for _ in 0..10 {
        another_event(&mut scene).await;
        events.push(scene.event.id.clone());
    }
    scene.redis.pause();
    let visitor = server.visitor();
    let asked = events.iter().map(|event| visitor.seat_map(event));
    for map in futures_util::future::join_all(asked).await {
        assert_eq!(map["seats"].as_array().unwrap().len(), 20);
    }
    assert_outcomes(&server, &[("failed", 10.0)]).await;
    assert_eq!(said(&server, AWAY), 1, "{:#?}", server.log());
    scene.redis.go_on();
    server.stop().await;
}

#[tokio::test]
async fn a_redis_that_is_not_there_at_the_start_is_used_when_it_is() {
    let mut scene = Scene::new().await;
    scene.redis.stop().await;
    let mut server = scene.replica().await;
    scene.shows_the_truth(&server).await;
    assert_eq!(said(&server, AWAY), 1, "{:#?}", server.log());
    scene.redis.start_again().await;
    server.logged(|line| line.contains(BACK)).await;
    scene.is_stored().await;
    server.stop().await;
}

#[tokio::test]
async fn a_url_that_names_no_redis_is_an_error_at_the_start() {
    let house = House::open().await;
    for (url, reason) in [
        ("hunter2", "REDIS_URL cannot be read"),
        ("postgres://hunter2@localhost/0", "REDIS_URL cannot be read"),
        ("rediss://hunter2@localhost#insecure", "always verified"),
    ] {
        let mut command = usher(&["--listen", "127.0.0.1:0"]);
        command
            .env("DATABASE_URL", &house.database_url)
            .env("REDIS_URL", url);
        let answered = run(command).await;
        let complaint = answered.complaint();
        assert!(complaint.contains(reason), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
    let server = Server::beside_with(&house, &[], &[("REDIS_URL", "")]).await;
    assert_eq!(said(&server, "Redis"), 0, "an empty one names none");
    server.stop().await;
}
