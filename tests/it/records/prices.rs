//! Changing prices.

use crate::support::digest::Digest;
use crate::support::house::plan;
use crate::support::{Event, House, checks};
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};

/// An event on sale with two seats in each of two categories: Stalls at 10.00, Balcony
/// at 5.00.
async fn of_two_categories(house: &House) -> Event {
    let mut document = plan(2, 2);
    document["categories"] = json!([{"name": "Stalls"}, {"name": "Balcony"}]);
    for seat in 0..2 {
        document["zones"][0]["rows"][1]["seats"][seat]["category"] = json!("Balcony");
    }
    let plan = house.staff().import_plan(&document).await;
    let prices = json!({"prices": [
        {"category": "Balcony", "amountMinor": 500}, {"category": "Stalls", "amountMinor": 1_000},
    ]});
    house.open_sale(house.draft_on(&plan, prices).await).await
}

fn amounts(event: &Value) -> Vec<(&str, i64)> {
    let prices = event["prices"].as_array().unwrap().iter();
    prices
        .map(|price| {
            let amount = price["price"]["amountMinor"].as_i64().unwrap();
            (price["category"].as_str().unwrap(), amount)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_prices_that_are_named_change() {
    let house = House::open().await;
    let event = of_two_categories(&house).await;
    let other = of_two_categories(&house).await;
    let change = json!({
        "eventId": event.id, "version": 2,
        "prices": [{"category": "Balcony", "amountMinor": 0}],
    });
    let updated = house.staff().update_event(&change).await;
    assert_eq!(
        amounts(&updated.data()["event"]),
        [("Stalls", 1_000), ("Balcony", 0)]
    );
    let both = json!({
        "eventId": event.id, "version": 3, "prices": [
            {"category": "Balcony", "amountMinor": 7}, {"category": "Stalls", "amountMinor": 8},
        ],
    });
    let updated = house.staff().update_event(&both).await;
    assert_eq!(
        amounts(&updated.data()["event"]),
        [("Stalls", 8), ("Balcony", 7)]
    );
    let query = "query($id: ID!) { event(id: $id) { \
         prices { category price { amountMinor } } } }";
    for (id, prices) in [
        (&event.id, [("Stalls", 8), ("Balcony", 7)]),
        (&other.id, [("Stalls", 1_000), ("Balcony", 500)]),
    ] {
        let seen = house.visitor().ask(query, json!({"id": id})).await;
        assert_eq!(amounts(&seen.data()["event"]), prices);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_bookings_keep_the_prices_that_they_were_made_with() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let anna = house.buyer("anna");
    let hold = async |seats, token| anna.hold_into(&event.id, seats, token).await;
    let to_book = hold(&event.seats[..1], None).await;
    let booked = anna
        .confirm(to_book.data()["token"].as_str().unwrap())
        .await;
    let held = hold(&event.seats[1..2], None).await;
    let token = held.data()["token"].as_str().unwrap();
    let change = json!({
        "eventId": event.id, "version": 2,
        "prices": [{"category": "Stalls", "amountMinor": 2_500}],
    });
    house.staff().update_event(&change).await.data();

    let query = "query($token: String!, $reference: String!) { \
         hold(token: $token) { total { amountMinor } } \
         booking(reference: $reference) { total { amountMinor } } }";
    let reference = &booked.data()["booking"]["reference"];
    let variables = json!({"token": token, "reference": reference});
    let seen = anna.ask(query, variables).await;
    assert_eq!(seen.data()["hold"]["total"]["amountMinor"], 1_000);
    assert_eq!(seen.data()["booking"]["total"]["amountMinor"], 1_000);
    // What is added costs what it costs now, and a new hold, too.
    let grown = hold(&event.seats[2..3], Some(token)).await;
    assert_eq!(grown.data()["hold"]["total"]["amountMinor"], 3_500);
    let new = hold(&event.seats[3..], None).await;
    assert_eq!(new.data()["hold"]["total"]["amountMinor"], 2_500);
    let confirmed = anna.confirm(token).await;
    assert_eq!(confirmed.data()["booking"]["total"]["amountMinor"], 3_500);
    checks::assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_at_its_prices_changes_nothing() {
    let house = House::open().await;
    let event = of_two_categories(&house).await;
    // The second price cannot be written.
    let reject = "ALTER TABLE event_prices ADD CONSTRAINT low CHECK (amount_minor < 5000)";
    house.sql().await.batch_execute(reject).await.unwrap();
    let before = Digest::of(&house).await;
    let change = json!({
        "eventId": event.id, "version": 2, "name": "New", "prices": [
            {"category": "Stalls", "amountMinor": 1}, {"category": "Balcony", "amountMinor": 5_000},
        ],
    });
    let answer = house.staff().update_event(&change).await;
    assert_eq!(answer.error_code(), "INTERNAL_SERVER_ERROR");
    before.assert_unchanged("a change that failed").await;
}
