//! Documents of seating plans: a plan that is taken keeps every limit, and can be drawn, arranged
//! in rows and searched for seats; one that is refused is told why.

use chrono::DateTime;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use std::collections::HashSet;
use usher::domain::plan_document::{
    GENERAL_ADMISSION_GUID, MAX_CATEGORIES, MAX_COORDINATE, MAX_PROBLEMS, MAX_SEATS, MAX_TEXT,
    MAX_ZONES, PlanDocument, PlanRefused,
};
use usher::domain::plan_drawing;
use usher::domain::seating::best_available::{Search, best_available};
use usher::domain::seating::house::House;
use usher::domain::seating::party::{Adjacency, Party};
use usher::domain::text::{is_control, unfit_character};
use usher::model::ids::PlanId;
use usher::model::seating_plan::SeatingPlan;
use usher::model::status::ZoneKind;

/// The longest label, in characters: one that is put together.
const LONGEST_LABEL: usize = 6 * MAX_TEXT;

/// Larger plans are not searched for seats: that would take most of the time.
const SEATS_TO_SEARCH: usize = 300;

/// Reads a plan as an upload is read, and goes on with it as far as there is no database.
pub fn check(input: &[u8]) {
    let read = PlanDocument::parse(input);
    // A mutation has read the JSON already, and says the same of it.
    if let Ok(json) = serde_json::from_slice::<Value>(input) {
        assert_eq!(PlanDocument::check(&json), read);
    }
    match read {
        Ok(document) => {
            check_document(&document);
            use_plan(document);
        }
        Err(refused) => check_refusal(&refused),
    }
}

fn check_refusal(refused: &PlanRefused) {
    let count = refused.problems.len();
    assert!((1..=MAX_PROBLEMS).contains(&count), "{count} problems");
    assert!(refused.further == 0 || count == MAX_PROBLEMS);
    for problem in &refused.problems {
        assert!(!problem.path.is_empty() && !problem.message.is_empty());
        let text = problem.to_string();
        assert!(!text.contains(is_control), "{text:?} drives a terminal");
        assert!(text.len() < 1_000, "{text} is not to be read");
    }
}

fn check_document(document: &PlanDocument) {
    is_text(&document.name, MAX_TEXT);
    assert!(document.width > 0.0 && document.width.is_finite());
    assert!(document.height > 0.0 && document.height.is_finite());
    assert!((1..=MAX_SEATS).contains(&document.seats.len()));
    assert!((1..=MAX_CATEGORIES).contains(&document.categories.len()));
    assert!((1..=MAX_ZONES).contains(&document.zones.len()));
    let names: HashSet<_> = document
        .categories
        .iter()
        .map(|category| &category.name)
        .collect();
    assert_eq!(
        names.len(),
        document.categories.len(),
        "two categories of one name"
    );
    for zone in &document.zones {
        is_text(&zone.name, MAX_TEXT);
        is_position(zone.x);
        is_position(zone.y);
    }
    let guids: HashSet<_> = document.seats.iter().map(|seat| &seat.guid).collect();
    assert_eq!(guids.len(), document.seats.len(), "two seats of one guid");
    let mut last_row = 0;
    for seat in &document.seats {
        assert!(seat.category < document.categories.len());
        let zone = &document.zones[seat.zone];
        let is_standing = zone.kind == ZoneKind::GeneralAdmission;
        assert_eq!(is_standing, seat.row.is_none());
        assert_eq!(is_standing, seat.number.is_none());
        assert_eq!(is_standing, seat.x.is_none() && seat.y.is_none());
        assert_eq!(is_standing, seat.guid.starts_with(GENERAL_ADMISSION_GUID));
        is_text(&seat.label, LONGEST_LABEL);
        // A seat's place is its zone's, its row's and its own.
        for place in seat.x.iter().chain(&seat.y) {
            assert!(place.abs() <= 3.0 * MAX_COORDINATE, "{place} is nowhere");
        }
        if let Some(row) = &seat.row {
            assert!(row.index >= last_row, "rows stand in their order");
            last_row = row.index;
        }
    }
}

fn is_text(text: &str, longest: usize) {
    assert!(!text.trim().is_empty(), "{text:?} says nothing");
    assert!(text.chars().count() <= longest, "{text:?} is too long");
    assert_eq!(unfit_character(text), None, "{text:?}");
}

fn is_position(coordinate: f64) {
    assert!(
        coordinate.abs() <= MAX_COORDINATE,
        "{coordinate} is nowhere"
    );
}

fn use_plan(document: PlanDocument) {
    let plan = SeatingPlan::new(
        (PlanId(1), DateTime::UNIX_EPOCH),
        document.name,
        (document.width, document.height),
        document.categories,
        document.zones,
        document.seats,
    );
    let drawing = plan_drawing::render(&plan).expect("every plan can be drawn");
    let drawing: Value = serde_json::from_slice(&drawing).expect("a drawing is JSON");
    assert_eq!(drawing["seatCount"], plan.seats.len());
    let runs = drawing["runs"].as_array().expect("a drawing has runs");
    let drawn: u64 = runs.iter().filter_map(|run| run["count"].as_u64()).sum();
    assert_eq!(drawn, plan.seats.len() as u64);

    let in_rows: usize = plan
        .rows()
        .iter()
        .map(|row| row.blocks.iter().map(Vec::len).sum::<usize>())
        .sum();
    let seats = plan.seats.iter().filter(|seat| seat.row.is_some()).count();
    assert_eq!(in_rows, seats, "a seat is in one row, and once");
    if plan.seats.len() <= SEATS_TO_SEARCH {
        search(&plan);
    }
}

/// Looks for seats for two while every third is taken.
fn search(plan: &SeatingPlan) {
    let free: Vec<bool> = (0..plan.seats.len()).map(|seat| seat % 3 != 1).collect();
    let party = Party {
        size: 2,
        accessible: 0,
        category: None,
        zones: Vec::new(),
        adjacency: Adjacency::Preferred,
    };
    let search = Search {
        spread: 2.0,
        count: 3,
    };
    let house = House::new(plan, &free);
    let mut random = StdRng::seed_from_u64(1);
    let Ok(choices) = best_available(&house, &party, search, &mut random) else {
        return;
    };
    assert!(!choices.is_empty());
    for choice in choices {
        assert_eq!(choice.seats.len(), party.size);
        for seat in choice.seats {
            let seat = usize::try_from(seat).expect("a seat of the plan");
            assert!(free[seat], "a seat that is taken was offered");
        }
    }
}
