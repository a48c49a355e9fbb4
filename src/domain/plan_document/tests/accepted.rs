//! What a good document becomes.

use serde_json::{Value, json};

use super::super::{DEFAULT_COLOR, MAX_SEATS, MAX_TEXT, PlanDocument};
use super::{parse, parsed, plan_of, plan_of_seats, seat, seat_with};
use crate::model::seating_plan::{Category, PlanRow, PlanSeat, Zone};
use crate::model::status::ZoneKind;

fn labels(document: &Value) -> Vec<String> {
    parsed(document)
        .seats
        .into_iter()
        .map(|seat| seat.label)
        .collect()
}

#[test]
fn a_whole_plan_is_read_in_document_order() {
    let areas = json!([{"shape": "text", "text": {"text": "Stage"}, "anything": [1, null]}]);
    let plan = parsed(&json!({
        "name": "Test hall",
        "categories": [{"name": "Stalls", "color": "#0072B2"}, {"name": "Standing"}],
        "zones": [
            {
                "name": "Floor",
                "position": {"x": 100, "y": 10},
                "areas": areas,
                "rows": [
                    {"row_number": "A", "position": {"x": 20, "y": 5}, "seats": [
                        {"seat_guid": "f-1", "seat_number": "1", "category": "Stalls",
                         "position": {"x": 3, "y": 0.5}},
                        {"seat_guid": "f-2", "seat_number": "2", "category": "Stalls",
                         "position": {"x": -30.5, "y": 0}, "accessible": true},
                    ]},
                ],
            },
            {"name": "Pit", "position": {"x": 7, "y": 8},
             "general_admission": {"capacity": 2, "category": "Standing"}},
        ],
        "size": {"width": 400, "height": 300.5},
    }));

    let row = PlanRow {
        index: 0,
        label: "A".to_owned(),
    };
    let first = PlanSeat {
        guid: "f-1".to_owned(),
        zone: 0,
        row: Some(row),
        number: Some("1".to_owned()),
        label: "Floor, row A, seat 1".to_owned(),
        category: 0,
        accessible: false,
        x: Some(123.0),
        y: Some(15.5),
    };
    let second = PlanSeat {
        guid: "f-2".to_owned(),
        number: Some("2".to_owned()),
        label: "Floor, row A, seat 2".to_owned(),
        accessible: true,
        x: Some(89.5),
        y: Some(15.0),
        ..first.clone()
    };
    let place = |guid: &str| PlanSeat {
        guid: guid.to_owned(),
        zone: 1,
        row: None,
        number: None,
        label: "Pit".to_owned(),
        category: 1,
        accessible: false,
        x: None,
        y: None,
    };
    let category = |name: &str, color: &str| Category {
        name: name.to_owned(),
        color: color.to_owned(),
    };
    let expected = PlanDocument {
        name: "Test hall".to_owned(),
        width: 400.0,
        height: 300.5,
        categories: vec![
            category("Stalls", "#0072B2"),
            category("Standing", DEFAULT_COLOR),
        ],
        zones: vec![
            Zone {
                name: "Floor".to_owned(),
                kind: ZoneKind::Seated,
                x: 100.0,
                y: 10.0,
                areas,
            },
            Zone {
                name: "Pit".to_owned(),
                kind: ZoneKind::GeneralAdmission,
                x: 7.0,
                y: 8.0,
                areas: json!([]),
            },
        ],
        seats: vec![
            first,
            second,
            place("general-admission:1:1"),
            place("general-admission:1:2"),
        ],
    };
    assert_eq!(plan, expected);
}

#[test]
fn rows_are_counted_over_the_whole_plan_and_empty_ones_count() {
    let zone = |guid: &str| {
        json!({"rows": [
            {"row_number": "A", "seats": []},
            {"row_number": "B", "seats": [seat(guid)]},
        ]})
    };
    let indexes: Vec<Option<usize>> = parsed(&plan_of(json!([zone("a"), zone("b")])))
        .seats
        .into_iter()
        .map(|seat| seat.row.map(|row| row.index))
        .collect();
    assert_eq!(indexes, [Some(1), Some(3)]);
}

#[test]
fn positions_of_zone_and_row_may_be_missing_and_sums_stay_decimal() {
    let at = |position: Value| seat_with("position", position);
    let plan = parsed(&plan_of(json!([
        {"rows": [{"row_number": 1, "seats": [at(json!({"x": 4, "y": -5}))]}]},
        {"position": {"x": 0.1, "y": -0.1}, "rows": [
            {"row_number": 1, "position": {"x": 0.2, "y": 0.1}, "seats": [
                {"seat_guid": "b", "seat_number": 1, "category": "Stalls",
                 "position": {"x": 0, "y": 0}},
            ]},
        ]},
    ])));
    let places: Vec<_> = plan.seats.iter().map(|seat| (seat.x, seat.y)).collect();
    assert_eq!(
        places,
        [(Some(4.0), Some(-5.0)), (Some(0.3), Some(0.0))],
        "0.1 + 0.2 should be 0.3"
    );
}

#[test]
fn numbers_may_be_json_numbers() {
    for (given, read) in [
        (json!("012a"), "012a"),
        (json!(7), "7"),
        (json!(7.0), "7"),
        (json!(7.5), "7.5"),
        (json!(-1), "-1"),
        (json!(12_345_678_901_u64), "12345678901"),
    ] {
        let plan = parsed(&plan_of(json!([{"rows": [
            {"row_number": given, "seats": [seat_with("seat_number", given.clone())]},
        ]}])));
        let seat = &plan.seats[0];
        assert_eq!(seat.number.as_deref(), Some(read));
        assert_eq!(seat.row.as_ref().map(|row| row.label.as_str()), Some(read));
    }
}

#[test]
fn labels_use_the_words_that_the_plan_brings() {
    let row = |row: Value| plan_of(json!([{"name": "Stalls", "rows": [row]}]));
    for (words, expected) in [
        (json!({"row_number": "F"}), "Stalls, row F, seat 12"),
        (json!({"row_number": ""}), "Stalls, seat 12"),
        (
            json!({"row_number": "3", "row_label": "Table %s", "seat_label": "chair %s"}),
            "Stalls, Table 3, chair 12",
        ),
        (
            json!({"row_number": "3", "row_label": "Loge", "seat_label": "Platz"}),
            "Stalls, Loge, Platz 12",
        ),
        (
            json!({"row_number": "F", "row_label": null, "seat_label": ""}),
            "Stalls, row F, seat 12",
        ),
        (
            json!({"row_number": "F", "row_label": "%s%s"}),
            "Stalls, F%s, seat 12",
        ),
    ] {
        let mut words = words;
        words["seats"] = json!([seat("a")]);
        assert_eq!(labels(&row(words)), [expected]);
    }
    let own = plan_of_seats(json!([seat_with("seat_label", json!("The King's seat"))]));
    assert_eq!(labels(&own), ["The King's seat"]);
}

#[test]
fn the_short_row_label_stays_the_row_number() {
    let plan = parsed(&plan_of(json!([{"rows": [
        {"row_number": "F", "row_label": "Row F (back)", "seats": [seat("a")]},
    ]}])));
    assert_eq!(
        plan.seats[0].row.as_ref().map(|row| row.label.as_str()),
        Some("F")
    );
}

#[test]
fn zones_without_a_name_are_numbered() {
    let plan = parsed(&plan_of(json!([
        {"rows": [{"row_number": "A", "seats": [seat("a")]}]},
        {"name": "  "},
        {"name": null, "general_admission": {"capacity": 1, "category": "Stalls"}},
    ])));
    let names: Vec<&str> = plan.zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names, ["Zone 1", "Zone 2", "Zone 3"]);
    assert_eq!(plan.seats[1].label, "Zone 3");
}

#[test]
fn names_of_every_script_are_fine() {
    for name in [
        "Café ☕",
        "客席",
        "🎭👩‍🦽",
        "המרפסת הגדולה",
        "الشرفة",
        "Ложа №5",
    ] {
        let mut document = plan_of_seats(json!([seat_with("category", json!(name))]));
        document["name"] = json!(name);
        document["categories"] = json!([{ "name": name }]);
        document["zones"][0]["name"] = json!(name);
        let plan = parsed(&document);
        assert_eq!(plan.name, name);
        assert_eq!(plan.seats[0].label, format!("{name}, row F, seat 12"));
    }
}

#[test]
fn length_is_counted_in_characters_and_not_in_bytes() {
    let longest = "é".repeat(MAX_TEXT);
    let mut document = plan_of_seats(json!([seat(&longest)]));
    document["name"] = json!(longest);
    assert_eq!(parsed(&document).name, longest);
}

#[test]
fn colors_may_be_short_long_or_named() {
    for color in ["#fff", "#A1b2C3", "rebeccapurple", "Red"] {
        let mut document = plan_of_seats(json!([seat("a")]));
        document["categories"][0]["color"] = json!(color);
        assert_eq!(parsed(&document).categories[0].color, color);
    }
}

#[test]
fn keys_that_are_not_known_are_ignored() {
    let mut seat = seat("a");
    seat["uuid"] = json!("3f0c");
    seat["radius"] = json!(10);
    let mut document = plan_of_seats(json!([seat]));
    document["zones"][0]["zone_id"] = json!("floor");
    document["zones"][0]["rows"][0]["row_number_position"] = json!("both");
    document["layer"] = json!({"a": {"b": []}});
    assert_eq!(parsed(&document).seats.len(), 1);
}

#[test]
fn a_missing_size_is_drawn_around_the_seats() {
    let at = |guid: &str, x: f64, y: f64| {
        let mut seat = seat(guid);
        seat["position"] = json!({"x": x, "y": y});
        seat
    };
    let size = |zone: Value| {
        let mut document = plan_of(json!([zone]));
        document["size"] = Value::Null;
        let plan = parsed(&document);
        (plan.width, plan.height)
    };
    let rows = |seats: Value| json!({"rows": [{"row_number": "A", "seats": seats}]});
    let spread = json!([at("a", 300.0, 20.0), at("b", 10.0, 150.5)]);
    assert_eq!(size(rows(spread)), (324.0, 174.5));
    assert_eq!(size(rows(json!([at("a", -50.0, -1.0)]))), (24.0, 24.0));
    assert_eq!(
        size(json!({"general_admission": {"capacity": 3, "category": "Stalls"}})),
        (800.0, 600.0)
    );
}

#[test]
fn capacities_may_be_written_as_floats_and_fill_a_plan_to_the_brim() {
    let standing = |capacity: Value| {
        plan_of(json!([
            {"general_admission": {"capacity": capacity, "category": "Balcony"}},
        ]))
    };
    for (capacity, places) in [
        (json!(1), 1),
        (json!(8e2), 800),
        (json!(MAX_SEATS), MAX_SEATS),
    ] {
        let plan = parsed(&standing(capacity));
        assert_eq!(plan.seats.len(), places);
        assert_eq!(plan.seats[0].category, 1);
    }
}

#[test]
fn guids_of_standing_places_are_the_same_each_time() {
    let document = plan_of(json!([
        {"general_admission": {"capacity": 2, "category": "Stalls"}},
        {"rows": [{"row_number": "A", "seats": [seat("0:1"), seat("general-admission")]}]},
        {"general_admission": {"capacity": 1, "category": "Stalls"}, "rows": []},
    ]));
    let guids: Vec<String> = parsed(&document)
        .seats
        .into_iter()
        .map(|seat| seat.guid)
        .collect();
    assert_eq!(
        guids,
        [
            "general-admission:0:1",
            "general-admission:0:2",
            "0:1",
            "general-admission",
            "general-admission:2:1",
        ]
    );
    assert_eq!(parsed(&document), parsed(&document));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let document = format!("\u{feff}{}", plan_of_seats(json!([seat("a")])));
    assert!(PlanDocument::parse(document.as_bytes()).is_ok());
}

#[test]
fn two_seats_may_share_a_label_and_a_position() {
    assert!(parse(&plan_of_seats(json!([seat("a"), seat("b")]))).is_ok());
}
