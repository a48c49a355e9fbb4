//! What a peer cannot do: keep the server waiting, or fill its memory.

use super::{QUERY, subscription};
use crate::support::house::Limits;
use crate::support::peer::{self, Peer};
use crate::support::program::Server;
use crate::support::slow_hold::SlowHold;
use crate::support::{House, eventually};
use serde_json::json;
use std::iter;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, interval};
use tokio_tungstenite::tungstenite::Error;
use usher::http::SocketLimits;

#[tokio::test]
async fn a_peer_that_does_not_begin_is_closed() {
    let house = House::open_with(SocketLimits {
        init_timeout: Duration::from_millis(100),
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::connect(&house.url).await;
    peer.expect_close(4408, "Connection initialisation timeout")
        .await;
}

#[tokio::test]
async fn beginning_in_time_stops_the_clock() {
    let house = House::open_with(SocketLimits {
        init_timeout: Duration::from_secs(3),
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&house.url).await;
    // Its clock began later, so that the other's would have run out as well.
    let mut late = Peer::connect(&house.url).await;
    late.expect_close(4408, "Connection initialisation timeout")
        .await;
    peer.expect_alive().await;
}

/// What a frame held stays in the buffers of both sides.
#[tokio::test]
async fn a_large_map_comes_in_small_frames() {
    let house = House::open().await;
    let event = house.event(10, 60).await;
    let mut peer = Peer::ready_for_frames_of(&house.url, 8 * 1024).await;
    peer.subscribe("1", &subscription(&event)).await;
    let message = peer.next().await;
    let seats = &message["payload"]["data"]["seatMap"]["seats"];
    assert_eq!(seats.as_array().unwrap().len(), 600, "{message}");
    assert!(message.to_string().len() > 8 * 1024);
    peer.expect_alive().await;
}

// Two threads, so that the peer can be faster than the end of the operation's task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_frees_its_id_and_its_place() {
    let house = House::open_with(SocketLimits {
        max_operations: 1,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&house.url).await;
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
    let house = House::open_with(SocketLimits {
        max_operations: 2,
        ..SocketLimits::default()
    })
    .await;
    let event = house.event(1, 1).await;
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("1", &subscription(&event)).await;
    peer.subscribe("2", &subscription(&event)).await;
    peer.subscribe("3", QUERY).await;
    let error = peer.next_of("3").await;
    assert_eq!(error["type"], "error");
    assert_eq!(
        error["payload"][0]["extensions"]["code"],
        "TOO_MANY_SUBSCRIPTIONS"
    );
    // Whoever wants no more of one has its place back at once.
    for old in 1..=100 {
        let new = (old + 3).to_string();
        let old = if old <= 2 { old } else { old + 1 };
        peer.send(json!({"type": "complete", "id": old.to_string()}))
            .await;
        peer.subscribe(&new, &subscription(&event)).await;
        assert_eq!(peer.next_of(&new).await["type"], "next");
    }
}

#[tokio::test]
async fn the_limit_cannot_be_passed_by_cancelling_mutations() {
    let house = House::open_with(SocketLimits {
        max_operations: 1,
        ..SocketLimits::default()
    })
    .await;
    let mut hold = SlowHold::at(&house).await;
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("1", &hold.mutation()).await;
    hold.has_begun().await;
    peer.send(json!({"type": "complete", "id": "1"})).await;
    peer.subscribe("2", QUERY).await;
    let error = peer.next().await;
    assert_eq!(
        error["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS",
        "{error}"
    );
    hold.goes_on().await;
    eventually("the place is free", async || {
        peer.subscribe("2", QUERY).await;
        (peer.next().await["type"] == "next").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_cut_off() {
    let house = House::open_with(SocketLimits {
        ping_interval: Duration::from_millis(50),
        pong_timeout: Duration::from_secs(2),
        ..SocketLimits::default()
    })
    .await;
    // The library answers pings while it is read from, and only then: the lively
    // one comes last, so that it is read from without a pause.
    let mut silent = Peer::ready(&house.url).await;
    let mut lively = Peer::ready(&house.url).await;
    tokio::join!(
        silent.expect_cut_off(),
        // Longer than twice the time that cuts off the other.
        lively.answer_pings(100),
    );
    lively.send(json!({"type": "ping"})).await;
    lively.expect(json!({"type": "pong"})).await;
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_cut_off() {
    let house = House::open_with(SocketLimits {
        send_timeout: Duration::from_millis(300),
        outgoing_queue: 4,
        ..SocketLimits::default()
    })
    .await;
    let mut peer = Peer::ready(&house.url).await;
    // Pongs carry their ping's payload, so that this fills every buffer on the way.
    let ping = json!({"type": "ping", "payload": {"fill": "x".repeat(200_000)}});
    let error = peer.send_until_cut_off(iter::repeat(ping)).await;
    // Not a close frame, which would wait behind the rest: the connection is gone.
    assert!(matches!(error, Error::Io(_)), "{error:?}");
}

/// Pongs are no queue: of many that have no room the last is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_pings_and_does_not_read_fills_no_memory() {
    let house = House::open().await;
    let server = Server::beside(&house, &[]).await;
    let mut peer = Peer::ready(&server.url).await;
    let before = server.memory();
    // A ping with as much in it as there may be, masked with zeros.
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let pings = ping.repeat(1_000);
    for _ in 0..200 {
        peer.write_bytes(&pings).await;
    }
    if let (Some([before, _]), Some([now, most])) = (before, server.memory()) {
        assert!(
            most < before + 8,
            "{before} MB before, {now} now, {most} at most"
        );
    }
    drop(peer);
    server.stop().await;
}

/// It takes 16 KiB fifty times a second: more than two seconds for what is beyond the
/// buffers on the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_slowly_is_waited_for() {
    const MOST_OF_IT: usize = 5_700_000;
    let send_timeout = Duration::from_secs(2);
    let sockets = SocketLimits {
        send_timeout,
        ..SocketLimits::default()
    };
    let house = House::open_without_costs(Limits {
        sockets,
        ..Limits::default()
    })
    .await;
    let event = house.event(20, 50).await;
    let seats: Vec<String> = (0..60)
        .map(|number| format!("s{number}: seats {{ id label zone row number }} "))
        .collect();
    let document = format!(
        "subscription {{ seatMap(eventId: {:?}) {{ ... on SeatMapSnapshot {{ {} }} }} }}",
        event.id,
        seats.concat()
    );
    let mut peer = Peer::ready(&house.url).await;
    peer.subscribe("1", &document).await;
    let stream = peer.socket.get_mut();
    let mut buffer = vec![0; 16 * 1024];
    let mut taken = stream.read(&mut buffer).await.unwrap();
    let began = Instant::now();
    let mut pace = interval(Duration::from_millis(20));
    while taken < MOST_OF_IT {
        pace.tick().await;
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "cut off after {taken} bytes");
        taken += length;
    }
    assert!(began.elapsed() > 2 * send_timeout, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_is_cut_off() {
    let house = House::open_with(SocketLimits {
        send_timeout: Duration::from_millis(300),
        outgoing_queue: 4,
        ..SocketLimits::default()
    })
    .await;
    let event = house.event(20, 50).await;
    let mut peer = Peer::ready(&house.url).await;
    // A hundred snapshots of more than 100 kB: more than every buffer on the way.
    let document = subscription(&event);
    let maps = (0..100).map(|id| peer::subscribe(&id.to_string(), &document, &json!({})));
    let pongs = iter::repeat(json!({"type": "pong"}));
    let error = peer.send_until_cut_off(maps.chain(pongs)).await;
    assert!(matches!(error, Error::Io(_)), "{error:?}");
}
