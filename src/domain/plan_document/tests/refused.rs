//! What refuses a document as a whole, and how a refusal reads.

use serde_json::{Value, json};

use super::super::{MAX_CATEGORIES, MAX_PROBLEMS, MAX_SEATS, MAX_ZONES, PlanDocument};
use super::{assert_problems, plan_of, plan_of_seats, refused, seat};

fn only_message(json: &[u8]) -> String {
    let refused = PlanDocument::parse(json).expect_err("the plan should be refused");
    assert_eq!(refused.problems.len(), 1, "{refused}");
    assert_eq!(refused.problems[0].path, "$");
    refused.problems[0].message.clone()
}

#[test]
fn what_is_not_json_is_named_by_line_and_column() {
    assert_eq!(
        only_message(b"{\n  \"name\": oops\n}"),
        "is not JSON: expected value at line 2 column 11"
    );
    for broken in [
        &b"PK\x03\x04"[..],
        b"{\"name\": \"\\ud800\"}",
        b"[1e999]",
        b"{} {}",
    ] {
        let message = only_message(broken);
        assert!(message.starts_with("is not JSON: "), "{message}");
        assert!(message.contains(" at line 1 column "), "{message}");
    }
}

#[test]
fn a_document_that_was_cut_off_says_where_it_ends() {
    for (cut_off, place) in [
        (&b""[..], "line 1 column 0"),
        (b"{\n  \"name\": \"Pocket", "line 2 column 17"),
        (b"{\n  \"zones\": [\n", "line 3 column 0"),
    ] {
        assert_eq!(
            only_message(cut_off),
            format!("is not JSON: it ends too early, at {place}")
        );
    }
}

#[test]
fn only_what_is_not_utf_8_is_told_so() {
    for (broken, line) in [
        (&b"{\"name\": \"\xff\"}"[..], 1),
        (b"{\n\n  \"name\": \"Caf\xe9\"\n}", 3),
        (b"\xff\xfe{\0}\0", 1),
        // A character that was cut in two by the end.
        (b"{\n  \"name\": \"Caf\xc3", 2),
    ] {
        assert_eq!(
            only_message(broken),
            format!("is not UTF-8 in line {line}: save the plan's document as UTF-8")
        );
    }
}

#[test]
fn a_deeply_nested_document_is_refused_and_not_followed() {
    let deep = "[".repeat(1_000_000);
    assert!(only_message(deep.as_bytes()).contains("recursion limit exceeded"));
}

#[test]
fn the_top_level_has_to_be_an_object() {
    for (json, kind) in [
        ("[]", "an array"),
        ("null", "null"),
        ("\"plan\"", "a string"),
        ("7", "a number"),
        ("true", "a boolean"),
    ] {
        assert_eq!(
            only_message(json.as_bytes()),
            format!("must be an object, but is {kind}")
        );
    }
}

#[test]
fn an_empty_object_lacks_everything_at_once() {
    assert_problems(
        &json!({}),
        &[
            ("name", "is missing: give the plan a name"),
            (
                "categories",
                "is missing: list the price levels as [{\"name\": \"Stalls\"}]",
            ),
            (
                "zones",
                "is missing: list the parts of the hall, each with its rows of seats",
            ),
        ],
    );
}

#[test]
fn a_plan_inside_an_answer_of_an_api_is_recognised() {
    let document = json!({
        "id": 2, "name": "Main plan", "categories": [],
        "layout": plan_of_seats(json!([seat("a")])),
    });
    assert_problems(
        &document,
        &[(
            "zones",
            "is missing: send what is under layout, not the object around it",
        )],
    );
}

#[test]
fn a_plan_without_seats_is_refused() {
    let message = "hold no seats: give a zone rows with seats, or general_admission";
    for zones in [
        json!([]),
        json!([{"name": "Stage"}]),
        json!([{"rows": [{"row_number": "A", "seats": []}]}]),
    ] {
        assert_problems(&plan_of(zones), &[("zones", message)]);
    }
}

#[test]
fn all_problems_are_reported_together_with_their_paths() {
    let document = json!({
        "name": 5,
        "categories": [{"name": "Stalls"}, "Balcony"],
        "zones": [
            {"name": ["Floor"], "position": "left", "rows": {}},
            null,
            {"areas": [4], "rows": [
                {"seats": [{"seat_guid": 7, "seat_number": [], "position": {"x": "1"},
                            "category": "Stalls", "accessible": "yes"}, 8]},
                9,
            ]},
        ],
        "size": {"width": 0},
    });
    assert_problems(
        &document,
        &[
            ("name", "must be a string, but is a number"),
            ("categories[1]", "must be an object, but is a string"),
            ("zones[0].name", "must be a string, but is an array"),
            ("zones[0].position", "must be an object, but is a string"),
            ("zones[0].rows", "must be an array, but is an object"),
            ("zones[1]", "must be an object, but is null"),
            ("zones[2].areas[0]", "must be an object, but is a number"),
            (
                "zones[2].rows[0].row_number",
                "is missing: give the row the letter or number that is painted on it, or \"\"",
            ),
            (
                "zones[2].rows[0].seats[0].seat_guid",
                "must be a string, but is a number",
            ),
            (
                "zones[2].rows[0].seats[0].seat_number",
                "must be a string or a number, but is an array",
            ),
            (
                "zones[2].rows[0].seats[0].accessible",
                "must be true or false, but is a string",
            ),
            (
                "zones[2].rows[0].seats[0].position.x",
                "must be a number, but is a string",
            ),
            (
                "zones[2].rows[0].seats[0].position.y",
                "is missing: give it in plan units",
            ),
            (
                "zones[2].rows[0].seats[1]",
                "must be an object, but is a number",
            ),
            ("zones[2].rows[1]", "must be an object, but is a number"),
            (
                "size.width",
                "must be more than 0, but is 0; leave size out to have it computed",
            ),
            ("size.height", "is missing: give it in plan units"),
        ],
    );
}

#[test]
fn twenty_problems_are_spelled_out_and_the_rest_is_counted() {
    let bad_seats = |count: usize| plan_of_seats(vec![Value::from(1); count].into());

    let exactly = refused(&bad_seats(MAX_PROBLEMS));
    assert_eq!((exactly.problems.len(), exactly.further), (20, 0));
    assert_eq!(exactly.to_string().lines().count(), 20);

    let one_more = refused(&bad_seats(MAX_PROBLEMS + 1));
    assert_eq!((one_more.problems.len(), one_more.further), (20, 1));
    assert!(one_more.to_string().ends_with("\nand 1 further problem"));

    let many = refused(&bad_seats(5_000));
    assert_eq!((many.problems.len(), many.further), (20, 4_980));
    let text = many.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 21);
    assert_eq!(
        lines[19],
        "zones[0].rows[0].seats[19]: must be an object, but is a number"
    );
    assert_eq!(lines[20], "and 4980 further problems");
}

#[test]
fn too_many_seats_are_counted_but_not_built() {
    let zone =
        |capacity: u64| json!({"general_admission": {"capacity": capacity, "category": "Stalls"}});
    let over = "hold 200001 seats, but a plan has at most 200000: make several plans of it";
    assert_problems(
        &plan_of(json!([zone(100_000), zone(100_001)])),
        &[("zones", over)],
    );
    assert_problems(
        &plan_of(json!([
            zone(MAX_SEATS as u64),
            {"rows": [{"row_number": "A", "seats": [seat("a")]}]},
        ])),
        &[("zones", over)],
    );
    assert_problems(
        &plan_of(json!([zone(1_000_000_000_000)])),
        &[(
            "zones[0].general_admission.capacity",
            "is 1000000000000, but a plan has at most 200000 seats",
        )],
    );
    // As much as every zone may claim, which would be two billion places.
    let every_zone = vec![zone(MAX_SEATS as u64); MAX_ZONES];
    assert_problems(
        &plan_of(every_zone.into()),
        &[(
            "zones",
            "hold 2000000000 seats, but a plan has at most 200000: make several plans of it",
        )],
    );
}

#[test]
fn too_many_categories_or_zones_are_refused() {
    let mut document = plan_of_seats(json!([seat("a")]));
    document["categories"] = (0..=MAX_CATEGORIES)
        .map(|index| json!({"name": format!("Level {index}")}))
        .collect();
    assert_problems(
        &document,
        &[(
            "categories",
            "has 1001 entries, but a plan has at most 1000",
        )],
    );

    let zone = json!({"general_admission": {"capacity": 1, "category": "Stalls"}});
    assert_problems(
        &plan_of(vec![zone; MAX_ZONES + 1].into()),
        &[("zones", "has 10001 entries, but a plan has at most 10000")],
    );
}
