//! What staff do with seats by hand: blocked, given back, sold without a hold.

mod blocking;
mod races;
mod selling;

use crate::booking::states;
use crate::support::house::Seat;
use crate::support::{Answer, Event, House};
use serde_json::{Value, json};

/// The seats at these places, as they were when the event was opened.
fn pick(event: &Event, places: &[usize]) -> Vec<Seat> {
    places
        .iter()
        .map(|place| event.seats[*place].clone())
        .collect()
}

/// The seats at this version.
fn at(version: i64, mut seats: Vec<Seat>) -> Vec<Seat> {
    for seat in &mut seats {
        seat.version = version;
    }
    seats
}

/// An event of six seats: the first is held, the second sold, the third blocked, the
/// fourth was held for a while, and the others are as they were.
async fn six_seats(house: &House) -> Event {
    let event = house.event(1, 6).await;
    let (bert, staff) = (house.buyer("bert"), house.staff());
    bert.hold(&event.id, &pick(&event, &[0])).await.data();
    staff.book(&event.id, &pick(&event, &[1])).await.data();
    staff.block(&event.id, &pick(&event, &[2])).await.data();
    let passing = bert.hold(&event.id, &pick(&event, &[3])).await;
    let token = crate::booking::token_of(&passing);
    bert.release(&token, None).await.data();
    let map = house.staff().seat_map(&event.id).await;
    assert_eq!(
        states(&map["seats"]),
        [
            ("HELD", 2),
            ("BOOKED", 2),
            ("BLOCKED", 2),
            ("AVAILABLE", 3),
            ("AVAILABLE", 1),
            ("AVAILABLE", 1),
        ]
    );
    event
}

/// Fails unless the answer is a conflict over exactly these places, with the version
/// that was expected, and the status and version of each.
fn assert_lost(event: &Event, answer: &Answer, lost: &[(usize, i64, &str, i64)]) {
    let data = answer.data();
    assert_eq!(data["__typename"], "SeatConflict", "{data}");
    assert_eq!(data["code"], "SEAT_CONFLICT");
    let expected: Value = lost
        .iter()
        .map(|(place, expected, status, version)| {
            json!([event.seats[*place].id, expected, status, version])
        })
        .collect();
    let conflicts = data["conflicts"].as_array().unwrap().iter();
    let found: Value = conflicts
        .map(|conflict| {
            let seat = &conflict["seat"];
            let version = &conflict["expectedVersion"];
            json!([seat["id"], version, seat["status"], seat["version"]])
        })
        .collect();
    assert_eq!(found, expected);
    let message = match lost.len() {
        1 => "one of the seats has changed or is not to be had; nothing was changed".to_owned(),
        count => {
            format!("{count} of the seats have changed or are not to be had; nothing was changed")
        }
    };
    assert_eq!(data["message"], message);
}
