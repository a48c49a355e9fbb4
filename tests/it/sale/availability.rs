//! How many seats are left, and what they cost.

use super::{ask_event, demo_plan, event_in};
use crate::support::{Event, House, Seat};
use serde_json::{Value, json};

const AVAILABILITY: &str = "availability { \
    total { available held booked blocked all } \
    byCategory { category seats { available held booked blocked all } } \
    byZone { zone seats { available held booked blocked all } } }";

fn counts([available, held, booked, blocked]: [i64; 4]) -> Value {
    json!({
        "available": available, "held": held, "booked": booked, "blocked": blocked,
        "all": available + held + booked + blocked,
    })
}

/// The first seats of this zone, as they were when the sale opened.
async fn seats_of_zone(house: &House, event: &Event, zone: &str, count: usize) -> Vec<Seat> {
    let list =
        format!("seats(first: {count}, filter: {{zone: \"{zone}\"}}) {{ nodes {{ id version }} }}");
    let found = ask_event(&house.visitor(), &event.id, &list).await;
    let nodes = found["seats"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), count);
    nodes.iter().map(Seat::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_and_standing_room_are_counted_by_category_and_by_zone() {
    let house = House::open().await;
    let event = event_in(&house, &demo_plan("club")).await;
    let (buyer, visitor) = (house.buyer("anna"), house.visitor());
    let before = ask_event(&visitor, &event.id, AVAILABILITY).await;
    assert_eq!(before["availability"]["total"], counts([920, 0, 0, 0]));

    let floor = seats_of_zone(&house, &event, "Floor", 10).await;
    let lounge = seats_of_zone(&house, &event, "Lounge", 4).await;
    let held: Vec<Seat> = [&floor[..3], &lounge[..1]].concat();
    buyer.hold(&event.id, &held).await.data();
    let sold: Vec<Seat> = [&floor[3..5], &lounge[1..4]].concat();
    let sold = visitor.hold(&event.id, &sold).await;
    visitor
        .confirm(sold.data()["token"].as_str().unwrap())
        .await
        .data();
    house.block("seat_no = 799").await;

    let after = ask_event(&visitor, &event.id, AVAILABILITY).await;
    let availability = &after["availability"];
    assert_eq!(availability["total"], counts([910, 4, 5, 1]));
    let zone = |name: &str, seats: [i64; 4]| json!({"zone": name, "seats": counts(seats)});
    assert_eq!(
        availability["byZone"],
        json!([
            zone("Floor", [794, 3, 2, 1]),
            zone("Terrace", [8, 0, 0, 0]),
            zone("Gallery Left", [24, 0, 0, 0]),
            zone("Gallery Right", [24, 0, 0, 0]),
            zone("Gallery", [40, 0, 0, 0]),
            zone("Lounge", [20, 1, 3, 0]),
        ])
    );
    let category = |name: &str, seats: [i64; 4]| json!({"category": name, "seats": counts(seats)});
    assert_eq!(
        availability["byCategory"],
        json!([
            category("Standing", [794, 3, 2, 1]),
            category("Gallery", [88, 0, 0, 0]),
            category("Lounge", [20, 1, 3, 0]),
            category("Terrace", [8, 0, 0, 0]),
        ])
    );
    // And the map says the same.
    let map = visitor.seat_map(&event.id).await;
    let held = map["seats"].as_array().unwrap().iter();
    assert_eq!(held.filter(|seat| seat["status"] == "HELD").count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_place_is_held_like_a_seat_and_has_no_position() {
    let house = House::open().await;
    let event = event_in(&house, &demo_plan("club")).await;
    let floor = seats_of_zone(&house, &event, "Floor", 2).await;
    let visitor = house.visitor();
    let query = "query($id: ID!) { node(id: $id) { ... on Seat { label zone row number category \
        accessible x y status version price { amountMinor currency } } } }";
    let answer = visitor.ask(query, json!({"id": floor[0].id})).await;
    assert_eq!(
        answer.data()["node"],
        json!({
            "label": "Floor", "zone": "Floor", "row": null, "number": null,
            "category": "Standing", "accessible": false, "x": null, "y": null,
            "status": "AVAILABLE", "version": 1,
            "price": {"amountMinor": 1_000, "currency": "EUR"},
        })
    );
    let won = visitor.hold(&event.id, &floor).await;
    assert_eq!(won.data()["hold"]["total"]["amountMinor"], 2_000);
    let lost = house.buyer("anna").hold(&event.id, &floor[..1]).await;
    assert_eq!(lost.data()["code"], "SEAT_CONFLICT");
    assert_eq!(lost.data()["alternatives"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_listed_in_the_plans_order_and_add_up_exactly() {
    let house = House::open().await;
    let document = demo_plan("theatre");
    let plan = house.staff().import_plan(&document).await;
    // More than 32 bits hold, nothing, and the most that an event may ask.
    let amounts = [3_000_000_000_i64, 0, 1, 999_999_999_999, 1_000_000_000_000];
    let names = ["Stalls", "Rear Stalls", "Circle", "Rear Circle", "Box"];
    let mut prices: Vec<Value> = names
        .iter()
        .zip(amounts)
        .map(|(name, amount)| json!({"category": name, "amountMinor": amount}))
        .collect();
    prices.reverse();
    let changes = json!({"prices": prices, "currency": "KRW"});
    let event = house.open_sale(house.draft_on(&plan, changes).await).await;
    let visitor = house.visitor();
    let listed = ask_event(
        &visitor,
        &event.id,
        "prices { category price { amountMinor currency } } \
         seatMap { seats { id version category price { amountMinor currency } } }",
    )
    .await;
    let price = |amount: i64| json!({"amountMinor": amount, "currency": "KRW"});
    let expected: Value = names
        .iter()
        .zip(amounts)
        .map(|(name, amount)| json!({"category": name, "price": price(amount)}))
        .collect();
    assert_eq!(listed["prices"], expected);

    let seats = listed["seatMap"]["seats"].as_array().unwrap();
    let mut one_of_each = Vec::new();
    for (name, amount) in names.iter().zip(amounts) {
        let of_category: Vec<&Value> = seats
            .iter()
            .filter(|seat| seat["category"] == *name)
            .collect();
        assert!(
            of_category
                .iter()
                .all(|seat| seat["price"] == price(amount)),
            "{name}"
        );
        one_of_each.push(Seat::from(of_category[0]));
    }
    let held = visitor.hold(&event.id, &one_of_each).await;
    let total = price(amounts.iter().sum());
    assert_eq!(held.data()["hold"]["total"], total);
    let token = held.data()["token"].as_str().unwrap();
    let booked = visitor.confirm(token).await;
    assert_eq!(booked.data()["booking"]["total"], total);
}
