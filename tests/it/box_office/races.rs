//! Box offices and buyers who want the same seats at the same moment. The negative
//! controls of the checks are in [`crate::races`]: without the version in the UPDATE
//! they find a seat that two believe to have.

use super::at;
use crate::support::checks::{self, assert_sound};
use crate::support::{Answer, House, Seat, insist};
use futures_util::future::join_all;
use std::collections::HashMap;

fn kind(answer: &Answer) -> &str {
    answer.data()["__typename"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_box_offices_and_twenty_buyers_each_seat_has_one() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(2, 10).await;
    let wants = |number: usize| -> Vec<Seat> {
        let places = [0, 7, 3].map(|step| (number * 2 + step) % event.seats.len());
        places.map(|place| event.seats[place].clone()).to_vec()
    };
    let answers = join_all((0..40).map(|number| {
        let of = if number % 4 < 2 { &house } else { &replica };
        let (staff, buyer) = (of.staff(), of.buyer(&format!("buyer-{number}")));
        let (event, seats) = (&event.id, wants(number / 2));
        insist(async move || {
            if number % 2 == 0 {
                staff.book(event, &seats).await
            } else {
                buyer.hold(event, &seats).await
            }
        })
    }))
    .await;
    let mut taken: HashMap<&str, usize> = HashMap::new();
    for (number, answer) in answers.iter().enumerate() {
        let data = answer.data();
        let seats = match kind(answer) {
            "SeatsBooked" => &data["booking"]["seats"],
            "SeatsHeld" => &data["hold"]["seats"],
            "SeatConflict" => {
                let conflicts = data["conflicts"].as_array().unwrap();
                assert!(!conflicts.is_empty() && conflicts.len() <= 3, "{data}");
                for conflict in conflicts {
                    assert_eq!(conflict["expectedVersion"], 1);
                    assert_eq!(conflict["seat"]["version"], 2);
                }
                continue;
            }
            other => panic!("{other}"),
        };
        assert_eq!(seats.as_array().unwrap().len(), 3, "all that was wanted");
        for seat in seats.as_array().unwrap() {
            let before = taken.insert(seat["id"].as_str().unwrap(), number);
            assert_eq!(before, None, "sold once: {seat}");
        }
    }
    let mut sql = house.sql().await;
    let changed = checks::count(&mut sql, "seats WHERE version = 2").await;
    assert_eq!(changed, i64::try_from(taken.len()).unwrap());
    assert!(changed >= 3, "somebody was first");
    let changes = checks::count(&mut sql, "seat_changes").await;
    assert_eq!(changes, changed, "whoever lost left nothing behind");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_blocked_or_held_or_sold_but_one_of_them() {
    let house = House::open().await;
    let event = house.event(1, 10).await;
    let outcomes = join_all(event.seats.iter().map(|seat| {
        let (staff, buyer) = (house.staff(), house.buyer("anna"));
        let (event, seat) = (&event.id, std::slice::from_ref(seat));
        async move {
            tokio::join!(
                insist(async || staff.block(event, seat).await),
                insist(async || staff.book(event, seat).await),
                insist(async || buyer.hold(event, seat).await),
                insist(async || staff.block(event, seat).await),
            )
        }
    }))
    .await;
    for (blocked, booked, held, blocked_too) in &outcomes {
        let kinds = [blocked, booked, held, blocked_too].map(kind);
        let lost = kinds.iter().filter(|kind| **kind == "SeatConflict").count();
        assert_eq!(lost, 3, "{kinds:?}");
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_unblock_one_wins() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    house.staff().block(&event.id, &event.seats).await.data();
    let seats = at(2, event.seats.clone());
    let answers = join_all((0..20).map(|_| {
        let (staff, event, seats) = (house.staff(), &event.id, &seats);
        insist(async move || staff.unblock(event, seats).await)
    }))
    .await;
    let won = answers
        .iter()
        .filter(|answer| kind(answer) == "SeatsUnblocked");
    assert_eq!(won.count(), 1);
    for lost in answers
        .iter()
        .filter(|answer| kind(answer) != "SeatsUnblocked")
    {
        let conflicts = lost.data()["conflicts"].as_array().unwrap();
        assert_eq!(conflicts.len(), 4);
        for conflict in conflicts {
            assert_eq!(conflict["seat"]["status"], "AVAILABLE");
            assert_eq!(conflict["seat"]["version"], 3);
        }
    }
    assert_sound(&house).await;
}
