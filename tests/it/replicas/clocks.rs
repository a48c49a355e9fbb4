//! A replica whose clock is wrong by hours sells as any other: the only clock that
//! decides is the database's. It does not run beside right ones here, which would do
//! in its stead what it does too late.

use crate::support::program::Server;
use crate::support::watcher::Watcher;
use crate::support::{Answer, House, PATIENCE, Seat, checks};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use std::process::Command;

#[tokio::test]
async fn a_clock_that_is_five_hours_fast_plays_no_role() {
    let clock = TimeDelta::hours(5);
    a_wrong_clock_plays_no_role(clock, "+5h").await;
}

#[tokio::test]
async fn a_clock_that_is_five_hours_slow_plays_no_role() {
    let clock = TimeDelta::hours(-5);
    a_wrong_clock_plays_no_role(clock, "-5h").await;
}

/// The library that lies about the time to a program which is started with it.
fn wrong_clock_library() -> String {
    let output = Command::new("faketime")
        .args(["-f", "+0s", "printenv", "LD_PRELOAD"])
        .output()
        .expect("script/bootstrap --test installs faketime");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn a_wrong_clock_plays_no_role(off_by: TimeDelta, clock: &str) {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let in_hours = |hours: i64| json!(Utc::now() + TimeDelta::hours(hours));
    let window = |starts: i64, ends: i64| {
        let window = json!({"saleStartsAt": in_hours(starts), "saleEndsAt": in_hours(ends)});
        house.draft(1, 1, window)
    };
    let not_yet = house.open_sale(window(1, 24).await).await;
    let over = house.open_sale(window(-24, -1).await).await;
    let on_sale = house.open_sale(window(-1, 1).await).await;
    let mut sql = house.sql().await;
    let library = wrong_clock_library();
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME", clock),
        // Waiting is not the question, and no machine's monotonic clock jumps.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DISABLE_SHM", "1"),
    ];
    let mut server = Server::beside_with(&house, &[], &environment).await;
    // From here on there is no other sweeper, and no other server.
    house.running.stop(PATIENCE).await;
    let visitor = server.visitor();
    let status = |answer: &Answer| answer.data()["__typename"].clone();

    // The clock is wrong: it is what the log is dated with.
    visitor.seats(&event.id).await;
    let line = server.logged(|line| line.contains("/graphql")).await;
    let date = line.split_whitespace().next().unwrap();
    let date: DateTime<Utc> = date.parse().unwrap();
    let error = (date - Utc::now() - off_by).abs();
    assert!(error < TimeDelta::hours(1), "{line}");

    // A sale's window is the database's.
    for (event, expected) in [
        (&not_yet, "SaleNotOpen"),
        (&over, "SaleNotOpen"),
        (&on_sale, "SeatsHeld"),
    ] {
        let answer = visitor.hold(&event.id, &event.seats).await;
        assert_eq!(status(&answer), expected, "{}", answer.0);
    }

    // So is the end of a hold: ten minutes from when the database says that it was made.
    let kept = visitor.hold(&event.id, &event.seats[..1]).await;
    let lapsing = visitor.hold(&event.id, &event.seats[1..2]).await;
    for held in [&kept, &lapsing] {
        assert_eq!(status(held), "SeatsHeld", "{}", held.0);
        let expires: DateTime<Utc> = text(&held.data()["hold"]["expiresAt"]).parse().unwrap();
        let as_stored = format!(
            "holds WHERE expires_at = '{expires}' \
             AND expires_at = created_at + interval '10 minutes'"
        );
        assert_eq!(checks::count(&mut sql, &as_stored).await, 1, "{expires}");
    }

    // Time passes for one of them. Its end is published, by this server alone, and to
    // a watcher who is there.
    let mut watcher = Watcher::at(&server.url, &event.id, None).await;
    watcher.next().await;
    let lapse = "BEGIN; \
        UPDATE seats SET held_until = now() - interval '1 second' \
            WHERE event_id = 1 AND seat_no = 1; \
        UPDATE holds SET expires_at = now() - interval '1 second' \
            WHERE event_id = 1 AND seat_nos = '{1}'; \
        COMMIT";
    sql.batch_execute(lapse).await.unwrap();
    let lapsed = &event.seats[1].id;
    watcher.until(|watcher| watcher.version(lapsed) == 3).await;
    assert_eq!(watcher.seats[lapsed].1, "AVAILABLE");
    let at = |number: usize, version| Seat {
        version,
        ..event.seats[number].clone()
    };
    let taken = visitor.hold(&event.id, &[at(1, 3)]).await;
    assert_eq!(status(&taken), "SeatsHeld", "{}", taken.0);

    // The other is left alone, by the sweeper and by whoever wants it, and can be booked.
    let lapsed = "seat_changes WHERE cause = 'LAPSED'";
    assert_eq!(checks::count(&mut sql, lapsed).await, 1);
    let wanted = visitor.hold(&event.id, &[at(0, 2)]).await;
    assert_eq!(status(&wanted), "SeatConflict", "{}", wanted.0);
    let booked = visitor.confirm(text(&kept.data()["token"])).await;
    assert_eq!(status(&booked), "HoldConfirmed", "{}", booked.0);
    let booked = &event.seats[0].id;
    watcher.until(|watcher| watcher.version(booked) == 3).await;
    server.stop().await;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
