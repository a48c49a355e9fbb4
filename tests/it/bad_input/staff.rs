//! What staff may get wrong, and who is not staff.

use super::{assert_error, assert_refusal, id_of};
use crate::support::digest::Digest;
use crate::support::house::plan;
use crate::support::{Answer, House};
use serde_json::{Value, json};

/// The input of an event that can be created.
async fn event_input(house: &House) -> Value {
    let staff = house.staff();
    json!({
        "venueId": staff.create_venue("A House", "Europe/Berlin").await,
        "planId": staff.import_plan(&plan(1, 2)).await,
        "name": "An Evening", "currency": "EUR", "startsAt": "2030-01-01T19:30:00Z",
        "prices": [{"category": "Stalls", "amountMinor": 1_000}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_may_do_the_work_of_staff() {
    let house = House::open().await;
    let draft = house.draft(1, 1, json!({})).await;
    let event = house.event(1, 1).await;
    let input = event_input(&house).await;
    let document = plan(1, 1);
    let venue = input["venueId"].as_str().unwrap().to_owned();
    let new_name =
        |field: &str, id: &str, version: i32| json!({field: id, "version": version, "name": "x"});
    let before = Digest::of(&house).await;
    for (caller, code) in [
        (house.visitor(), "UNAUTHENTICATED"),
        (house.buyer("tess"), "FORBIDDEN"),
    ] {
        let answers: [Answer; 11] = [
            caller.try_create_venue("A House", "UTC").await,
            caller.try_import_plan(&document).await,
            caller.try_import_plan(&json!({})).await,
            caller.try_create_event(&input).await,
            caller.try_open_sale(&draft.id, draft.version).await,
            caller.close_sale(&event.id, event.version).await,
            caller.close_sale(&event.id, 99).await,
            caller.update_venue(&new_name("venueId", &venue, 1)).await,
            caller.update_venue(&new_name("venueId", &venue, 99)).await,
            caller
                .update_event(&new_name("eventId", &event.id, 2))
                .await,
            caller
                .update_event(&json!({"eventId": event.id, "version": 2}))
                .await,
        ];
        for answer in answers {
            assert_error(&answer, code);
        }
        before.assert_unchanged(code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_has_a_name_and_a_time_zone_that_there_is() {
    let house = House::open().await;
    let staff = house.staff();
    let before = Digest::of(&house).await;
    let too_long = "x".repeat(201);
    let megabyte = "x".repeat(1_000_000);
    for name in [
        "",
        " ",
        "\t\n",
        "a\0b",
        "a\nb",
        "\u{1b}[2J",
        &too_long,
        &megabyte,
    ] {
        let answer = staff.try_create_venue(name, "Europe/Berlin").await;
        assert_error(&answer, "BAD_USER_INPUT");
        assert!(answer.error_message().starts_with("input.name: "));
        before.assert_unchanged("a bad name").await;
    }
    for zone in [
        "",
        " ",
        "Berlin",
        "Mars/Olympus",
        "europe/berlin",
        "Europe/Berlin ",
        "Europe/Berlin\0",
        "+01:00",
        "CEST",
        &megabyte,
    ] {
        let answer = staff.try_create_venue("A House", zone).await;
        assert_error(&answer, "BAD_USER_INPUT");
        assert!(answer.error_message().starts_with("input.timeZone: "));
        before.assert_unchanged("a bad time zone").await;
    }
    let longest = "ä".repeat(200);
    let answer = staff
        .try_create_venue(&format!("  {longest}\n"), "UTC")
        .await;
    assert_eq!(answer.data()["venue"]["name"], longest, "trimmed");
}

/// Policies that make no sense for an event that starts in 2030 and whose holds last for
/// ten minutes, by the field that the error names.
pub(super) fn bad_policies() -> Vec<(&'static str, Value)> {
    let mut bad = vec![
        ("endsAt", json!({"endsAt": "2030-01-01T19:30:00Z"})),
        ("endsAt", json!({"endsAt": "2030-01-01T19:29:59.999999Z"})),
        ("endsAt", json!({"endsAt": "1970-01-01T00:00:00Z"})),
        (
            "holdTotalSeconds",
            json!({"holdSeconds": 600, "holdTotalSeconds": 599}),
        ),
        (
            "holdTotalSeconds",
            json!({"holdSeconds": 86_400, "holdTotalSeconds": 1_800}),
        ),
    ];
    for seconds in [0, -1, 86_401, i32::MIN, i32::MAX] {
        bad.push(("holdTotalSeconds", json!({"holdTotalSeconds": seconds})));
    }
    for limit in [0, -1, 10_001, i32::MIN, i32::MAX] {
        bad.push(("maxSeatsPerBuyer", json!({"maxSeatsPerBuyer": limit})));
        bad.push(("maxHoldsPerBuyer", json!({"maxHoldsPerBuyer": limit})));
    }
    bad
}

/// Changes of an event's input that make no sense, by the field that the error names.
fn bad_fields() -> Vec<(&'static str, Value)> {
    let price = |category: &str, amount: i64| json!({"category": category, "amountMinor": amount});
    let mut bad = vec![
        ("name", json!({"name": ""})),
        ("name", json!({"name": " \t "})),
        ("name", json!({"name": "a\0b"})),
        ("name", json!({"name": "x".repeat(201)})),
        ("prices", json!({"prices": []})),
        ("prices", json!({"prices": [price("Balcony", 1)]})),
        ("prices", json!({"prices": [price("stalls", 1)]})),
        (
            "prices[1].category",
            json!({"prices": [price("Stalls", 1), price("Stalls", 1)]}),
        ),
        (
            "prices",
            json!({"prices": [price("Stalls", 1), price("Balcony", 1)]}),
        ),
        (
            "saleEndsAt",
            json!({
                "saleStartsAt": "2029-01-01T00:00:00Z", "saleEndsAt": "2029-01-01T00:00:00Z"
            }),
        ),
        (
            "saleEndsAt",
            json!({
                "saleStartsAt": "2029-01-02T00:00:00Z", "saleEndsAt": "2029-01-01T00:00:00Z"
            }),
        ),
    ];
    for amount in [-1, 1_000_000_000_001, (1 << 53) - 1] {
        let changes = json!({"prices": [price("Stalls", amount)]});
        bad.push(("prices[0].amountMinor", changes));
    }
    for currency in ["", "eur", "EURO", "€", "ZZZ", "EU", " EUR", "EUR\0"] {
        bad.push(("currency", json!({"currency": currency})));
    }
    for seconds in [0, -1, 86_401, i32::MIN, i32::MAX] {
        bad.push(("holdSeconds", json!({"holdSeconds": seconds})));
    }
    for seats in [0, -1, 501, i32::MIN, i32::MAX] {
        bad.push(("maxSeatsPerHold", json!({"maxSeatsPerHold": seats})));
    }
    bad.extend(bad_policies());
    // RFC 3339 has four digits for a year.
    for field in ["startsAt", "endsAt", "saleStartsAt", "saleEndsAt"] {
        for time in [
            "-0001-01-01T00:00:00Z",
            "-250000-01-01T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "+262000-01-01T00:00:00Z",
        ] {
            bad.push(("\"DateTime\"", json!({field: time})));
        }
    }
    bad
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_created_with_fields_that_make_sense_only() {
    let house = House::open().await;
    let staff = house.staff();
    let input = event_input(&house).await;
    let before = Digest::of(&house).await;
    for (field, changes) in bad_fields() {
        let mut bad = input.clone();
        let changes = changes.as_object().unwrap().clone();
        let said = format!("{changes:?}");
        bad.as_object_mut().unwrap().extend(changes);
        let answer = staff.try_create_event(&bad).await;
        assert_error(&answer, "BAD_USER_INPUT");
        let message = answer.error_message();
        let field = format!("{field}: ");
        assert!(message.contains(&field), "{said}: {message}");
        before.assert_unchanged(&said).await;
    }
    staff.create_event(&input).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_an_event_that_are_of_no_such_kind_are_refused() {
    let house = House::open().await;
    let staff = house.staff();
    let input = event_input(&house).await;
    let before = Digest::of(&house).await;
    let amount = |amount: Value| json!([{"category": "Stalls", "amountMinor": amount}]);
    for (field, value) in [
        ("startsAt", json!("")),
        ("startsAt", json!("tomorrow")),
        ("startsAt", json!("2030-02-30T00:00:00Z")),
        ("startsAt", json!("2030-01-01T25:00:00Z")),
        ("startsAt", json!("2030-01-01T00:00:00")),
        ("startsAt", json!("2030-01-01")),
        ("saleStartsAt", json!("\0")),
        ("saleEndsAt", json!("999999999-01-01T00:00:00Z")),
        ("prices", amount(json!(10.5))),
        ("prices", amount(json!("10"))),
        ("prices", amount(json!(1_u64 << 53))),
        ("prices", amount(json!(u64::MAX))),
        ("prices", amount(json!(1e30))),
        ("holdSeconds", json!(1_i64 << 31)),
        ("maxSeatsPerHold", json!(-(1_i64 << 31) - 1)),
    ] {
        let mut bad = input.clone();
        bad[field] = value;
        let answer = staff.try_create_event(&bad).await;
        assert_error(&answer, "BAD_USER_INPUT");
        before.assert_unchanged(&format!("{bad}")).await;
    }
    for (field, value) in [
        ("startsAt", json!(null)),
        ("holdSeconds", json!("600")),
        ("holdSeconds", json!(null)),
        ("maxSeatsPerHold", json!(1.5)),
        ("prices", json!([null])),
        ("name", json!(5)),
    ] {
        let mut bad = input.clone();
        bad[field] = value;
        let answer = staff.try_create_event(&bad).await;
        assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
        before.assert_unchanged(&format!("{bad}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_events_is_asked_for_times_that_a_calendar_has() {
    let house = House::open().await;
    let visitor = house.visitor();
    for field in ["startsFrom", "startsBefore"] {
        let query = format!(
            "query($time: DateTime) {{ events(filter: {{{field}: $time}}) {{ nodes {{ id }} }} }}"
        );
        for time in ["-250000-01-01T00:00:00Z", "+262000-01-01T00:00:00Z", "soon"] {
            let answer = visitor.ask(&query, json!({"time": time})).await;
            assert_error(&answer, "BAD_USER_INPUT");
        }
        for time in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"] {
            let answer = visitor.ask(&query, json!({"time": time})).await;
            assert_eq!(answer.data()["events"]["nodes"], json!([]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_changes_from_the_version_and_the_status_that_it_is_in_only() {
    let house = House::open().await;
    let staff = house.staff();
    let draft = house.draft(1, 1, json!({})).await;
    let open = house.event(1, 1).await;
    let before = Digest::of(&house).await;
    for version in [0, -1, 2, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let answer = staff.try_open_sale(&draft.id, version).await;
        assert_refusal(&answer, "EventVersionConflict", "VERSION_CONFLICT");
        assert_eq!(answer.data()["expectedVersion"], version);
        assert_eq!(answer.data()["event"]["version"], 1);
    }
    for version in [0, -1, 1, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let answer = staff.close_sale(&open.id, version).await;
        assert_refusal(&answer, "EventVersionConflict", "VERSION_CONFLICT");
        assert_eq!(answer.data()["event"]["version"], 2);
    }
    for version in [1 << 31, -(1 << 31) - 1] {
        assert_error(
            &staff.try_open_sale(&draft.id, version).await,
            "BAD_USER_INPUT",
        );
        assert_error(&staff.close_sale(&open.id, version).await, "BAD_USER_INPUT");
    }
    let closed = staff.close_sale(&draft.id, 1).await;
    assert_refusal(&closed, "EventStatusConflict", "STATUS_CONFLICT");
    assert_eq!(closed.data()["event"]["status"], "DRAFT");
    let opened = staff.try_open_sale(&open.id, 2).await;
    assert_refusal(&opened, "EventStatusConflict", "STATUS_CONFLICT");
    assert_eq!(opened.data()["event"]["status"], "ON_SALE");
    let unknown = id_of("Event:99");
    assert_error(&staff.try_open_sale(&unknown, 1).await, "NOT_FOUND");
    assert_error(&staff.close_sale(&unknown, 1).await, "NOT_FOUND");
    before.assert_unchanged("sales that cannot change so").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_seating_plan_is_not_stored() {
    let house = House::open().await;
    let staff = house.staff();
    let before = Digest::of(&house).await;
    let mut with_nul = plan(1, 1);
    with_nul["name"] = json!("a\0b");
    let mut nul_in_area = plan(1, 1);
    nul_in_area["zones"][0]["areas"] = json!([{"shape": "text", "a\0": 1}]);
    for (document, path) in [
        (json!({}), "name"),
        (json!([]), "$"),
        (json!("{}"), "$"),
        (json!(5), "$"),
        (json!(true), "$"),
        (json!({"name": "x", "categories": [], "zones": []}), "zones"),
        (with_nul, "name"),
        (nul_in_area, "zones[0].areas[0]"),
    ] {
        let answer = staff.try_import_plan(&document).await;
        assert_refusal(&answer, "SeatingPlanRefused", "SEATING_PLAN_REFUSED");
        let problem = &answer.data()["problems"][0];
        assert_eq!(problem["path"], path, "{document}: {problem}");
        before.assert_unchanged("a bad plan").await;
    }
    let answer = staff.try_import_plan(&json!(null)).await;
    assert_error(&answer, "GRAPHQL_VALIDATION_FAILED");
    before.assert_unchanged("no plan").await;
}
