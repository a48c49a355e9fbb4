//! Seating plans through the API: the demo's, a bad one, and a stadium.

use super::{ask_event, demo_plan, event_in};
use crate::support::digest::Digest;
use crate::support::{House, Seat, checks};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_halls_of_the_demo_are_imported_whole() {
    let house = House::open().await;
    let staff = house.staff();
    for (file, name, seats, categories, zones) in [
        ("theatre", "Lantern Theatre", 500, 5, 4),
        ("concert-hall", "Meridian Hall", 2_400, 6, 6),
        ("club", "The Copper Room", 920, 4, 6),
    ] {
        let document = demo_plan(file);
        let plan = staff.import_plan(&document).await;
        let query = "query($id: ID!) { node(id: $id) { ... on SeatingPlan { name width height \
            seatCount categories { name color } zones { name kind x y areas } } } }";
        let answer = house.visitor().ask(query, json!({"id": plan})).await;
        let plan = &answer.data()["node"];
        assert_eq!(plan["name"], name);
        assert_eq!(plan["seatCount"], seats);
        assert_eq!(plan["width"].as_f64(), document["size"]["width"].as_f64());
        assert_eq!(plan["height"].as_f64(), document["size"]["height"].as_f64());
        assert_eq!(plan["categories"], document["categories"], "{file}");
        assert_eq!(plan["categories"].as_array().unwrap().len(), categories);
        let stored = plan["zones"].as_array().unwrap();
        let drawn = document["zones"].as_array().unwrap();
        assert_eq!((stored.len(), drawn.len()), (zones, zones));
        for (stored, drawn) in stored.iter().zip(drawn) {
            assert_eq!(stored["name"], drawn["name"]);
            assert_eq!(stored["x"].as_f64(), drawn["position"]["x"].as_f64());
            let areas = drawn["areas"].as_array().cloned().unwrap_or_default();
            assert_eq!(stored["areas"], json!(areas), "{file}");
            let standing = drawn["general_admission"].is_object();
            let kind = if standing {
                "GENERAL_ADMISSION"
            } else {
                "SEATED"
            };
            assert_eq!(stored["kind"], kind);
        }
    }
    let mut sql = house.sql().await;
    assert_eq!(
        checks::count(&mut sql, "plan_seats").await,
        500 + 2_400 + 920
    );
    assert_eq!(
        checks::count(&mut sql, "plan_seats WHERE accessible").await,
        6 + 14 + 4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_mistakes_is_refused_whole_with_the_first_twenty() {
    let house = House::open().await;
    let staff = house.staff();
    let mut document = demo_plan("theatre");
    let seats = document["zones"][0]["rows"][0]["seats"]
        .as_array()
        .unwrap()
        .len();
    // One in a category that there is not, and one with the guid of another.
    document["zones"][0]["rows"][0]["seats"][0]["category"] = json!("Lounge");
    let guid = document["zones"][0]["rows"][0]["seats"][2]["seat_guid"].clone();
    document["zones"][0]["rows"][1]["seats"][0]["seat_guid"] = guid;
    // And 25 without a guid, in a zone after it.
    let row = &mut document["zones"][3]["rows"];
    let mut broken = 0;
    for seat in row
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .flat_map(|row| row["seats"].as_array_mut().unwrap())
        .take(25)
    {
        seat.as_object_mut().unwrap().remove("seat_guid");
        broken += 1;
    }
    assert_eq!((broken, seats > 2), (25, true));
    let before = Digest::of(&house).await;
    let answer = staff.try_import_plan(&document).await;
    let refusal = answer.data();
    assert_eq!(refusal["__typename"], "SeatingPlanRefused");
    assert_eq!(refusal["code"], "SEATING_PLAN_REFUSED");
    assert_eq!(refusal["furtherProblems"], 7);
    let problems = refusal["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 20);
    let problem = |place: usize| {
        let text = |key: &str| problems[place][key].as_str().unwrap().to_owned();
        (text("path"), text("message"))
    };
    let (path, message) = problem(0);
    assert_eq!(path, "zones[0].rows[0].seats[0].category");
    assert!(
        message.contains("Lounge") && message.contains("Rear Stalls"),
        "{message}"
    );
    let (path, message) = problem(1);
    assert_eq!(path, "zones[0].rows[1].seats[0].seat_guid");
    assert!(message.contains("zones[0].rows[0].seats[2]"), "{message}");
    assert_eq!(problem(2).0, "zones[3].rows[0].seats[0].seat_guid");
    assert!(problem(19).0.ends_with(".seat_guid"));
    before.assert_unchanged("a plan of mistakes").await;
}

/// 58,000 seats and room for 2,000 to stand.
fn stadium() -> Value {
    let seat = |zone: u32, row: u32, seat: u32| {
        let mut written = json!({
            "seat_guid": format!("{zone}-{row}-{seat}"), "seat_number": (seat + 1).to_string(),
            "category": category(zone), "position": {"x": f64::from(seat) * 0.5, "y": 0},
        });
        if seat % 50 == 7 {
            written["accessible"] = json!(true);
        }
        written
    };
    let row = |zone: u32, row: u32| {
        json!({
            "row_number": format!("R{row}"), "position": {"x": 0.25, "y": row},
            "seats": (0..100).map(|number| seat(zone, row, number)).collect::<Value>(),
        })
    };
    let zone = |zone: u32| {
        json!({
            "name": format!("Block {zone}"), "position": {"x": zone * 100, "y": 10},
            "rows": (0..20).map(|number| row(zone, number)).collect::<Value>(),
        })
    };
    let pitch = json!({
        "name": "Pitch", "position": {"x": 0, "y": 0},
        "general_admission": {"capacity": 2_000, "category": "Lower"},
    });
    let mut zones: Vec<Value> = (0..29).map(zone).collect();
    zones.push(pitch);
    json!({
        "name": "Stadium", "categories": CATEGORIES.map(|name| json!({"name": name})),
        "zones": zones,
    })
}

const CATEGORIES: [&str; 3] = ["Lower", "Middle", "Upper"];

fn category(zone: u32) -> &'static str {
    CATEGORIES[zone as usize % 3]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stadium_of_60_000_seats_is_imported_and_read_back_as_it_was_drawn() {
    let house = House::open().await;
    let document = stadium();
    let plan = house.staff().import_plan(&document).await;
    let changes = json!({"prices": super::prices(&document)});
    let event = house.draft_on(&plan, changes).await;
    assert_eq!(event.seats.len(), 60_000);
    let staff = house.staff();
    let counts = ask_event(
        &staff,
        &event.id,
        "plan { seatCount } availability { total { available all } }",
    )
    .await;
    assert_eq!(counts["plan"]["seatCount"], 60_000);
    let total = json!({"available": 60_000, "all": 60_000});
    assert_eq!(counts["availability"]["total"], total);

    for zone in [0, 17, 28] {
        let list = format!("seats(filter: {{zone: \"Block {zone}\"}}");
        let fields = "id label zone row number category accessible x y status version";
        let seats = super::walk(&staff, &list, Some(&event.id), fields, 1_000).await;
        assert_eq!(seats.len(), 2_000);
        let of_zone = &event.seats[zone as usize * 2_000..];
        for ((place, seat), Seat { id, .. }) in (0..).zip(&seats).zip(of_zone) {
            let (row, number) = (place / 100, place % 100);
            let x = f64::from(zone * 100) + 0.25 + f64::from(number) * 0.5;
            assert_eq!(
                *seat,
                json!({
                    "id": id,
                    "label": format!("Block {zone}, row R{row}, seat {}", number + 1),
                    "zone": format!("Block {zone}"), "row": format!("R{row}"),
                    "number": (number + 1).to_string(), "category": category(zone),
                    "accessible": number % 50 == 7, "x": x,
                    "y": 10.0 + f64::from(row), "status": "AVAILABLE", "version": 1,
                })
            );
        }
    }
    let last = &event.seats[59_999];
    let query = "query($id: ID!) { node(id: $id) { ... on Seat { zone label category x } } }";
    let answer = staff.ask(query, json!({"id": last.id})).await;
    let pitch = json!({"zone": "Pitch", "label": "Pitch", "category": "Lower", "x": null});
    assert_eq!(answer.data()["node"], pitch);
    let mut sql = house.sql().await;
    let guids = "(SELECT DISTINCT guid FROM plan_seats) guids";
    assert_eq!(checks::count(&mut sql, guids).await, 60_000);
    let accessible = "plan_seats WHERE accessible";
    assert_eq!(checks::count(&mut sql, accessible).await, 29 * 20 * 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_events_on_one_plan_sell_their_own_seats() {
    let house = House::open().await;
    let document = demo_plan("theatre");
    let first = event_in(&house, &document).await;
    let plan = ask_event(&house.visitor(), &first.id, "plan { id }").await;
    let plan = plan["plan"]["id"].as_str().unwrap();
    let changes = json!({"prices": super::prices(&document)});
    let second = house.open_sale(house.draft_on(plan, changes).await).await;
    let visitor = house.visitor();
    for event in [&first, &second] {
        let held = visitor.hold(&event.id, &event.seats[..2]).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld");
    }
    let plans = checks::count(&mut house.sql().await, "seating_plans").await;
    assert_eq!(plans, 1);
}
