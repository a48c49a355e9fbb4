//! What a lost race is told: every losing seat as it is, and what to take instead.

use super::{AbsentSweeper, event_of_two_categories, lapse, states, token_of};
use crate::support::checks::assert_sound;
use crate::support::digest::Digest;
use crate::support::{Answer, Event, House, Seat};
use serde_json::{Value, json};

/// The places of these seats in the plan's order.
fn places(event: &Event, seats: &Value) -> Vec<usize> {
    let place = |seat: &Value| {
        let found = event.seats.iter().position(|of| seat["id"] == of.id);
        found.expect("a seat of the event")
    };
    seats.as_array().unwrap().iter().map(place).collect()
}

fn alternatives(event: &Event, lost: &Answer) -> Vec<usize> {
    assert_eq!(lost.data()["code"], "SEAT_CONFLICT", "{}", lost.0);
    let offered = &lost.data()["alternatives"];
    for (status, _) in states(offered) {
        assert_eq!(status, "AVAILABLE");
    }
    places(event, offered)
}

fn pick(event: &Event, places: &[usize]) -> Vec<Seat> {
    places
        .iter()
        .map(|place| event.seats[*place].clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_losing_seat_is_listed_as_it_is_now() {
    let house = House::open().await;
    let event = house.event(1, 6).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    bert.hold(&event.id, &pick(&event, &[0])).await.data();
    let booked = bert.hold(&event.id, &pick(&event, &[1])).await;
    bert.confirm(&token_of(&booked)).await.data();
    house.block("seat_no = 2").await;
    let passing = bert.hold(&event.id, &pick(&event, &[3])).await;
    bert.release(&token_of(&passing), None).await.data();

    let before = Digest::of(&house).await;
    // As they were when the page was loaded; seat 4 still is as it was.
    let answer = anna.hold(&event.id, &pick(&event, &[4, 3, 2, 1, 0])).await;
    let data = answer.data();
    assert_eq!(data["__typename"], "SeatConflict");
    assert_eq!(data["code"], "SEAT_CONFLICT");
    assert_eq!(data["attempts"], 1);
    let conflicts = data["conflicts"].as_array().unwrap();
    let lost: Value = conflicts
        .iter()
        .map(|conflict| conflict["seat"].clone())
        .collect();
    assert_eq!(places(&event, &lost), [0, 1, 2, 3], "seat 4 was not lost");
    assert_eq!(
        states(&lost),
        [("HELD", 2), ("BOOKED", 3), ("BLOCKED", 2), ("AVAILABLE", 3)]
    );
    assert!(
        conflicts
            .iter()
            .all(|conflict| conflict["expectedVersion"] == 1)
    );
    assert!(data["message"].as_str().unwrap().contains('4'));
    before.assert_unchanged("a lost race").await;

    // Repaint with what the answer says and try again: no other query is needed.
    let mut seats = pick(&event, &[3, 4]);
    seats[0].version = conflicts[3]["seat"]["version"].as_i64().unwrap();
    let held = anna.hold(&event.id, &seats).await;
    assert_eq!(
        states(&held.data()["hold"]["seats"]),
        [("HELD", 4), ("HELD", 2)]
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_version_of_an_available_seat_is_a_conflict_that_offers_the_seat_itself() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let passing = bert.hold(&event.id, &pick(&event, &[1])).await;
    bert.release(&token_of(&passing), None).await.data();
    let before = Digest::of(&house).await;
    for version in [1, 2, 4, 1_000] {
        let mut seats = pick(&event, &[1]);
        seats[0].version = version;
        let answer = anna.hold(&event.id, &seats).await;
        let conflict = &answer.data()["conflicts"][0];
        assert_eq!(conflict["expectedVersion"], version);
        assert_eq!(conflict["seat"]["status"], "AVAILABLE");
        assert_eq!(conflict["seat"]["version"], 3);
        // There is none nearer that can be had.
        assert_eq!(alternatives(&event, &answer), [1]);
        before.assert_unchanged("a stale version").await;
    }
    let mut seats = pick(&event, &[1]);
    seats[0].version = 3;
    assert_eq!(
        anna.hold(&event.id, &seats).await.data()["__typename"],
        "SeatsHeld"
    );
}

/// Stalls are seats 0 to 7, of which 6 and 7 are accessible; the Balcony is 8
/// to 11, of which 11 is.
#[tokio::test(flavor = "multi_thread")]
async fn alternatives_are_the_nearest_of_the_same_category_and_not_for_wheelchairs() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    bert.hold(&event.id, &pick(&event, &[1, 2])).await.data();
    let before = Digest::of(&house).await;
    for (wanted, offered) in [
        (vec![1], vec![0]),
        (vec![2], vec![3]),
        (vec![1, 2], vec![0, 3]),
        // What was asked for and is free is not offered in place of another.
        (vec![0, 1], vec![3]),
        (vec![2, 3], vec![0]),
        (vec![0, 1, 2, 3], vec![4, 5]),
        // None that are accessible, and none of the Balcony, which is near.
        (vec![0, 1, 2, 3, 4, 5], vec![]),
        (vec![0, 1, 2, 3, 4], vec![5]),
    ] {
        let answer = anna.hold(&event.id, &pick(&event, &wanted)).await;
        assert_eq!(alternatives(&event, &answer), offered, "for {wanted:?}");
        before.assert_unchanged("a lost race").await;
    }
    // What is offered can be held as it is offered.
    let lost = anna.hold(&event.id, &pick(&event, &[1, 2])).await;
    let offered = super::seats_of(&lost.data()["alternatives"]);
    let held = anna.hold(&event.id, &offered).await;
    assert_eq!(held.data()["hold"]["total"]["amountMinor"], 9_000);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_lost_place_for_a_wheelchair_another_one_is_offered() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    bert.hold(&event.id, &pick(&event, &[6])).await.data();
    let answer = anna.hold(&event.id, &pick(&event, &[6])).await;
    assert_eq!(alternatives(&event, &answer), [7]);
    bert.hold(&event.id, &pick(&event, &[7, 11])).await.data();
    // The seat beside it is no place for a wheelchair.
    for wanted in [&[6][..], &[7], &[6, 7], &[11]] {
        let answer = anna.hold(&event.id, &pick(&event, wanted)).await;
        assert_eq!(alternatives(&event, &answer), [0; 0], "for {wanted:?}");
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_lost_standing_place_another_one_is_offered() {
    let house = House::open().await;
    let plan = json!({
        "name": "Club",
        "categories": [{"name": "Stalls"}],
        "zones": [{"name": "Floor", "general_admission": {"capacity": 1_100, "category": "Stalls"}}],
    });
    let plan = house.staff().import_plan(&plan).await;
    let event = house
        .open_sale(house.draft_on(&plan, json!({})).await)
        .await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    bert.hold(&event.id, &pick(&event, &[10, 11])).await.data();
    let answer = anna.hold(&event.id, &pick(&event, &[10, 11, 12])).await;
    let offered = alternatives(&event, &answer);
    assert_eq!(offered.len(), 2);
    assert!(
        offered.iter().all(|place| (8..=14).contains(place)),
        "{offered:?}"
    );
    // And from the other end of the zone, when there is none nearer.
    house.block("seat_no < 1099").await;
    let answer = anna.hold(&event.id, &pick(&event, &[0])).await;
    assert_eq!(alternatives(&event, &answer), [1_099]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_hold_is_a_conflict_as_well() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let anna = house.buyer("anna");
    let held = anna.hold(&event.id, &event.seats[..1]).await;
    let before = Digest::of(&house).await;
    for version in [1, 2] {
        let mut seats = pick(&event, &[0]);
        seats[0].version = version;
        let answer = anna.hold(&event.id, &seats).await;
        let conflict = &answer.data()["conflicts"][0];
        assert_eq!(conflict["expectedVersion"], version);
        assert_eq!(conflict["seat"]["status"], "HELD");
        assert_eq!(conflict["seat"]["version"], 2);
        before.assert_unchanged("holding one's own seat").await;
    }
    // Until it has lapsed: then it is anybody's, the owner's included.
    let sweeper = AbsentSweeper::of(&house);
    lapse(&house, &held).await;
    let mut seats = pick(&event, &[0]);
    let stale = anna.hold(&event.id, &seats).await;
    assert_eq!(stale.data()["conflicts"][0]["seat"]["version"], 2);
    seats[0].version = 2;
    let again = anna.hold(&event.id, &seats).await;
    assert_eq!(states(&again.data()["hold"]["seats"]), [("HELD", 3)]);
    sweeper.let_go(&house).await;
    assert_sound(&house).await;
}
