//! From a hold to a booking, once and again.

use super::{event_of_two_categories, states, token_of};
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::lock::Lock;
use crate::support::{Answer, House};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_becomes_a_booking_of_its_seats_at_its_price() {
    let house = House::open().await;
    let event = event_of_two_categories(&house, json!({})).await;
    let buyer = house.buyer("anna");
    // Two of the Stalls and one of the Balcony, named in no order.
    let wanted = [8, 1, 0].map(|seat: usize| event.seats[seat].clone());
    let held = buyer.hold(&event.id, &wanted).await;
    let data = held.data();
    assert_eq!(data["attempts"], 1);
    let total = json!({"amountMinor": 2 * 4_500 + 1_250, "currency": "EUR"});
    assert_eq!(data["hold"]["total"], total);
    assert_eq!(states(&data["hold"]["seats"]), [("HELD", 2); 3]);
    let in_order = [0, 1, 8].map(|seat: usize| event.seats[seat].id.clone());
    assert_eq!(ids(&data["hold"]["seats"]), in_order, "in the plan's order");
    assert_eq!(
        map_at_least(&buyer, &event.id, data).await,
        [(0, 2), (1, 2), (8, 2)]
    );
    let mut sql = house.sql().await;
    let whole = "holds h JOIN seats s ON s.owner_id = h.id AND s.held_until = h.expires_at \
                 WHERE h.expires_at = h.created_at + interval '600 seconds'";
    assert_eq!(
        checks::count(&mut sql, whole).await,
        3,
        "ten minutes, for every seat"
    );

    let input = json!({"token": token_of(&held), "paymentReference": "pi_42"});
    let confirmed = buyer.confirm_input(&input).await;
    let data = confirmed.data();
    assert_eq!(data["__typename"], "HoldConfirmed");
    let booking = &data["booking"];
    assert_eq!(booking["version"], 1);
    assert_eq!(booking["status"], "CONFIRMED");
    assert_eq!(booking["paymentReference"], "pi_42");
    assert_eq!(booking["total"], total);
    assert_eq!(states(&booking["seats"]), [("BOOKED", 3); 3]);
    assert_eq!(ids(&booking["seats"]), in_order);
    assert_reference(booking["reference"].as_str().unwrap());
    assert_eq!(
        map_at_least(&buyer, &event.id, data).await,
        [(0, 3), (1, 3), (8, 3)]
    );
    let by_anna = |cause: &str| {
        format!("seat_changes WHERE actor = 'buyer:anna' AND cause = '{cause}' AND status = cause")
    };
    for cause in ["HELD", "BOOKED"] {
        assert_eq!(checks::count(&mut sql, &by_anna(cause)).await, 3, "{cause}");
    }
    assert_sound(&house).await;
}

/// Which seats are above version 1 in a map that shows the change of `data`.
async fn map_at_least(
    buyer: &crate::support::actor::Actor,
    event: &str,
    data: &Value,
) -> Vec<(usize, i64)> {
    let query = "query($id: ID!, $cursor: Cursor!) { \
        event(id: $id) { seatMap(atLeast: $cursor) { seats { version } } } }";
    let variables = json!({"id": event, "cursor": data["cursor"]});
    let answer = buyer.ask(query, variables).await;
    let seats = answer.data()["event"]["seatMap"]["seats"].clone();
    let seats = seats.as_array().unwrap().iter().enumerate();
    seats
        .map(|(seat, state)| (seat, state["version"].as_i64().unwrap()))
        .filter(|(_, version)| *version > 1)
        .collect()
}

fn ids(seats: &Value) -> Vec<String> {
    let seats = seats.as_array().unwrap().iter();
    seats
        .map(|seat| seat["id"].as_str().unwrap().to_owned())
        .collect()
}

/// `1-7KQ2-M9XT`: the event's number, and eight digits that nobody mistakes.
fn assert_reference(reference: &str) {
    let parts: Vec<&str> = reference.split('-').collect();
    let [event, first, second] = parts[..] else {
        panic!("three parts: {reference}");
    };
    assert_eq!(event, "1", "{reference}");
    for part in [first, second] {
        assert_eq!(part.len(), 4, "{reference}");
        let readable = |digit: char| {
            digit.is_ascii_digit() || (digit.is_ascii_uppercase() && !"ILOU".contains(digit))
        };
        assert!(part.chars().all(readable), "{reference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_confirmed_again_answers_its_first_booking() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    for caller in [house.buyer("anna"), house.visitor()] {
        let seat = usize::from(caller.token.is_none());
        let held = caller.hold(&event.id, &event.seats[seat..=seat]).await;
        let token = token_of(&held);
        let first = json!({"token": token, "paymentReference": "first"});
        let first = caller.confirm_input(&first).await.data().clone();
        let before = Digest::of(&house).await;
        let again = json!({"token": token, "paymentReference": "second"});
        for input in [&again, &json!({"token": token})] {
            let again = caller.confirm_input(input).await;
            assert_eq!(*again.data(), first, "the cursor and the payment included");
            before.assert_unchanged("confirming again").await;
        }
    }
    // The sale's end changes nothing about it.
    house
        .staff()
        .close_sale(&event.id, event.version)
        .await
        .data();
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_confirms_at_once_make_one_booking() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 4).await;
    let held = house.buyer("anna").hold(&event.id, &event.seats).await;
    let token = token_of(&held);
    let answers = join_all((0..20).map(|number| {
        let of = if number % 2 == 0 { &house } else { &replica };
        let (buyer, token) = (of.buyer("anna"), &token);
        async move { buyer.confirm(token).await }
    }))
    .await;
    for answer in &answers {
        assert_eq!(answer.data()["__typename"], "HoldConfirmed");
        assert_eq!(answer.data(), answers[0].data());
    }
    let mut sql = house.sql().await;
    assert_eq!(checks::count(&mut sql, "bookings").await, 1);
    let booked = "seat_changes WHERE status = 'BOOKED'";
    assert_eq!(checks::count(&mut sql, booked).await, 4);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_confirm_and_a_release_at_once_one_wins() {
    let house = House::open().await;
    let event = house.event(1, 20).await;
    let buyer = house.buyer("anna");
    let outcomes = join_all(event.seats.iter().map(|seat| {
        let (buyer, event) = (&buyer, &event);
        async move {
            let held = buyer.hold(&event.id, std::slice::from_ref(seat)).await;
            let token = token_of(&held);
            let (confirmed, released) =
                tokio::join!(buyer.confirm(&token), buyer.release(&token, None));
            (kind(&confirmed), kind(&released))
        }
    }))
    .await;
    for (confirmed, released) in &outcomes {
        match confirmed.as_str() {
            "HoldConfirmed" => assert_eq!(released, "HoldEnded"),
            "HoldEnded" => assert_eq!(released, "SeatsReleased"),
            other => panic!("{other}"),
        }
    }
    let booked = outcomes
        .iter()
        .filter(|(confirmed, _)| confirmed == "HoldConfirmed")
        .count();
    let mut sql = house.sql().await;
    let rows = checks::count(&mut sql, "bookings").await;
    assert_eq!(rows, i64::try_from(booked).unwrap());
    assert_sound(&house).await;
}

fn kind(answer: &Answer) -> String {
    answer.data()["__typename"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_hold_is_confirmed_after_the_sale_has_closed() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats).await;
    house
        .staff()
        .close_sale(&event.id, event.version)
        .await
        .data();
    let confirmed = buyer.confirm(&token_of(&held)).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    assert_eq!(
        states(&confirmed.data()["booking"]["seats"]),
        [("BOOKED", 3); 2]
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_that_of_the_moment_when_the_seat_was_held() {
    use diesel_async::SimpleAsyncConnection;
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = token_of(&held);
    let dearer = "UPDATE event_prices SET amount_minor = 5000";
    house.sql().await.batch_execute(dearer).await.unwrap();
    let grown = buyer
        .hold_into(&event.id, &event.seats[1..], Some(&token))
        .await;
    assert_eq!(grown.data()["hold"]["total"]["amountMinor"], 1_000 + 5_000);
    let confirmed = buyer.confirm(&token).await;
    let total = &confirmed.data()["booking"]["total"];
    assert_eq!(*total, json!({"amountMinor": 6_000, "currency": "EUR"}));
}

/// References are drawn at random: one that another booking of the event has is
/// drawn again, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_is_taken_is_drawn_again() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let booked = async |place: usize| {
        let seat = &event.seats[place..=place];
        let token = token_of(&buyer.hold(&event.id, seat).await);
        buyer.confirm(&token).await.data()["booking"]["reference"].clone()
    };
    let first = booked(0).await;
    // The next booking draws the reference of the first one.
    let draw_the_same = "CREATE SEQUENCE drawn; \
        CREATE FUNCTION draw() RETURNS trigger LANGUAGE plpgsql AS \
            'BEGIN IF nextval(''drawn'') = 1 THEN \
                 NEW.reference := (SELECT reference FROM bookings); \
             END IF; RETURN NEW; END'; \
        CREATE TRIGGER draw BEFORE INSERT ON bookings \
            FOR EACH ROW EXECUTE FUNCTION draw()";
    let mut sql = house.sql().await;
    sql.batch_execute(draw_the_same).await.unwrap();
    let second = booked(1).await;
    assert!(second.is_string() && second != first, "{second}");
    assert_eq!(
        checks::count(&mut sql, "drawn WHERE last_value = 2").await,
        1
    );
    assert_sound(&house).await;
}

/// The browser is often faster than the webhook, which alone knows the payment.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_payment_reference_is_kept_whenever_it_comes() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (anna, webhook) = (house.buyer("anna"), house.staff());
    let token = token_of(&anna.hold(&event.id, &event.seats).await);
    let reference = |answer: &Answer| {
        let booking = &answer.data()["booking"];
        (
            booking["paymentReference"].clone(),
            booking["version"].clone(),
        )
    };
    let first = anna.confirm(&token).await;
    assert_eq!(reference(&first), (Value::Null, json!(1)));
    let paid = json!({"token": token, "paymentReference": "pi_1"});
    let second = webhook.confirm_input(&paid).await;
    assert_eq!(reference(&second), (json!("pi_1"), json!(2)));
    let other = json!({"token": token, "paymentReference": "pi_2"});
    let third = webhook.confirm_input(&other).await;
    assert_eq!(
        reference(&third),
        (json!("pi_1"), json!(2)),
        "the client can tell"
    );
    let empty = json!({"token": token, "paymentReference": ""});
    let refused = webhook.confirm_input(&empty).await;
    assert_eq!(refused.error_code(), "BAD_USER_INPUT");
    assert_sound(&house).await;
}

/// A webhook brings the payment's reference while somebody is changing the booking: it
/// waits for that, and is not sent away.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_comes_while_the_booking_changes_is_kept() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let buyer = house.buyer("anna");
    let token = token_of(&buyer.hold(&event.id, &event.seats).await);
    buyer.confirm(&token).await.data();
    let changes = "BEGIN; UPDATE bookings SET version = version + 1";
    let mut changing = Lock::by(&house.database_url, changes).await;
    let webhook = tokio::spawn({
        let staff = house.staff();
        let input = json!({"token": token, "paymentReference": "pi_42"});
        async move { staff.confirm_input(&input).await }
    });
    changing.is_wanted_by(1).await;
    changing.let_go().await;
    let answer = webhook.await.unwrap();
    let booking = &answer.data()["booking"];
    assert_eq!(booking["paymentReference"], "pi_42", "{}", answer.0);
    assert_eq!(booking["version"], 3);
    assert_sound(&house).await;
}
