//! What a peer cannot do: keep the server waiting, fill its memory, cut its mutations.

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};
use usher::http::websocket::SocketLimits;

use super::peer::{PATIENCE, Peer, Received, eventually};
use super::{QUERY, effect_of_mutation, large_subscription, mutation, slow_query, subscription};
use crate::transport_server::{TransportServer, serve};

#[tokio::test]
async fn a_peer_that_does_not_begin_is_closed() {
    let server = serve(SocketLimits {
        init_timeout: Duration::from_millis(100),
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::connect(&server).await;
    peer.expect_close(4408, "Connection initialisation timeout")
        .await;
}

#[tokio::test]
async fn beginning_in_time_stops_the_clock() {
    let server = serve(SocketLimits {
        init_timeout: Duration::from_millis(100),
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&server).await;
    sleep(Duration::from_millis(300)).await;
    peer.expect_alive().await;
}

// Two threads, so that the peer can be faster than the end of the operation's task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_frees_its_id_and_its_place() {
    let server = serve(SocketLimits {
        max_operations: 1,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&server).await;
    for _ in 0..300 {
        peer.subscribe("1", QUERY).await;
        let next = peer.next().await;
        assert_eq!(next["type"], "next", "{next}");
        assert_eq!(next["payload"], json!({"data": {"__typename": "Query"}}));
        peer.expect(json!({"id": "1", "type": "complete"})).await;
    }
}

#[tokio::test]
async fn a_connection_runs_a_limited_number_of_operations() {
    let server = serve(SocketLimits {
        max_operations: 2,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&server).await;
    peer.subscribe("1", &subscription(&server)).await;
    peer.subscribe("2", &subscription(&server)).await;
    peer.subscribe("3", QUERY).await;
    let error = peer.next_of("3").await;
    assert_eq!(error["type"], "error");
    assert_eq!(
        error["payload"][0]["extensions"]["code"],
        "TOO_MANY_SUBSCRIPTIONS"
    );
    peer.send(json!({"type": "complete", "id": "1"})).await;
    // The place is free once the operation has noticed; until then the answer is no.
    eventually("a place is free", async || {
        peer.subscribe("4", QUERY).await;
        peer.next_of("4").await["type"] == "next"
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_cut_off() {
    let server = serve(SocketLimits {
        ping_interval: Duration::from_millis(100),
        pong_timeout: Duration::from_millis(200),
        ..SocketLimits::default()
    })
    .await;
    // The library answers pings while it is read from, and only then.
    let mut lively = Peer::ready(&server).await;
    let _silent = Peer::ready(&server).await;
    let wait = async {
        assert_eq!(server.tracker.len(), 2);
        eventually("one socket is left", async || server.tracker.len() == 1).await;
        sleep(Duration::from_secs(1)).await;
    };
    tokio::select! {
        () = wait => {}
        () = lively.answer_pings() => panic!("the lively peer was cut off"),
    }
    lively.expect_alive().await;
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_cut_off() {
    let server = serve(SocketLimits {
        send_timeout: Duration::from_millis(300),
        outgoing_queue: 4,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&server).await;
    // Pongs carry their ping's payload, so that this fills every buffer on the way.
    let ping = json!({"type": "ping", "payload": {"fill": "x".repeat(200_000)}}).to_string();
    let began = Instant::now();
    let error = loop {
        assert!(began.elapsed() < PATIENCE, "the server goes on queueing");
        let sent = timeout(PATIENCE, peer.socket.send(Message::text(ping.clone()))).await;
        match sent.expect("the server keeps the connection") {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    // Not a close frame, which would wait behind the rest: the connection is gone.
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    eventually("the socket is forgotten", async || {
        server.tracker.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_is_cut_off() {
    let server = serve(SocketLimits {
        send_timeout: Duration::from_millis(300),
        outgoing_queue: 4,
        max_operations: 1_000,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&server).await;
    let document = large_subscription(&server);
    for number in 0..900 {
        peer.subscribe(&number.to_string(), &document).await;
    }
    eventually("the socket is forgotten", async || {
        server.tracker.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_mutation_outlives_its_connection() {
    let server = serve(SocketLimits::default()).await;
    let before = effect(&server).await;
    let mut peer = Peer::ready(&server).await;
    peer.subscribe("1", &mutation(&server)).await;
    // The ping makes sure that the server has read the mutation.
    peer.send(json!({"type": "ping"})).await;
    peer.messages_until_pong().await;
    drop(peer);
    eventually("the mutation has taken effect", async || {
        effect(&server).await != before
    })
    .await;
}

#[tokio::test]
async fn a_stopping_server_lets_answers_out_and_says_goodbye() {
    let server = serve(SocketLimits::default()).await;
    let mut idle = Peer::connect(&server).await;
    let mut peer = Peer::ready(&server).await;
    peer.subscribe("events", &subscription(&server)).await;
    assert_eq!(peer.next().await["type"], "next");
    peer.subscribe("slow", &slow_query(&server)).await;
    peer.send(json!({"type": "ping"})).await;
    let mut seen = peer.messages_until_pong().await;
    let is_waited_for = seen.iter().all(|message| message["id"] != "slow");

    server.shutdown.cancel();
    peer.subscribe("late", QUERY).await;
    let close = loop {
        match peer.receive().await {
            Received::Message(message) => seen.push(message),
            Received::Close(code, reason) => break (code, reason),
        }
    };
    assert_eq!(close, (1001, "server is shutting down".to_owned()));
    let types_of = |id: &str| -> Vec<&str> {
        let of_operation = seen.iter().filter(|message| message["id"] == id);
        of_operation
            .filter_map(|message| message["type"].as_str())
            .collect()
    };
    assert_eq!(types_of("slow"), ["next", "complete"]);
    if is_waited_for {
        assert_eq!(types_of("late"), ["error"]);
    }
    // No `complete`: the client is to come back for the rest.
    assert!(types_of("events").iter().all(|kind| *kind == "next"));

    idle.expect_close(1001, "server is shutting down").await;
    server.tracker.close();
    timeout(PATIENCE, server.tracker.wait()).await.unwrap();
}

async fn effect(server: &TransportServer) -> Value {
    let mut peer = Peer::ready(server).await;
    peer.subscribe("effect", &effect_of_mutation(server)).await;
    peer.next().await
}
