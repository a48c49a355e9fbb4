//! More is asked for than can be done: some wait, in order, and all others are told at once.

use super::{POINT, error, header};
use crate::support::house::{Limits, settings};
use crate::support::lock::Lock;
use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::{House, event_stream, eventually};
use futures_util::future::join_all;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use usher::config::DatabaseSettings;

const VENUES: &str = "{ venues { nodes { id } } }";

/// A server with two connections, before which this many may wait.
async fn small(house: &House, queue: u32) -> House {
    let settings = DatabaseSettings {
        connections: 2,
        queue,
        ..settings()
    };
    house.replica_with_all(Limits::default(), settings).await
}

async fn post(server: &House, accept: &str, query: &str) -> Response {
    Client::new()
        .post(format!("{}/graphql", server.url))
        .header("accept", accept)
        .json(&json!({"query": query}))
        .send()
        .await
        .unwrap()
}

async fn is_full(server: &House) {
    eventually("the line is full", async || {
        (!server.running.services.database.has_room()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_number_waits_and_the_rest_is_told_at_once() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let server = small(&house, 8).await;
    let database = &server.running.services.database;
    // Held here, not by requests: what usher does by itself may take a turn in between.
    let held = [
        database.connection().await.unwrap(),
        database.connection().await.unwrap(),
    ];
    let asking: Vec<_> = (0..200)
        .map(|_| {
            let url = format!("{}/graphql", server.url);
            let request = Client::new().post(url).json(&json!({"query": VENUES}));
            tokio::spawn(async move { request.send().await.unwrap() })
        })
        .collect();
    is_full(&server).await;
    // While eight wait, all others are answered.
    eventually("192 are sent away", async || {
        let answered = asking.iter().filter(|asking| asking.is_finished()).count();
        (answered == 192).then_some(())
    })
    .await;
    assert_eq!(database.waiting(), 8);
    for path in ["/healthz", "/metrics"] {
        let answer = reqwest::get(format!("{}{path}", server.url)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    for accept in ["application/json", "application/graphql-response+json"] {
        let shed = post(&server, accept, POINT).await;
        assert_eq!(shed.status(), 503);
        assert_eq!(header(&shed, "retry-after"), Some("1"));
        assert_eq!(
            error(shed).await["extensions"],
            json!({"code": "UNAVAILABLE", "retryAfterMs": 1_000})
        );
    }
    let mut peer = Peer::ready(&server.url).await;
    peer.subscribe("1", VENUES).await;
    let refused = peer.next().await;
    assert_eq!(refused["type"], "error");
    let code = &refused["payload"][0]["extensions"]["code"];
    assert_eq!(code, "UNAVAILABLE");
    let stream = event_stream::asking(&server.url, VENUES).send().await;
    assert_eq!(stream.unwrap().status(), 503);

    drop(held);
    let mut counts = [0, 0];
    for asking in asking {
        let answer = asking.await.unwrap();
        if answer.status() == 200 {
            counts[0] += 1;
            let answer: Value = answer.json().await.unwrap();
            assert!(answer.get("errors").is_none(), "{answer}");
        } else {
            assert_eq!(answer.status(), 503);
            assert_eq!(header(&answer, "retry-after"), Some("1"));
            counts[1] += 1;
        }
    }
    assert_eq!(counts, [8, 192]);
    // And everything is as before.
    let visitor = server.visitor();
    let answers = join_all((0..8).map(|_| visitor.ask(VENUES, json!({})))).await;
    for answer in answers {
        answer.data();
    }
    let held = visitor.hold(&event.id, &event.seats[..1]).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_served_in_order() {
    let house = House::open().await;
    let server = small(&house, 16).await;
    let database = server.running.services.database.clone();
    let held = [
        database.connection().await.unwrap(),
        database.connection().await.unwrap(),
    ];
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..16 {
        let (database, told) = (database.clone(), told.clone());
        let line = database.waiting();
        tokio::spawn(async move {
            let connection = database.connection_for_request().await.unwrap();
            told.send(number).unwrap();
            drop(connection);
        });
        eventually("the next one waits", async || {
            (server.running.services.database.waiting() > line).then_some(())
        })
        .await;
    }
    assert!(!server.running.services.database.has_room());
    let [first, second] = held;
    drop(first);
    // With one connection there is one order.
    for number in 0..16 {
        assert_eq!(order.recv().await, Some(number));
    }
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_finds_its_batch_though_no_more_requests_may_wait() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let server = small(&house, 1).await;
    let database = server.running.services.database.clone();
    let held = [
        database.connection().await.unwrap(),
        database.connection().await.unwrap(),
    ];
    let waiting = tokio::spawn(async move { database.connection_for_request().await.map(drop) });
    is_full(&server).await;
    let visitor = server.visitor();
    let holding = visitor.hold(&event.id, &event.seats[..1]);
    // One with a transaction of its own is refused inside, and nothing came of it.
    let tess = server.staff();
    let venue = "mutation { createVenue(input: {name: \"A\", timeZone: \"UTC\"}) { __typename } }";
    let refused = async {
        let refused = Client::new()
            .post(format!("{}/graphql", server.url))
            .bearer_auth(tess.token.as_ref().unwrap())
            .json(&json!({"query": venue}))
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), 503);
        assert_eq!(header(&refused, "retry-after"), Some("1"));
        let answer: Value = refused.json().await.unwrap();
        assert_eq!(answer["data"], Value::Null);
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "UNAVAILABLE");
        // Of two the first may have been done, and no status is to deny that.
        let two = "mutation { a: createVenue(input: {name: \"A\", timeZone: \"UTC\"}) { __typename } \
                   b: createVenue(input: {name: \"B\", timeZone: \"UTC\"}) { __typename } }";
        let answer = Client::new()
            .post(format!("{}/graphql", server.url))
            .bearer_auth(tess.token.as_ref().unwrap())
            .json(&json!({"query": two}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        drop(held);
    };
    let (held, ()) = tokio::join!(holding, refused);
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    waiting.await.unwrap().unwrap();
}

/// A process of its own: its counters and its log are nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_sent_away_are_counted_and_seldom_named() {
    let house = House::open().await;
    let flags = ["--database-connections", "1", "--database-queue", "1"];
    let server = Server::beside(&house, &flags).await;
    let shed = "usher_shed_total{reason=\"database_queue\"}";
    assert!(server.sample(shed).await.abs() < f64::EPSILON);
    let mut lock = Lock::on_venues(&house.database_url).await;
    let visitor = server.visitor();
    let ask = || {
        let visitor = visitor.clone();
        tokio::spawn(async move { visitor.ask(VENUES, json!({})).await })
    };
    let first = ask();
    lock.is_wanted_by(1).await;
    let answers = join_all((0..300).map(|_| ask()));
    let counting = async {
        eventually("all but one are sent away", async || {
            let count = server.sample(shed).await;
            ((count - 299.0).abs() < f64::EPSILON).then_some(())
        })
        .await;
        lock.let_go().await;
    };
    let (answers, ()) = tokio::join!(answers, counting);
    first.await.unwrap().data();
    let served = answers.iter().filter(|answer| {
        let answer = answer.as_ref().unwrap();
        answer.0.get("errors").is_none()
    });
    assert_eq!(served.count(), 1);
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, log) = server.ended().await;
    let said = log.iter().filter(|line| line.contains("overloaded:"));
    let said = said.count();
    assert!((1..60).contains(&said), "{said} times");
}
