//! A replica that is killed while people buy.

use super::follower::Follower;
use super::load::StubbornLoad;
use super::{Deployment, SOCKETS};
use crate::support::checks::assert_sound;
use crate::support::eventually;
use nix::sys::signal::Signal;

#[tokio::test]
async fn the_watchers_of_a_killed_replica_go_on_at_another_and_miss_nothing() {
    let deployment = Deployment::open(4, &[]).await;
    let url = deployment.proxy.url.clone();
    let mut followers = Vec::new();
    for _ in 0..6 {
        followers.push(Follower::new(&url, &deployment.event.id).await);
    }
    let load = StubbornLoad::start(&url, &deployment.event, 3);
    eventually("they are busy", async || (load.done() >= 60).then_some(())).await;
    let watched = deployment.servers[0].sample(SOCKETS).await;
    assert!((watched - 2.0).abs() < 0.1, "{watched} are there to be cut");

    deployment.servers[0].signal(Signal::SIGKILL);
    eventually("they are busy again", async || {
        (load.done() >= 120).then_some(())
    })
    .await;
    let asked_again = load.end().await;
    println!("asked again: {asked_again:#?}");

    let truth = deployment.truth().await;
    // Held and released, each exactly once, whatever had to be asked again.
    assert!(
        truth
            .values()
            .all(|seat| *seat == (3, "AVAILABLE".to_owned()))
    );
    let mut cut = 0;
    for follower in &followers {
        follower.has_seen(&truth).await;
        let seen = follower.seen();
        assert_eq!(seen.snapshots, 1, "the cursor was good: {:?}", seen.endings);
        assert!(
            seen.endings.iter().all(Option::is_none),
            "{:?}",
            seen.endings
        );
        cut += usize::from(!seen.endings.is_empty());
    }
    assert_eq!(cut, 2, "only those of the killed one were cut");
    assert_sound(&deployment.house).await;
}
