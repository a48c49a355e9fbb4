//! Changing events.

use super::one_won;
use crate::support::digest::Digest;
use crate::support::{House, checks, eventually};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

/// All that may be changed about an event of one category, other than as
/// `House::draft` makes it.
fn everything() -> Value {
    json!({
        "name": "ليلة 🌙", "startsAt": "2031-01-01T19:30:00+01:00",
        "endsAt": "2031-01-01T21:00:00Z",
        "saleStartsAt": "2030-06-01T00:00:00Z", "saleEndsAt": "2030-12-01T00:00:00.25Z",
        "prices": [{"category": "Stalls", "amountMinor": 4_200}],
        "holdSeconds": 300, "holdTotalSeconds": 301, "maxSeatsPerHold": 7,
        "maxSeatsPerBuyer": 10_000, "maxHoldsPerBuyer": 1, "orphanRule": "ENFORCE",
    })
}

/// As an answer shows it.
fn shown(field: &str, value: &Value) -> Value {
    match field {
        "startsAt" => json!("2031-01-01T18:30:00Z"),
        "saleEndsAt" => json!("2030-12-01T00:00:00.250Z"),
        "prices" => json!([{
            "category": "Stalls", "price": {"amountMinor": 4_200, "currency": "EUR"},
        }]),
        _ => value.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_an_event_changes_alone_and_the_rest_stays() {
    let house = House::open().await;
    let staff = house.staff();
    let event = house.draft(1, 1, json!({})).await;
    let mut expected = json!({
        "id": event.id, "version": 1, "status": "DRAFT", "name": "A Test",
        "startsAt": "2030-01-01T19:30:00Z", "endsAt": null, "saleStartsAt": null,
        "saleEndsAt": null, "holdSeconds": 600, "holdTotalSeconds": 1_800,
        "maxSeatsPerHold": 50, "maxSeatsPerBuyer": null, "maxHoldsPerBuyer": null,
        "orphanRule": "OFF",
        "prices": [{"category": "Stalls", "price": {"amountMinor": 1_000, "currency": "EUR"}}],
    });
    // In an order in which each step makes sense.
    let everything = everything();
    let fields = [
        "name",
        "startsAt",
        "endsAt",
        "saleStartsAt",
        "saleEndsAt",
        "prices",
        "holdSeconds",
        "holdTotalSeconds",
        "maxSeatsPerHold",
        "maxSeatsPerBuyer",
        "maxHoldsPerBuyer",
        "orphanRule",
    ];
    assert_eq!(fields.len(), everything.as_object().unwrap().len());
    for (version, field) in (1..).zip(fields) {
        let value = &everything[field];
        let input = json!({"eventId": event.id, "version": version, field: value});
        let answer = staff.update_event(&input).await;
        expected["version"] = json!(version + 1);
        expected[field] = shown(field, value);
        let updated = json!({"__typename": "EventUpdated", "event": expected});
        assert_eq!(*answer.data(), updated, "{field}");
    }
    // What may be empty is emptied by null, and by nothing else.
    for (version, field) in (13..).zip([
        "endsAt",
        "saleStartsAt",
        "saleEndsAt",
        "maxSeatsPerBuyer",
        "maxHoldsPerBuyer",
    ]) {
        let input = json!({"eventId": event.id, "version": version, field: null});
        let answer = staff.update_event(&input).await;
        expected["version"] = json!(version + 1);
        expected[field] = json!(null);
        assert_eq!(answer.data()["event"], expected, "{field}");
    }
    let other = house.event(1, 1).await;
    let mut input = everything.clone();
    input["eventId"] = json!(other.id);
    input["version"] = json!(2);
    let whole = staff.update_event(&input).await;
    for field in fields {
        assert_eq!(
            whole.data()["event"][field],
            shown(field, &everything[field])
        );
    }
    assert_eq!(whole.data()["event"]["status"], "ON_SALE");
    assert_eq!(whole.data()["event"]["version"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_applies_to_the_holds_that_follow() {
    let house = House::open().await;
    let event = house.event(1, 8).await;
    let (anna, visitor) = (house.buyer("anna"), house.visitor());
    let annas = anna.hold(&event.id, &event.seats[..3]).await;
    let visitors = visitor.hold(&event.id, &event.seats[3..6]).await;
    let fewer = json!({
        "eventId": event.id, "version": 2, "maxSeatsPerHold": 1, "maxSeatsPerBuyer": 1,
    });
    house.staff().update_event(&fewer).await.data();
    let refused = visitor.hold(&event.id, &event.seats[6..]).await;
    assert_eq!(refused.data()["code"], "LIMIT_EXCEEDED");
    assert_eq!(refused.data()["limit"], 1);
    let closed = json!({
        "eventId": event.id, "version": 3, "saleEndsAt": "2026-01-01T00:00:00Z",
    });
    house.staff().update_event(&closed).await.data();
    let refused = visitor.hold(&event.id, &event.seats[6..7]).await;
    assert_eq!(refused.data()["code"], "SALE_NOT_OPEN");
    // Nobody loses what he has.
    for (buyer, held) in [(&anna, &annas), (&visitor, &visitors)] {
        let token = held.data()["token"].as_str().unwrap();
        let booked = buyer.confirm(token).await;
        assert_eq!(booked.data()["__typename"], "HoldConfirmed");
        let seats = booked.data()["booking"]["seats"].as_array().unwrap();
        assert_eq!(seats.len(), 3);
    }
    checks::assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_event_stays_as_it_is() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let cancel = "UPDATE events SET status = 'CANCELLED', version = version + 1";
    house.sql().await.batch_execute(cancel).await.unwrap();
    let before = Digest::of(&house).await;
    let change = |version| json!({"eventId": event.id, "version": version, "name": "x"});
    let refused = house.staff().update_event(&change(3)).await;
    let refusal = refused.data();
    assert_eq!(refusal["__typename"], "EventStatusConflict");
    assert_eq!(refusal["code"], "STATUS_CONFLICT");
    assert_eq!(refusal["event"]["status"], "CANCELLED");
    let late = house.staff().update_event(&change(2)).await;
    assert_eq!(late.data()["code"], "VERSION_CONFLICT");
    before
        .assert_unchanged("changes of a cancelled event")
        .await;
}

/// Negative control: without the version in the WHERE of the UPDATE those who had read
/// version 1 by then would win as well.
#[tokio::test(flavor = "multi_thread")]
async fn of_20_editors_of_one_version_of_an_event_one_wins() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.draft(1, 1, json!({})).await;
    let answers = join_all((0..20).map(|number| {
        let server = if number % 2 == 0 { &house } else { &replica };
        let staff = server.staff();
        let input = json!({
            "eventId": event.id, "version": 1, "name": format!("Editor {number}"),
            "prices": [{"category": "Stalls", "amountMinor": number}],
        });
        async move { staff.update_event(&input).await }
    }))
    .await;
    let won = one_won(&answers, "EventUpdated", "EventVersionConflict", "event");
    // The name and the price are the same editor's.
    let price = &won["prices"][0]["price"]["amountMinor"];
    assert_eq!(won["name"], format!("Editor {price}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_opens_and_an_editor_do_not_both_win() {
    let house = House::open().await;
    let staff = house.staff();
    for round in 0..10 {
        let draft = house.draft(1, 1, json!({})).await;
        let input = json!({"eventId": draft.id, "version": 1, "name": "New"});
        let (opened, updated) = tokio::join!(
            staff.try_open_sale(&draft.id, 1),
            staff.update_event(&input)
        );
        let won = [opened.data(), updated.data()]
            .map(|data| i32::from(data["code"] != "VERSION_CONFLICT"));
        assert_eq!(won.iter().sum::<i32>(), 1, "round {round}: {won:?}");
    }
}

/// Between its reading and its UPDATE another editor commits: the refusal shows what
/// that one wrote, and not what was read.
#[tokio::test(flavor = "multi_thread")]
async fn an_editor_who_is_overtaken_half_way_is_told_what_he_lost_to() {
    let house = House::open().await;
    let event = house.draft(1, 1, json!({})).await;
    let mut other = house.sql().await;
    let change = "BEGIN; UPDATE events SET name = 'Theirs', version = version + 1";
    other.batch_execute(change).await.unwrap();
    let staff = house.staff();
    let input = json!({"eventId": event.id, "version": 1, "name": "Mine"});
    let mine = tokio::spawn(async move { staff.update_event(&input).await });
    let mut sql = house.sql().await;
    eventually("the UPDATE waits for the other one", async || {
        let waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND query LIKE 'UPDATE%' AND datname = current_database()";
        (checks::count(&mut sql, waiting).await == 1).then_some(())
    })
    .await;
    other.batch_execute("COMMIT").await.unwrap();
    let answer = mine.await.unwrap();
    assert_eq!(answer.data()["code"], "VERSION_CONFLICT");
    assert_eq!(answer.data()["event"]["version"], 2);
    assert_eq!(answer.data()["event"]["name"], "Theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_that_last_long_need_no_total() {
    let house = House::open().await;
    let staff = house.staff();
    for (fields, total) in [
        (json!({}), 1_800),
        (json!({"holdSeconds": 3_600}), 3_600),
        (json!({"holdSeconds": 86_400}), 86_400),
        (json!({"holdSeconds": 1_799}), 1_800),
        (json!({"holdSeconds": 60, "holdTotalSeconds": 60}), 60),
        (json!({"holdSeconds": 60, "holdTotalSeconds": null}), 1_800),
    ] {
        let event = house.draft(1, 1, fields.clone()).await;
        let query = "query($id: ID!) { event(id: $id) { holdTotalSeconds } }";
        let seen = staff.ask(query, json!({"id": event.id})).await;
        assert_eq!(seen.data()["event"]["holdTotalSeconds"], total, "{fields}");
    }
    // A change says both, or what is there must do.
    let event = house.draft(1, 1, json!({})).await;
    let both = json!({
        "eventId": event.id, "version": 1, "holdSeconds": 3_600, "holdTotalSeconds": 3_600,
    });
    let updated = staff.update_event(&both).await;
    assert_eq!(updated.data()["event"]["holdSeconds"], 3_600);
}
