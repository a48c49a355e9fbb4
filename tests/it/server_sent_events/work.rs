//! What becomes of work that runs when a client leaves, and when the server stops; and
//! what is counted and logged of it.

use crate::support::event_stream::{EventStream, Received, asking, watching};
use crate::support::lock::Lock;
use crate::support::program::Server;
use crate::support::slow_hold::SlowHold;
use crate::support::{House, PATIENCE, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

/// One sample of the metrics of a server.
async fn sample(server: &Server, name: &str) -> Option<String> {
    let counts = reqwest::get(format!("{}/metrics", server.url)).await;
    let counts = counts.unwrap().text().await.unwrap();
    let samples = counts.lines().filter_map(|line| line.split_once(' '));
    let mut samples = samples.filter(|(found, _)| *found == name);
    samples.next().map(|(_, value)| value.to_owned())
}

async fn expect_count(server: &Server, name: &str, count: &str) {
    eventually(&format!("{name} is {count}"), async || {
        let found = sample(server, name).await;
        (found.as_deref() == Some(count)).then_some(())
    })
    .await;
}

fn closed(reason: &str) -> String {
    format!("usher_event_streams_closed_total{{reason=\"{reason}\"}}")
}

#[tokio::test]
async fn a_mutation_outlives_its_client() {
    let house = House::open().await;
    let server = Server::beside(&house, &[]).await;
    let mut hold = SlowHold::at(&house).await;
    let stream = EventStream::open(&server.url, &hold.mutation()).await;
    hold.has_begun().await;
    drop(stream);
    expect_count(&server, &closed("client_left"), "1").await;
    hold.takes_effect(&house).await;
    server.stop().await;
}

#[tokio::test]
async fn streams_are_counted_up_and_down_and_each_has_its_line() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let flags = ["--log-format", "json", "--trusted-proxies", "127.0.0.1"];
    let server = Server::beside(&house, &flags).await;
    let open = "usher_event_streams";
    expect_count(&server, open, "0").await;
    let watching = watching(&event);
    let watch = |name: &str| watching.replace("subscription", &format!("subscription {name}"));
    let request = asking(&server.url, &watch("Left")).header("x-request-id", "of-left");
    let mut leaving = EventStream::of(request).await;
    let mut staying = EventStream::open(&server.url, &watch("Stopped")).await;
    leaving.next().await;
    staying.next().await;
    expect_count(&server, open, "2").await;
    drop(leaving);
    expect_count(&server, open, "1").await;
    assert_eq!(sample(&server, &closed("client_left")).await.unwrap(), "1");
    for document in [
        "query Who { viewer { role } }",
        "query Bad { hunter2 }",
        "{",
    ] {
        let mut stream = EventStream::open(&server.url, document).await;
        stream.next().await;
        stream.expect_complete().await;
    }
    expect_count(&server, &closed("completed"), "3").await;
    expect_count(&server, open, "1").await;

    server.signal(Signal::SIGTERM);
    assert_eq!(
        staying.event().await,
        Received::End,
        "there is more to come"
    );
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    let lines: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["fields"]["message"] == "ended")
        .collect();
    let said: Vec<[&Value; 3]> = lines
        .iter()
        .map(|line| {
            assert!(line["fields"]["elapsed_ms"].is_f64(), "{line}");
            ["operation", "operation_name", "error_code"].map(|field| &line["fields"][field])
        })
        .collect();
    let none = json!(null);
    assert_eq!(
        said,
        [
            [&json!("subscription"), &json!("Left"), &none],
            [&json!("query"), &json!("Who"), &none],
            [
                &json!("query"),
                &json!("Bad"),
                &json!("GRAPHQL_VALIDATION_FAILED")
            ],
            [&none, &none, &json!("GRAPHQL_PARSE_FAILED")],
            [&json!("subscription"), &json!("Stopped"), &none],
        ]
    );
    assert_eq!(lines[0]["span"]["id"], "of-left");
}

#[tokio::test]
async fn a_stopping_server_ends_what_watches_and_finishes_what_works() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut watching = EventStream::on_map(&house, &event).await;
    let venues = Lock::on_venues(&house.database_url).await;
    let mut seat = Lock::on_first_seat(&house.database_url).await;
    let mut query = EventStream::open(&house.url, "{ venues { nodes { name } } }").await;
    let mut mutation = EventStream::open(&house.url, &event.holding_seat(0)).await;
    seat.is_wanted_by(2).await;

    let began = Instant::now();
    let stopping = tokio::spawn(house.running.stop(PATIENCE));
    // No `complete`: the client is to come back for the rest.
    assert_eq!(watching.event().await, Received::End);
    assert!(!stopping.is_finished());

    venues.let_go().await;
    seat.let_go().await;
    let answer = query.next().await;
    let venue = &answer["data"]["venues"]["nodes"][0];
    assert_eq!(venue["name"], "Test House", "{answer}");
    query.expect_complete().await;
    let answer = mutation.next().await;
    let held = &answer["data"]["holdSeats"];
    assert_eq!(held["__typename"], "SeatsHeld", "{answer}");
    mutation.expect_complete().await;

    stopping.await.unwrap();
    assert!(began.elapsed() < PATIENCE, "it had to be cut off");
}
