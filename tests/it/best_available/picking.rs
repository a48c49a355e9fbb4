//! Which seats a party is given.

use super::{event_on, hall, held, largest_group, standing_zone, zone};
use crate::support::checks::assert_sound;
use crate::support::digest::Digest;
use crate::support::{House, Seat};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_party_sits_side_by_side_near_the_middle_of_the_first_row() {
    let house = House::open().await;
    let hall = hall(&[zone("Stalls", 0, &["....................."; 12])]);
    let event = event_on(&house, &hall, json!({})).await;
    let seats = held(&house.visitor().best(&event.id, 3).await);
    assert_eq!(seats[2] - seats[0], 2, "neighbours: {seats:?}");
    let (row, place) = (seats[1] / 21, seats[1] % 21);
    assert_eq!(seats[0] / 21, seats[2] / 21, "in one row");
    let distance = f64::from(row).hypot(f64::from(place) - 10.0);
    assert!(distance <= 2.5, "{seats:?}");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_single_seat_is_left_where_that_can_be_helped() {
    let house = House::open().await;
    // The second row is the only one with room for two that leaves nothing over.
    let hall = hall(&[zone("Stalls", 0, &["...", ".._", "..."])]);
    let event = event_on(&house, &hall, json!({})).await;
    let visitor = house.visitor();
    assert_eq!(held(&visitor.best(&event.id, 2).await), [3, 4]);
    // Then a lone seat cannot be helped, and is better than parting them.
    let next = held(&visitor.best(&event.id, 2).await);
    assert_eq!(next[1] - next[0], 1, "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_is_parted_only_if_it_may_be_and_nobody_sits_alone() {
    let house = House::open().await;
    let hall = hall(&[zone("Stalls", 0, &["...", ".__", "...", ".__"])]);
    let event = event_on(&house, &hall, json!({})).await;
    let visitor = house.visitor();
    let required = json!({"eventId": event.id, "quantity": 4, "adjacency": "REQUIRED"});
    assert_eq!(largest_group(&visitor.best_input(&required).await), 3);
    let seats = held(&visitor.best(&event.id, 4).await);
    assert!(
        !seats.contains(&3) && !seats.contains(&7),
        "not alone: {seats:?}"
    );
    let in_front = seats.iter().filter(|seat| **seat < 3).count();
    assert_eq!(in_front, 2, "two and two: {seats:?}");
    // Two places for one are left over, and two single ones: no room for two.
    assert_eq!(largest_group(&visitor.best(&event.id, 2).await), 1);
    for _ in 0..4 {
        assert_eq!(held(&visitor.best(&event.id, 1).await).len(), 1);
    }
    assert_eq!(largest_group(&visitor.best(&event.id, 1).await), 0);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_for_wheelchair_users_are_given_to_those_who_ask_for_them() {
    let house = House::open().await;
    let hall = hall(&[zone("Stalls", 0, &["..aa", "aaaa"])]);
    let event = event_on(&house, &hall, json!({})).await;
    let visitor = house.visitor();
    let asked = |quantity: i32, accessible: i32| json!({"eventId": event.id, "quantity": quantity, "accessible": accessible});
    assert_eq!(largest_group(&visitor.best(&event.id, 3).await), 2);
    // One of the two places, and the companion beside it.
    assert_eq!(held(&visitor.best_input(&asked(2, 1)).await), [1, 2]);
    assert_eq!(held(&visitor.best_input(&asked(4, 4)).await), [4, 5, 6, 7]);
    assert_eq!(held(&visitor.best_input(&asked(1, 1)).await), [3]);
    assert_eq!(largest_group(&visitor.best_input(&asked(2, 2)).await), 0);
    assert_eq!(held(&visitor.best(&event.id, 1).await), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn category_and_zones_are_kept_to() {
    let house = House::open().await;
    let hall = hall(&[
        zone("Stalls", 0, &["...."]),
        zone("Circle", 10, &["...."]),
        standing_zone("Field", 20, 3),
    ]);
    let event = event_on(&house, &hall, json!({})).await;
    let visitor = house.visitor();
    let asked = |field: &str, value: serde_json::Value| {
        let mut input = json!({"eventId": event.id, "quantity": 2});
        input[field] = value;
        input
    };
    let circle = held(
        &visitor
            .best_input(&asked("category", json!("Circle")))
            .await,
    );
    assert!(
        circle.iter().all(|seat| (4..8).contains(seat)),
        "{circle:?}"
    );
    let either = asked("zones", json!(["Stalls", "Circle"]));
    for _ in 0..3 {
        let seats = held(&visitor.best_input(&either).await);
        assert!(seats[1] < 8, "{seats:?}");
    }
    assert_eq!(largest_group(&visitor.best_input(&either).await), 0);
    let both = json!({
        "eventId": event.id, "quantity": 1, "category": "Field", "zones": ["Stalls"],
    });
    assert_eq!(largest_group(&visitor.best_input(&both).await), 0);
    // What is left of everything is standing room.
    let field = held(&visitor.best(&event.id, 2).await);
    assert!(field.iter().all(|seat| *seat >= 8), "{field:?}");
    assert_eq!(largest_group(&visitor.best(&event.id, 2).await), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn picked_seats_go_into_a_hold_within_its_limits_and_are_picked_once_under_a_key() {
    let house = House::open().await;
    let event = event_on(
        &house,
        &hall(&[zone("Stalls", 0, &["......"; 4])]),
        json!({"maxSeatsPerHold": 5}),
    )
    .await;
    let buyer = house.buyer("anna");
    let first = json!({"eventId": event.id, "quantity": 2, "idempotencyKey": "first"});
    let answer = buyer.best_input(&first).await;
    let (token, seats) = (answer.data()["token"].clone(), held(&answer));
    let again = buyer.best_input(&first).await;
    assert_eq!(held(&again), seats);
    assert_eq!(again.data()["token"], token);
    assert_eq!(again.data()["cursor"], answer.data()["cursor"]);
    let mut more = json!({"eventId": event.id, "quantity": 3, "holdToken": token});
    let grown = buyer.best_input(&more).await;
    assert_eq!(grown.data()["token"], token);
    assert_eq!(held(&grown).len(), 5);
    let total = json!({"amountMinor": 5_000, "currency": "EUR"});
    assert_eq!(grown.data()["hold"]["total"], total);
    more["quantity"] = json!(1);
    let refused = buyer.best_input(&more).await;
    assert_eq!(refused.data()["kind"], "SEATS_PER_HOLD");
    assert_eq!(refused.data()["requested"], 6);
    let foreign = house.buyer("ben").best_input(&more).await;
    assert_eq!(foreign.data()["code"], "HOLD_NOT_FOUND");
    let map = buyer.seat_map_after(&event.id, &grown).await;
    let in_map = map.as_array().unwrap().iter();
    assert_eq!(in_map.filter(|seat| seat["status"] == "HELD").count(), 5);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_of_lapsed_holds_are_picked_too() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let visitor = house.visitor();
    held(&visitor.best(&event.id, 4).await);
    assert_eq!(largest_group(&visitor.best(&event.id, 4).await), 0);
    let lapse = "UPDATE seats SET held_until = now() - interval '1 second'; \
                 UPDATE holds SET expires_at = now() - interval '1 second'";
    let mut sql = house.sql().await;
    diesel_async::SimpleAsyncConnection::batch_execute(&mut sql, lapse)
        .await
        .unwrap();
    assert_eq!(held(&visitor.best(&event.id, 4).await), [0, 1, 2, 3]);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let house = House::open().await;
    let event = house.event(2, 4).await;
    let draft = house.draft(1, 1, json!({})).await;
    let visitor = house.visitor();
    let before = Digest::of(&house).await;
    for (field, value, message) in [
        (
            "quantity",
            json!(0),
            "input.quantity: must be from 1 to 1000",
        ),
        (
            "quantity",
            json!(-1),
            "input.quantity: must be from 1 to 1000",
        ),
        (
            "quantity",
            json!(1_000_000),
            "input.quantity: must be from 1 to 1000",
        ),
        (
            "accessible",
            json!(-1),
            "input.accessible: must be from 0 to quantity",
        ),
        (
            "accessible",
            json!(3),
            "input.accessible: must be from 0 to quantity",
        ),
        (
            "category",
            json!("Box"),
            "input.category: the event has no category",
        ),
        (
            "category",
            json!(""),
            "input.category: the event has no category",
        ),
        (
            "zones",
            json!(["Stalls", "Box"]),
            "input.zones[1]: the event has no zone",
        ),
        (
            "idempotencyKey",
            json!("short"),
            "input.idempotencyKey: must have at least",
        ),
        (
            "eventId",
            json!(event.seats[0].id),
            "input.eventId: this is an id of the type",
        ),
    ] {
        let mut input = json!({"eventId": event.id, "quantity": 2});
        input[field] = value;
        let answer = visitor.best_input(&input).await;
        assert_eq!(answer.error_code(), "BAD_USER_INPUT", "{input}");
        let told = answer.error_message();
        assert!(told.starts_with(message), "{told}");
    }
    let unseen = visitor.best(&draft.id, 1).await;
    assert_eq!(unseen.error_code(), "NOT_FOUND");
    let early = house.staff().best(&draft.id, 1).await;
    assert_eq!(early.data()["code"], "SALE_NOT_OPEN");
    for token in ["", "x"] {
        let input = json!({"eventId": event.id, "quantity": 1, "holdToken": token});
        let answer = visitor.best_input(&input).await;
        assert_eq!(answer.data()["code"], "HOLD_NOT_FOUND");
    }
    before.assert_unchanged("what makes no sense").await;
    let all: Vec<Seat> = event.seats.clone();
    assert_eq!(largest_group(&visitor.best(&event.id, 50).await), 4);
    assert_eq!(all.len(), 8);
}
