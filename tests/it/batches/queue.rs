//! The queue before the batches: bounded, fair among events, and never in anybody's way for
//! good.

use super::{
    all_connections, are_waiting, holding, holding_one, in_order, kind, kinds, number_of,
    number_of_kind, one_lane, transactions,
};
use crate::booking::event_key;
use crate::support::checks::assert_sound;
use crate::support::gate::Gate;
use crate::support::house::settings;
use crate::support::program::Server;
use crate::support::{Answer, House, eventually, insist};
use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::json;
use std::time::Duration;
use usher::config::{BatchSettings, DatabaseSettings};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_sends_away_at_once_and_takes_on_again_when_there_is_room() {
    let house = House::open_with_batches(BatchSettings {
        queue: 8,
        ..one_lane(256)
    })
    .await;
    let event = house.event(1, 10).await;
    let visitor = house.visitor();
    let connections = all_connections(&house).await;
    let seats = event.seats.chunks(1);
    let waiting = join_all(seats.take(8).map(|seat| visitor.hold(&event.id, seat)));
    let one_more = async {
        are_waiting(&house, 8).await;
        // Answered while all of them still wait.
        let answer = visitor.hold(&event.id, &event.seats[8..9]).await;
        assert_eq!(answer.error_code(), "UNAVAILABLE");
        are_waiting(&house, 8).await;
        drop(connections);
    };
    let (answers, ()) = tokio::join!(waiting, one_more);
    assert_eq!(kinds(&answers), ["SeatsHeld"; 8]);
    let untouched = "seats WHERE seat_no >= 8 AND version = 1";
    assert_eq!(number_of(&house, untouched).await, 2);
    let later = visitor.hold(&event.id, &event.seats[8..]).await;
    assert_eq!(kind(&later), "SeatsHeld");
    assert_sound(&house).await;
}

/// A process of its own: the counters of this one are all tests'.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_sent_away_are_counted() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let flags = [
        "--batch-lanes",
        "1",
        "--batch-size",
        "1",
        "--batch-queue",
        "1",
    ];
    let server = Server::beside(&house, &flags).await;
    let visitor = server.visitor();
    let mut gate = Gate::before_changes(&house.database_url).await;
    let mut requests = FuturesUnordered::new();
    requests.push(visitor.hold(&event.id, &event.seats[..1]).boxed_local());
    let first = tokio::select! {
        answered = requests.next() => answered,
        () = gate.is_reached() => None,
    };
    assert!(first.is_none(), "it stands at the gate");
    // Of the three others one finds the only place.
    for seat in event.seats[1..].chunks(1) {
        requests.push(visitor.hold(&event.id, seat).boxed_local());
    }
    for _ in 0..2 {
        let sent_away = requests.next().await.unwrap();
        assert_eq!(sent_away.error_code(), "UNAVAILABLE");
    }
    let shed = server.sample("usher_batch_shed_total").await;
    assert!((shed - 2.0).abs() < f64::EPSILON, "{shed} were sent away");
    gate.open().await;
    let answers: Vec<Answer> = requests.collect().await;
    assert_eq!(kinds(&answers), ["SeatsHeld"; 2]);
    assert_eq!(number_of(&house, "holds").await, 2);
    server.stop().await;
    assert_sound(&house).await;
}

/// A server that is not patient at all.
async fn impatient(house: &House) -> House {
    let impatient = DatabaseSettings {
        acquire_timeout: Duration::from_secs(2),
        ..settings()
    };
    house.replica_with_batches(impatient, one_lane(256)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_for_a_connection_is_told_so_and_nothing_is_done_later() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let server = impatient(&house).await;
    let visitor = server.visitor();
    let connections = all_connections(&server).await;
    let requests = event.seats[..3].chunks(1);
    let answers = join_all(requests.map(|seat| visitor.hold(&event.id, seat))).await;
    for answer in &answers {
        assert_eq!(answer.error_code(), "UNAVAILABLE", "{}", answer.0);
    }
    drop(connections);
    eventually("it serves again", async || {
        let answer = visitor.hold(&event.id, &event.seats[3..]).await;
        (kind(&answer) == "SeatsHeld").then_some(())
    })
    .await;
    are_waiting(&server, 0).await;
    let untouched = "seats WHERE seat_no < 3 AND version = 1";
    assert_eq!(number_of(&house, untouched).await, 3);
    assert_eq!(number_of(&house, "holds").await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_for_the_batch_before_is_told_so_and_nothing_is_done_later() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let server = impatient(&house).await;
    let visitor = server.visitor();
    let mut gate = Gate::before_changes(&house.database_url).await;
    let first = visitor.hold(&event.id, &event.seats[..1]);
    let behind = async {
        gate.is_reached().await;
        let answer = visitor.hold(&event.id, &event.seats[1..2]).await;
        assert_eq!(answer.error_code(), "UNAVAILABLE", "{}", answer.0);
        gate.open().await;
    };
    let (first, ()) = tokio::join!(first, behind);
    // Its turn had come, so it is waited for to the end.
    assert_eq!(kind(&first), "SeatsHeld", "{}", first.0);
    let last = visitor.hold(&event.id, &event.seats[2..]).await;
    assert_eq!(kind(&last), "SeatsHeld");
    let untouched = "seats WHERE seat_no = 1 AND version = 1";
    assert_eq!(number_of(&house, untouched).await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_many_wait_for_keeps_no_other_waiting() {
    let house = House::open_with_batches(one_lane(4)).await;
    let (crowded, quiet) = (house.event(1, 40).await, house.event(1, 1).await);
    let visitor = house.visitor();
    let crowd = crowded.seats.chunks(1);
    let crowd = crowd.map(|seat| visitor.hold(&crowded.id, seat).boxed_local());
    let last = visitor.hold(&quiet.id, &quiet.seats).boxed_local();
    let answers = in_order(&house, crowd.chain([last]).collect()).await;
    assert_eq!(number_of_kind(&answers, "SeatsHeld"), 41);
    let key = event_key(&quiet);
    let first = format!(
        "event_id = {key} AND transaction_id = (SELECT min(transaction_id) FROM seat_changes)"
    );
    assert_eq!(
        transactions(&house, &first).await,
        1,
        "it shares the first one"
    );
    assert!(transactions(&house, "true").await >= 11, "of four at most");
    // Those of one event are done in the order in which they came.
    let out_of_order = "(SELECT transaction_id < lag(transaction_id) OVER (ORDER BY seat_no) \
         AS is_before FROM seat_changes WHERE event_id = 1) AS steps WHERE is_before";
    assert_eq!(event_key(&crowded), 1);
    assert_eq!(number_of(&house, out_of_order).await, 0);
    assert_sound(&house).await;
}

/// Every lane wants a connection, and so do the losers who are offered other seats.
#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough_for_many_lanes() {
    let house = House::open().await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(house.event(1, 4).await);
    }
    let one = DatabaseSettings {
        connections: 1,
        ..settings()
    };
    let lanes = BatchSettings {
        lanes: 8,
        ..BatchSettings::default()
    };
    let server = house.replica_with_batches(one, lanes).await;
    let requests = (0..40).map(|number| {
        let buyer = server.buyer(&format!("buyer-{number}"));
        let event = &events[number % 4];
        async move {
            let seats = &event.seats[..=number % 3];
            match number % 5 {
                0 => insist(async || buyer.best(&event.id, 1).await).await,
                1 => {
                    let retrying = holding(event, seats, json!({"onConflict": "RETRY"}));
                    insist(async || buyer.hold_input(&retrying).await).await
                }
                _ => insist(async || buyer.hold(&event.id, seats).await).await,
            }
        }
    });
    let answers = join_all(requests).await;
    let expected = ["SeatsHeld", "SeatConflict", "NotEnoughSeats"];
    for answer in &answers {
        let kind = kind(answer);
        assert!(expected.contains(&kind), "{}", answer.0);
    }
    assert!(number_of_kind(&answers, "SeatsHeld") >= 4);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_before_the_batch_has_asked_for_nothing() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let connections = all_connections(&house).await;
    let (work, request) = holding_one(&event, 0);
    let batcher = house.running.services.batcher.clone();
    let leaving = tokio::spawn(async move { batcher.submit(work, request).await.is_ok() });
    are_waiting(&house, 1).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    drop(connections);
    let held = house.visitor().hold(&event.id, &event.seats).await;
    assert_eq!(kind(&held), "SeatsHeld");
    assert_sound(&house).await;
}
