//! Creating venues and events, opening and closing their sale, and staff who
//! do so at the same moment.

use super::ask_event;
use crate::support::digest::Digest;
use crate::support::house::plan;
use crate::support::{Answer, House, checks};
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_event_is_a_draft_with_all_that_it_was_given() {
    let house = House::open().await;
    let staff = house.staff();
    let venue = staff
        .create_venue(" The Old Mill ", "America/New_York")
        .await;
    let plan_id = staff.import_plan(&plan(2, 3)).await;
    let input = json!({
        "venueId": venue, "planId": plan_id, "name": "  Hamlet ", "currency": "JPY",
        "startsAt": "2030-01-01T19:30:00+09:00",
        "saleStartsAt": "2029-06-01T00:00:00Z", "saleEndsAt": "2030-01-01T10:00:00.5Z",
        "prices": [{"category": "Stalls", "amountMinor": 12_000}],
        "holdSeconds": 90, "maxSeatsPerHold": 4,
    });
    let created = staff.create_event(&input).await;
    assert_eq!(created["__typename"], "EventCreated");
    let event = ask_event(
        &staff,
        created["event"]["id"].as_str().unwrap(),
        "version status name startsAt saleStartsAt saleEndsAt holdSeconds maxSeatsPerHold \
         venue { id version name timeZone } plan { id seatCount } \
         prices { category price { amountMinor currency } } \
         availability { total { available all } }",
    )
    .await;
    assert_eq!(
        event,
        json!({
            "version": 1, "status": "DRAFT", "name": "Hamlet",
            "startsAt": "2030-01-01T10:30:00Z",
            "saleStartsAt": "2029-06-01T00:00:00Z",
            "saleEndsAt": "2030-01-01T10:00:00.500Z",
            "holdSeconds": 90, "maxSeatsPerHold": 4,
            "venue": {
                "id": venue, "version": 1, "name": "The Old Mill", "timeZone": "America/New_York",
            },
            "plan": {"id": plan_id, "seatCount": 6},
            "prices": [
                {"category": "Stalls", "price": {"amountMinor": 12_000, "currency": "JPY"}},
            ],
            "availability": {"total": {"available": 6, "all": 6}},
        })
    );
    let mut sql = house.sql().await;
    let fresh = "seats WHERE version = 1 AND status = 'AVAILABLE' AND cause = 'CREATED'";
    assert_eq!(checks::count(&mut sql, fresh).await, 6);
    assert_eq!(checks::count(&mut sql, "seat_changes").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_a_new_event_has_the_defaults_of_the_schema() {
    let house = House::open().await;
    let staff = house.staff();
    let input = json!({
        "venueId": staff.create_venue("A House", "UTC").await,
        "planId": staff.import_plan(&plan(1, 1)).await,
        "name": "An Evening", "currency": "EUR", "startsAt": "2030-01-01T19:30:00Z",
        "prices": [{"category": "Stalls", "amountMinor": 0}],
    });
    let created = staff.create_event(&input).await;
    let id = created["event"]["id"].as_str().unwrap();
    let fields = "holdSeconds maxSeatsPerHold saleStartsAt saleEndsAt";
    let defaults = json!({
        "holdSeconds": 600, "maxSeatsPerHold": 10, "saleStartsAt": null, "saleEndsAt": null,
    });
    assert_eq!(ask_event(&staff, id, fields).await, defaults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_opened_closed_and_opened_again_version_by_version() {
    let house = House::open().await;
    let staff = house.staff();
    let draft = house.draft(1, 1, json!({})).await;
    let opened = staff.open_sale(&draft.id, 1).await;
    assert_eq!(opened["__typename"], "SaleOpened");
    assert_eq!(
        opened["event"],
        json!({"id": draft.id, "version": 2, "status": "ON_SALE"})
    );
    let closed = staff.close_sale(&draft.id, 2).await;
    assert_eq!(closed.data()["__typename"], "SaleClosed");
    assert_eq!(
        closed.data()["event"],
        json!({"id": draft.id, "version": 3, "status": "CLOSED"})
    );
    let again = staff.open_sale(&draft.id, 3).await;
    assert_eq!(
        again["event"],
        json!({"id": draft.id, "version": 4, "status": "ON_SALE"})
    );
    let held = house.visitor().hold(&draft.id, &draft.seats).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_conflict_shows_the_event_as_it_is() {
    let house = House::open().await;
    let staff = house.staff();
    let event = house.event(1, 2).await;
    house
        .visitor()
        .hold(&event.id, &event.seats[..1])
        .await
        .data();
    let before = Digest::of(&house).await;
    for (field, input, version) in [
        ("openSale", "OpenSaleInput", 1),
        ("closeSale", "CloseSaleInput", 1),
        ("closeSale", "CloseSaleInput", 3),
    ] {
        let query = format!(
            "mutation($input: {input}!) {{ {field}(input: $input) {{ \
               ... on EventVersionConflict {{ code message expectedVersion event {{ \
                 id name version status availability {{ total {{ available held }} }} }} }} }} }}"
        );
        let input = json!({"eventId": event.id, "version": version});
        let answer = staff.ask(&query, json!({"input": input})).await;
        let conflict = &answer.data()[field];
        assert_eq!(conflict["code"], "VERSION_CONFLICT");
        assert_eq!(conflict["expectedVersion"], version);
        assert!(conflict["message"].as_str().unwrap().contains("version 2"));
        assert_eq!(
            conflict["event"],
            json!({
                "id": event.id, "name": "A Test", "version": 2, "status": "ON_SALE",
                "availability": {"total": {"available": 1, "held": 1}},
            })
        );
        before.assert_unchanged("a version conflict").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_staff_who_open_a_sale_at_once_one_wins_and_the_others_are_told() {
    let house = House::open().await;
    let replica = house.replica().await;
    let draft = house.draft(1, 1, json!({})).await;
    let answers = join_all((0..20).map(|number| {
        let staff = if number % 2 == 0 {
            house.staff()
        } else {
            replica.staff()
        };
        let draft = &draft;
        async move { staff.try_open_sale(&draft.id, 1).await }
    }))
    .await;
    let (won, lost): (Vec<&Value>, Vec<&Value>) = answers
        .iter()
        .map(Answer::data)
        .partition(|data| data["__typename"] == "SaleOpened");
    assert_eq!(won.len(), 1);
    assert_eq!(won[0]["event"]["version"], 2);
    for conflict in lost {
        assert_eq!(conflict["__typename"], "EventVersionConflict");
        assert_eq!(conflict["expectedVersion"], 1);
        assert_eq!(conflict["event"]["version"], 2);
    }
    let event = ask_event(&house.visitor(), &draft.id, "version status").await;
    assert_eq!(event, json!({"version": 2, "status": "ON_SALE"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_half_way_leaves_nothing() {
    use diesel_async::SimpleAsyncConnection;
    let house = House::open().await;
    let staff = house.staff();
    let input = json!({
        "venueId": staff.create_venue("A House", "UTC").await,
        "planId": staff.import_plan(&plan(1, 3)).await,
        "name": "An Evening", "currency": "EUR", "startsAt": "2030-01-01T19:30:00Z",
        "prices": [{"category": "Stalls", "amountMinor": 1}],
    });
    // Its last seat cannot be written.
    let mut sql = house.sql().await;
    let reject = "ALTER TABLE seats ADD CONSTRAINT no_third_seat CHECK (seat_no < 2)";
    sql.batch_execute(reject).await.unwrap();
    let before = Digest::of(&house).await;
    let answer = staff.try_create_event(&input).await;
    assert_eq!(answer.error_code(), "INTERNAL_SERVER_ERROR");
    assert!(
        !answer.error_message().contains("third"),
        "{}",
        answer.error_message()
    );
    before.assert_unchanged("an event that failed").await;
    let repair = "ALTER TABLE seats DROP CONSTRAINT no_third_seat";
    sql.batch_execute(repair).await.unwrap();
    assert_eq!(staff.create_event(&input).await["event"]["version"], 1);
}
