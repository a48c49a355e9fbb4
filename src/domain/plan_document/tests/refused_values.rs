//! What refuses a document because of one name, number or reference in it.

use serde_json::{Value, json};

use super::super::MAX_TEXT;
use super::{assert_problems, plan_of, plan_of_seats, refused, seat, seat_with};

const FIRST_SEAT: &str = "zones[0].rows[0].seats[0]";

/// Asserts the one problem of a plan whose only seat has `value` under `key`.
#[track_caller]
fn assert_seat_problem(key: &str, value: Value, below: &str, message: &str) {
    let path = format!("{FIRST_SEAT}.{below}");
    assert_problems(
        &plan_of_seats(json!([seat_with(key, value)])),
        &[(&path, message)],
    );
}

#[test]
fn a_plan_has_a_name() {
    for (name, message) in [
        (json!(null), "is missing: give the plan a name"),
        (json!(" \u{a0} "), "is empty: give the plan a name"),
        (json!({}), "must be a string, but is an object"),
    ] {
        let mut document = plan_of_seats(json!([seat("a")]));
        document["name"] = name;
        assert_problems(&document, &[("name", message)]);
    }
}

#[test]
fn a_seat_has_a_guid_a_number_a_position_and_a_category() {
    let guid = "give every seat an id that no other seat of the plan has";
    let number = "give the seat the number that is painted on it";
    for (key, given, message) in [
        ("seat_guid", json!(null), format!("is missing: {guid}")),
        ("seat_guid", json!(""), format!("is empty: {guid}")),
        ("seat_number", json!(null), format!("is missing: {number}")),
        ("seat_number", json!(" "), format!("is empty: {number}")),
        (
            "position",
            json!(null),
            "is missing: say where the seat is, as {\"x\": 0, \"y\": 0}".to_owned(),
        ),
        (
            "category",
            json!(null),
            "is missing: name one of the plan's categories".to_owned(),
        ),
        (
            "category",
            json!(""),
            "is empty: name one of the plan's categories".to_owned(),
        ),
    ] {
        assert_seat_problem(key, given, key, &message);
    }
}

#[test]
fn a_guid_used_twice_is_named_at_both_places() {
    let document = plan_of(json!([
        {"rows": [{"row_number": "A", "seats": [seat("a"), seat("b")]}]},
        {"rows": [
            {"row_number": "A", "seats": []},
            {"row_number": "B", "seats": [seat("c"), seat("b"), seat("b")]},
        ]},
    ]));
    let message = "\"b\" is the id of zones[0].rows[0].seats[1] too: give each its own";
    assert_problems(
        &document,
        &[
            ("zones[1].rows[1].seats[1].seat_guid", message),
            ("zones[1].rows[1].seats[2].seat_guid", message),
        ],
    );
}

#[test]
fn guids_of_standing_places_are_reserved() {
    assert_seat_problem(
        "seat_guid",
        json!("general-admission:0:1"),
        "seat_guid",
        "\"general-admission:0:1\" begins with general-admission:, which is kept for places \
         without a seat: choose another id",
    );
}

#[test]
fn an_unknown_category_is_told_which_there_are() {
    assert_seat_problem(
        "category",
        json!("stalls"),
        "category",
        "\"stalls\" is not a category of this plan, which has \"Stalls\", \"Balcony\"",
    );

    let mut document = plan_of_seats(json!([seat("a")]));
    document["categories"] = (1..=9)
        .map(|index| json!({"name": format!("{index}{}", "x".repeat(60))}))
        .collect();
    let long = |index: usize| format!("\"{index}{}…\"", "x".repeat(39));
    let listed: Vec<String> = (1..=6).map(long).collect();
    let expected = format!(
        "\"Stalls\" is not a category of this plan, which has {} and 3 more",
        listed.join(", ")
    );
    let path = format!("{FIRST_SEAT}.category");
    assert_problems(&document, &[(&path, &expected)]);

    document["categories"] = json!([]);
    let none = "\"Stalls\" is not a category of this plan, which has none";
    assert_problems(&document, &[(&path, none)]);
}

#[test]
fn unknown_categories_are_not_reported_when_the_list_itself_is_bad() {
    let mut document = plan_of_seats(json!([seat("a"), seat("b")]));
    document["categories"] = json!("Stalls");
    assert_problems(
        &document,
        &[("categories", "must be an array, but is a string")],
    );
    document["categories"] = json!([{"nome": "Stalls"}]);
    assert_problems(
        &document,
        &[(
            "categories[0].name",
            "is missing: seats refer to their category by its name",
        )],
    );
}

#[test]
fn category_names_differ() {
    let mut document = plan_of_seats(json!([seat("a")]));
    document["categories"] = json!([{"name": "Box"}, {"name": "Stalls"}, {"name": "Box"}]);
    assert_problems(
        &document,
        &[(
            "categories[2].name",
            "\"Box\" is the name of categories[0] too: give each its own",
        )],
    );
}

#[test]
fn colors_are_plain() {
    for color in [
        "",
        "#",
        "#ff",
        "#ffff",
        "#ggg",
        "#12345é",
        "rgb(1,2,3)",
        "url(//example.org/a)",
        "red;",
    ] {
        let mut document = plan_of_seats(json!([seat("a")]));
        document["categories"][0]["color"] = json!(color);
        let message =
            format!("\"{color}\" is not a colour: use #rgb, #rrggbb or a CSS colour name");
        assert_problems(&document, &[("categories[0].color", &message)]);
    }
}

#[test]
fn a_capacity_is_a_whole_number_of_at_least_one() {
    for (capacity, found) in [
        (json!(0), "0"),
        (json!(-3), "-3"),
        (json!(0.5), "0.5"),
        (json!(10.25), "10.25"),
        (json!("800"), "a string"),
        (json!([800]), "an array"),
    ] {
        let message = format!("must be a whole number of at least 1, but is {found}");
        let zone = json!({"general_admission": {"capacity": capacity, "category": "Stalls"}});
        assert_problems(
            &plan_of(json!([zone])),
            &[("zones[0].general_admission.capacity", &message)],
        );
    }
}

#[test]
fn general_admission_names_capacity_and_category() {
    let path = "zones[0].general_admission";
    assert_problems(
        &plan_of(json!([{"general_admission": {}}])),
        &[
            (
                &format!("{path}.category"),
                "is missing: name one of the plan's categories",
            ),
            (
                &format!("{path}.capacity"),
                "is missing: say how many people the zone takes",
            ),
        ],
    );
    assert_problems(
        &plan_of(json!([{"general_admission": 800}])),
        &[(path, "must be an object, but is a number")],
    );
}

#[test]
fn a_zone_has_rows_or_general_admission() {
    assert_problems(
        &plan_of(json!([{
            "rows": [{"row_number": "A", "seats": [seat("a")]}],
            "general_admission": {"capacity": 5, "category": "Stalls"},
        }])),
        &[(
            "zones[0].general_admission",
            "stands beside rows with seats: make it a zone of its own or take the rows out",
        )],
    );
}

#[test]
fn positions_are_finite_and_near() {
    let bounds = "must lie between -1000000 and 1000000";
    assert_seat_problem(
        "position",
        json!({"x": 1e300, "y": 0}),
        "position.x",
        bounds,
    );
    assert_seat_problem(
        "position",
        json!({"x": 0, "y": -1_000_001}),
        "position.y",
        bounds,
    );
    assert_seat_problem(
        "position",
        json!([1, 2]),
        "position",
        "must be an object, but is an array",
    );

    let mut document = plan_of_seats(json!([seat_with("position", json!({"x": 1, "y": 2}))]));
    document["zones"][0]["position"] = json!({"x": 1_000_000, "y": 0});
    let path = format!("{FIRST_SEAT}.position");
    let message = "adds up with its row's and zone's to (1000001, 2), \
                   but must lie between -1000000 and 1000000";
    assert_problems(&document, &[(&path, message)]);
}

#[test]
fn long_texts_are_refused_and_shortened() {
    let long = "ö".repeat(MAX_TEXT + 1);
    let message = format!("is longer than 200 characters: \"{}…\"", "ö".repeat(40));
    for key in ["seat_guid", "seat_number", "seat_label"] {
        assert_seat_problem(key, json!(long), key, &message);
    }
    let mut document = plan_of_seats(json!([seat("a")]));
    document["name"] = json!(long);
    document["zones"][0]["name"] = json!(long);
    document["zones"][0]["rows"][0]["row_label"] = json!(long);
    assert_problems(
        &document,
        &[
            ("name", &message),
            ("zones[0].name", &message),
            ("zones[0].rows[0].row_label", &message),
        ],
    );
}

#[test]
fn control_characters_are_refused_and_never_repeated() {
    assert_seat_problem(
        "seat_guid",
        json!("a\u{0}b"),
        "seat_guid",
        "has the control character U+0000, take it out: \"a\\u{0}b\"",
    );
    assert_seat_problem(
        "seat_label",
        json!("line\nbreak"),
        "seat_label",
        "has the control character U+000A, take it out: \"line\\nbreak\"",
    );
    let mut document = plan_of_seats(json!([seat("a")]));
    document["name"] = json!("\u{1b}[31mred\u{85}");
    let text = refused(&document).to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[test]
fn areas_that_no_json_column_can_store_are_refused() {
    let mut document = plan_of_seats(json!([seat("a")]));
    document["zones"][0]["areas"] =
        json!([{"text": {"text": "two\nlines"}}, {"text": {"text": ["Stage\u{0}"]}}]);
    assert_problems(
        &document,
        &[(
            "zones[0].areas[1]",
            "has the control character U+0000 in it, take it out",
        )],
    );
}
