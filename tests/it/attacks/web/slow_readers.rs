//! Who takes an answer so slowly, and yet a little all the time, that it would fill the memory for
//! hours.

use crate::support::House;
use crate::support::PATIENCE;
use crate::support::event_stream::EVENT_STREAM;
use crate::support::house::Limits;
use crate::support::peer::Peer;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use usher::http::StreamLimits;

/// How much is taken slowly, before the rest is taken at once: in six seconds.
const SLOWLY: usize = 5_000_000;
/// Longer than it takes until there is room for more, which the system has for a megabyte at
/// once: whoever takes so much is never still for so long.
const NOT_STILL: Duration = Duration::from_secs(3);
/// What a client takes at once, fifty times a second: eight hundred thousand bytes.
const A_LITTLE: usize = 16 * 1024;
/// More than every buffer on the way, and not all of what is sent.
const MOST_OF_IT: usize = 9_000_000;

async fn house(send_timeout: Duration, slowest_rate: u32) -> House {
    House::open_without_costs(Limits {
        streams: StreamLimits {
            send_timeout,
            slowest_rate,
            ..StreamLimits::default()
        },
        ..Limits::default()
    })
    .await
}

/// Of a map, a hundred times about 100 kB.
async fn selection(house: &House) -> String {
    let event = house.event(20, 50).await;
    let list = |number: usize| format!("list{number}: seats {{ id label zone row number }}");
    let lists: Vec<String> = (0..100).map(list).collect();
    format!("{}\n{}", event.id, lists.join(" "))
}

async fn document(house: &House, kind: &str) -> String {
    let selection = selection(house).await;
    let (event, lists) = selection.split_once('\n').unwrap();
    if kind == "query" {
        format!("{{ event(id: {event:?}) {{ seatMap {{ {lists} }} }} }}")
    } else {
        format!(
            "subscription {{ seatMap(eventId: {event:?}) {{ \
               ... on SeatMapSnapshot {{ {lists} }} }} }}"
        )
    }
}

async fn ask(house: &House, path: &str, document: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut client = socket.connect(house.running.address).await.unwrap();
    let body = json!({"query": document}).to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\naccept: application/json, {EVENT_STREAM}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// Takes a little now and then, and after a while all that still comes until there is enough;
/// answers how much that was.
async fn take_slowly(stream: &mut TcpStream) -> usize {
    let mut buffer = vec![0; A_LITTLE];
    let mut taken = stream.read(&mut buffer).await.unwrap();
    let mut pace = interval(Duration::from_millis(20));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while taken < SLOWLY {
        pace.tick().await;
        // A reset is as good an end as any.
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return taken,
            Ok(length) => taken += length,
        }
    }
    let rest = async {
        while taken < MOST_OF_IT {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => taken += length,
            }
        }
    };
    timeout(PATIENCE, rest).await.expect("it goes on");
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_taken_too_slowly_is_not_sent_to_its_end() {
    let house = house(NOT_STILL, 20_000_000).await;
    for (path, kind) in [("/graphql", "query"), ("/graphql/stream", "subscription")] {
        let document = document(&house, kind).await;
        let mut client = ask(&house, path, &document).await;
        let taken = take_slowly(&mut client).await;
        assert!(taken < MOST_OF_IT, "{path}: all of it came");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_on_a_socket_who_reads_too_slowly_is_cut_off() {
    let house = house(NOT_STILL, 20_000_000).await;
    let mut peer = Peer::ready(&house.url).await;
    let document = document(&house, "subscription").await;
    peer.subscribe("1", &document).await;
    let taken = take_slowly(peer.socket.get_mut()).await;
    assert!(taken < MOST_OF_IT, "all of it came");
}

/// As slowly, where that is enough.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_taken_slowly_is_sent() {
    let house = house(3 * NOT_STILL, 4096).await;
    let query = document(&house, "query").await;
    let mut client = ask(&house, "/graphql", &query).await;
    let taken = take_slowly(&mut client).await;
    assert!(taken >= MOST_OF_IT, "{taken} bytes came");
    let mut peer = Peer::ready(&house.url).await;
    let subscription = document(&house, "subscription").await;
    peer.subscribe("1", &subscription).await;
    assert!(take_slowly(peer.socket.get_mut()).await >= MOST_OF_IT);
}
