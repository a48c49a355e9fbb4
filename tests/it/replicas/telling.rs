//! What one replica does the others' watchers see.

use super::follower::Follower;
use super::{Deployment, SOCKETS};
use crate::support::actor::Actor;
use crate::support::event_stream::{EventStream, watching};
use uuid::Uuid;

#[tokio::test]
async fn what_one_replica_does_the_watchers_of_all_others_see() {
    let deployment = Deployment::open(1, &[]).await;
    let Deployment { event, proxy, .. } = &deployment;
    let mut followers = Vec::new();
    for _ in &deployment.servers {
        followers.push(Follower::new(&proxy.url, &event.id).await);
    }
    // The fewest connections, and then turns: each has one watcher and one hold.
    let visitor = Actor::new(&proxy.url, None);
    for seat in &event.seats[..3] {
        let held = visitor.hold(&event.id, std::slice::from_ref(seat)).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld", "{}", held.0);
    }
    for server in &deployment.servers {
        let held = "usher_holds_total{outcome=\"held\"}";
        for (sample, expected) in [(SOCKETS, 1.0), (held, 1.0)] {
            let found = server.sample(sample).await;
            assert!((found - expected).abs() < 0.1, "{sample} is {found}");
        }
    }
    let truth = deployment.truth().await;
    assert_eq!(
        truth.values().filter(|(version, _)| *version == 2).count(),
        3
    );
    for follower in &followers {
        follower.has_seen(&truth).await;
    }
}

#[tokio::test]
async fn an_event_stream_comes_through_the_proxy_as_it_happens() {
    let deployment = Deployment::open(1, &[]).await;
    let Deployment { event, proxy, .. } = &deployment;
    let mut stream = EventStream::open(&proxy.url, &watching(event)).await;
    let snapshot = stream.next().await;
    assert_eq!(snapshot["data"]["seatMap"]["__typename"], "SeatMapSnapshot");
    let visitor = Actor::new(&proxy.url, None);
    visitor.hold(&event.id, &event.seats[..1]).await.data();
    let delta = stream.next().await;
    let change = &delta["data"]["seatMap"]["changes"][0];
    assert_eq!(change["seatId"], event.seats[0].id, "{delta}");
}

#[tokio::test]
async fn an_id_is_the_proxy_s_and_metrics_do_not_come_through_it() {
    let deployment = Deployment::open(1, &["--trusted-proxies", "127.0.0.1"]).await;
    let [server, ..] = &deployment.servers;
    let client = reqwest::Client::new();
    let chosen = "of-the-client-7";
    let id_of = async |url: &str| {
        let request = client.get(format!("{url}/healthz"));
        let answer = request.header("x-request-id", chosen).send().await;
        let id = answer.unwrap().headers()["x-request-id"].clone();
        id.to_str().unwrap().to_owned()
    };
    // The server would take it from a proxy; what a client sends the proxy does not pass on.
    assert_eq!(id_of(&server.url).await, chosen);
    assert!(Uuid::try_parse(&id_of(&deployment.proxy.url).await).is_ok());
    // Each server's figures are its own: behind the proxy they would be of one by chance.
    assert!(server.sample("usher_draining").await < 0.1);
    let metrics = reqwest::get(format!("{}/metrics", deployment.proxy.url)).await;
    assert_eq!(metrics.unwrap().status(), 404);
}
