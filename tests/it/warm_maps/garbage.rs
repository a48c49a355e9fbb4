//! Whatever stands where a map should be: nobody is shown it.

use super::stored::Stored;
use super::{Scene, assert_outcomes};
use crate::support::eventually;
use crate::support::program::Server;

const WARNING: &str = "something else where a warm map should be";

/// Puts this in the place of the map; a cold process must refuse it.
async fn is_refused(scene: &Scene, key: &str, what: &str, bytes: &[u8]) {
    scene.redis.set(key, bytes).await;
    let cold = scene.replica().await;
    assert_eq!(scene.shown(&cold).await, scene.truth().await, "{what}");
    assert_outcomes(&cold, &[("invalid", 1.0)]).await;
    assert_eq!(warnings(&cold), 1, "{what}");
    cold.stop().await;
}

fn warnings(server: &Server) -> usize {
    let log = server.log();
    log.iter().filter(|line| line.contains(WARNING)).count()
}

#[tokio::test]
async fn bytes_that_are_no_map_are_refused() {
    let scene = Scene::with_a_warm_map().await;
    let (key, stored) = scene.stored().await;
    let marked = stored.with_a_mark().to_bytes();
    let mut flipped = marked.clone();
    flipped[60] ^= 1;
    let random: Vec<u8> = (0..marked.len())
        .map(|place| u8::try_from(place * 7_919 % 251).unwrap())
        .collect();
    for (what, bytes) in [
        ("random bytes", &random[..]),
        ("one byte", b"x"),
        ("a truncated value", &marked[..marked.len() - 1]),
        ("a half", &marked[..marked.len() / 2]),
        ("two of them", &marked.repeat(2)),
        ("a flipped bit", &flipped),
    ] {
        is_refused(&scene, &key, what, bytes).await;
    }
}

#[tokio::test]
async fn maps_of_something_else_are_refused() {
    let scene = Scene::with_a_warm_map().await;
    let (key, stored) = scene.stored().await;
    let marked = stored.with_a_mark();
    let mut shorter = marked.clone();
    shorter.states.pop();
    let mut longer = marked.clone();
    longer.states.push((1, 0));
    for (what, map) in [
        (
            "another epoch",
            Stored {
                epoch: marked.epoch ^ 1,
                ..marked.clone()
            },
        ),
        (
            "another event",
            Stored {
                event: marked.event + 1,
                ..marked.clone()
            },
        ),
        (
            "another format",
            Stored {
                format: 2,
                ..marked.clone()
            },
        ),
        ("a wrong length, and not said", shorter.clone()),
        (
            "a seat too few",
            Stored {
                seats: marked.seats - 1,
                ..shorter
            },
        ),
        (
            "a seat too many",
            Stored {
                seats: marked.seats + 1,
                ..longer
            },
        ),
        (
            "no seat at all",
            Stored {
                seats: 0,
                states: Vec::new(),
                ..marked.clone()
            },
        ),
        (
            "a position of the future",
            Stored {
                transaction: u64::MAX >> 1,
                ..marked.clone()
            },
        ),
    ] {
        is_refused(&scene, &key, what, &map.to_bytes()).await;
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_refused_and_put_right() {
    let scene = Scene::with_a_warm_map().await;
    let (key, _) = scene.stored().await;
    scene.redis.flush().await;
    let mut list = redis::cmd("RPUSH");
    scene.redis.ask::<()>(list.arg(&key).arg("x")).await;
    let cold = scene.replica().await;
    scene.shows_the_truth(&cold).await;
    assert_outcomes(&cold, &[("invalid", 1.0)]).await;
    eventually("a map is stored in its place", async || {
        let kind: String = scene.redis.ask(redis::cmd("TYPE").arg(&key)).await;
        (kind == "string").then_some(())
    })
    .await;
    // Redis itself was there all the time.
    assert!((cold.sample("usher_redis_up").await - 1.0).abs() < 0.5);
    cold.stop().await;
}

/// Larger than any map of as many seats as a process may keep: not even read whole.
#[tokio::test]
async fn a_value_of_a_hundred_megabytes_is_refused() {
    let scene = Scene::with_a_warm_map().await;
    let (key, _) = scene.stored().await;
    let mut huge = redis::cmd("SETRANGE");
    scene
        .redis
        .ask::<i64>(huge.arg(&key).arg(100_000_000).arg("x"))
        .await;
    let flags = ["--live-map-seats", "1000"];
    let cold = scene.replica_with(&flags).await;
    scene.shows_the_truth(&cold).await;
    assert_outcomes(&cold, &[("invalid", 1.0)]).await;
    cold.stop().await;
}

#[tokio::test]
async fn a_redis_that_stores_nothing_more_is_said_once_and_read_from() {
    let scene = Scene::with_a_warm_map().await;
    let mut full = redis::cmd("CONFIG");
    full.arg("SET").arg("maxmemory").arg(1);
    scene.redis.ask::<()>(&full).await;
    let mut cold = scene.replica().await;
    scene.shows_the_truth(&cold).await;
    assert_outcomes(&cold, &[("hit", 1.0)]).await;
    scene.house.block("seat_no < 5").await;
    cold.logged(|line| line.contains("Redis does not store warm maps"))
        .await;
    let mut room = redis::cmd("CONFIG");
    room.arg("SET").arg("maxmemory").arg(0);
    scene.redis.ask::<()>(&room).await;
    eventually("the newer map is stored", async || {
        (scene.stored().await.1.states[3].0 == 2).then_some(())
    })
    .await;
    let said = cold.log();
    let said = said.iter().filter(|line| line.contains("does not store"));
    assert_eq!(said.count(), 1);
    cold.stop().await;
}
