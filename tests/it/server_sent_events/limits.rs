//! What keeps a stream alive and whole on its way, and what a client cannot do: fill the
//! server's memory.

use crate::support::event_stream::{EVENT_STREAM, EventStream, Received, asking, watching};
use crate::support::house::Limits;
use crate::support::{House, PATIENCE, eventually};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use usher::http::StreamLimits;

#[tokio::test]
async fn a_silent_stream_shows_that_it_is_there() {
    let house = House::open_with_streams(StreamLimits {
        keep_alive: Duration::from_millis(20),
        ..StreamLimits::default()
    })
    .await;
    let event = house.event(1, 1).await;
    let mut stream = EventStream::on_map(&house, &event).await;
    for _ in 0..3 {
        assert_eq!(stream.receive().await, Received::Comment);
    }
    house.visitor().hold(&event.id, &event.seats).await.data();
    let delta = stream.next().await;
    assert_eq!(delta["data"]["seatMap"]["changes"][0]["status"], "HELD");
}

#[tokio::test]
async fn nothing_on_the_way_is_asked_to_keep_it_back() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let request = asking(&house.url, &watching(&event)).header("accept-encoding", "gzip, br, zstd");
    let mut stream = EventStream::of(request).await;
    let headers = stream.response.headers();
    assert!(!headers.contains_key("content-encoding"), "{headers:?}");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    // Readable as it is, and at once.
    let snapshot = stream.next().await;
    let map = &snapshot["data"]["seatMap"];
    assert_eq!(map["__typename"], "SeatMapSnapshot", "{snapshot}");
}

/// A request by hand of a client whose system keeps little for it to read.
async fn ask_and_read_nothing(house: &House, document: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut client = socket.connect(house.running.address).await.unwrap();
    let body = json!({"query": document}).to_string();
    let request = format!(
        "POST /graphql/stream HTTP/1.1\r\nhost: x\r\naccept: {EVENT_STREAM}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

/// Whether the system still has this end of a connection open on both sides.
fn is_established(local: u16, remote: u16) -> bool {
    const ESTABLISHED: &str = "01";
    let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
    connections.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let mut next = || columns.next().unwrap_or_default();
        let (own, other, state) = (next(), next(), next());
        let is_port = |address: &str, port: u16| address.ends_with(&format!(":{port:04X}"));
        is_port(own, local) && is_port(other, remote) && state == ESTABLISHED
    })
}

/// Waits until the server has let go of the connection; answers what had come.
async fn read_after_the_cut(house: &House, mut client: TcpStream, reason: &str) -> String {
    // Counts are those of all servers of this process: what was cut may be another stream.
    let ports = (
        house.running.address.port(),
        client.local_addr().unwrap().port(),
    );
    eventually("the connection is closed", async || {
        (!is_established(ports.0, ports.1)).then_some(())
    })
    .await;
    let cut = format!("usher_event_streams_closed_total{{reason=\"{reason}\"}}");
    eventually("the cut is counted", async || {
        let counts = reqwest::get(format!("{}/metrics", house.url)).await;
        let counts = counts.unwrap().text().await.unwrap();
        counts.contains(&cut).then_some(())
    })
    .await;
    let mut received = Vec::new();
    let reading = client.read_to_end(&mut received);
    // A reset is as good an end as any.
    let _ = timeout(PATIENCE, reading).await.expect("it goes on");
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let streams = StreamLimits {
        send_timeout: Duration::from_millis(300),
        ..StreamLimits::default()
    };
    let house = House::open_without_costs(Limits {
        streams,
        ..Limits::default()
    })
    .await;
    let event = house.event(20, 50).await;
    // Each list is about 100 kB, and all are more than every buffer on the way.
    let list = |number: usize| format!("list{number}: seats {{ id label zone row number }}");
    let lists: Vec<String> = (0..100).map(list).collect();
    let lists = lists.join(" ");
    let document = watching(&event).replace("cursor seats", &format!("{lists} cursor seats"));
    let client = ask_and_read_nothing(&house, &document).await;
    let received = read_after_the_cut(&house, client, "not_reading").await;
    // The comment is whole, and nothing after it.
    assert!(received.contains("\r\n:\n\n"), "{received:.500}");
    let ends = received.matches("\n\n").count();
    assert_eq!(ends, 1, "all of it came: {} bytes", received.len());
}
