//! The demo plans: that they are accepted, and that they are halls one could
//! sit in.

use std::collections::{BTreeSet, HashMap};

use super::super::PlanDocument;
use crate::model::seating_plan::PlanSeat;
use crate::model::status::ZoneKind;

const THEATRE: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/demo/plans/theatre.json"
));
const CONCERT_HALL: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/demo/plans/concert-hall.json"
));
const CLUB: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/plans/club.json"));

/// Drawn with a radius of 10, seats closer than this would touch.
const NEAREST_SEATS: f64 = 22.0;

fn plan(json: &[u8]) -> PlanDocument {
    PlanDocument::parse(json).unwrap_or_else(|refused| panic!("{refused}"))
}

fn all() -> [PlanDocument; 3] {
    [plan(THEATRE), plan(CONCERT_HALL), plan(CLUB)]
}

/// How many seats each zone has, by its name.
fn zone_sizes(plan: &PlanDocument) -> Vec<(&str, usize)> {
    let mut sizes: Vec<(&str, usize)> = plan
        .zones
        .iter()
        .map(|zone| (zone.name.as_str(), 0))
        .collect();
    for seat in &plan.seats {
        sizes[seat.zone].1 += 1;
    }
    sizes
}

fn wheelchair_places(plan: &PlanDocument) -> usize {
    plan.seats.iter().filter(|seat| seat.accessible).count()
}

fn place(seat: &PlanSeat) -> Option<(f64, f64)> {
    seat.x.zip(seat.y)
}

#[test]
fn the_theatre_has_five_hundred_seats() {
    let plan = plan(THEATRE);
    assert_eq!(plan.seats.len(), 500);
    assert_eq!(wheelchair_places(&plan), 6);
    assert_eq!(
        zone_sizes(&plan),
        [
            ("Stalls", 297),
            ("Boxes Left", 16),
            ("Boxes Right", 16),
            ("Circle", 171),
        ]
    );
    assert!(
        plan.seats.iter().all(|seat| {
            seat.number.as_deref() != Some("13") || seat.label.starts_with("Boxes")
        })
    );
}

#[test]
fn odd_numbers_of_the_theatre_are_on_the_left() {
    let plan = plan(THEATRE);
    let middle = plan.width / 2.0;
    for seat in &plan.seats {
        let zone = &plan.zones[seat.zone].name;
        let number: u32 = seat.number.as_deref().unwrap().parse().unwrap();
        // Number 1 may be the middle itself.
        if !zone.starts_with("Boxes") && number > 1 {
            assert_eq!(number % 2 == 1, seat.x.unwrap() < middle, "{}", seat.label);
        }
    }
}

#[test]
fn the_concert_hall_has_two_thousand_four_hundred_seats() {
    let plan = plan(CONCERT_HALL);
    assert_eq!(plan.seats.len(), 2_400);
    assert_eq!(wheelchair_places(&plan), 14);
    assert_eq!(
        zone_sizes(&plan),
        [
            ("Parterre", 1_212),
            ("Choir", 176),
            ("Side Balcony Left", 99),
            ("Side Balcony Right", 99),
            ("Balcony", 448),
            ("Gallery", 366),
        ]
    );
}

#[test]
fn the_club_has_seats_and_standing_room() {
    let plan = plan(CLUB);
    assert_eq!(
        zone_sizes(&plan),
        [
            ("Floor", 800),
            ("Terrace", 8),
            ("Gallery Left", 24),
            ("Gallery Right", 24),
            ("Gallery", 40),
            ("Lounge", 24),
        ]
    );
    assert_eq!(wheelchair_places(&plan), 4);
    let kinds: Vec<ZoneKind> = plan.zones.iter().map(|zone| zone.kind).collect();
    assert_eq!(kinds[0], ZoneKind::GeneralAdmission);
    assert!(kinds[1..].iter().all(|kind| *kind == ZoneKind::Seated));
    assert_eq!(plan.seats.last().unwrap().label, "Lounge, table 6, chair 4");
}

#[test]
fn no_two_seats_overlap() {
    for plan in all() {
        // Seats by the cell of a grid, so that only neighbours are compared.
        let mut grid: HashMap<(i64, i64), Vec<&PlanSeat>> = HashMap::new();
        for seat in &plan.seats {
            let Some((x, y)) = place(seat) else { continue };
            #[allow(clippy::cast_possible_truncation, reason = "which cell of the grid")]
            let (column, line) = ((x / NEAREST_SEATS) as i64, (y / NEAREST_SEATS) as i64);
            for beside in (-1..=1).flat_map(|across| (-1..=1).map(move |down| (across, down))) {
                for other in grid
                    .get(&(column + beside.0, line + beside.1))
                    .into_iter()
                    .flatten()
                {
                    let (other_x, other_y) = place(other).unwrap();
                    let distance = (x - other_x).hypot(y - other_y);
                    assert!(
                        distance >= NEAREST_SEATS,
                        "{}: {} and {} are {distance} apart",
                        plan.name,
                        seat.label,
                        other.label
                    );
                }
            }
            grid.entry((column, line)).or_default().push(seat);
        }
    }
}

#[test]
fn every_seat_is_inside_the_drawing() {
    let margin = 24.0;
    for plan in all() {
        for (x, y) in plan.seats.iter().filter_map(place) {
            assert!((margin..=plan.width - margin).contains(&x), "{}", plan.name);
            assert!(
                (margin..=plan.height - margin).contains(&y),
                "{}",
                plan.name
            );
        }
    }
}

#[test]
fn every_seat_has_a_label_of_its_own_and_every_category_a_seat() {
    for plan in all() {
        let seated: Vec<&PlanSeat> = plan
            .seats
            .iter()
            .filter(|seat| seat.row.is_some())
            .collect();
        let labels: BTreeSet<&str> = seated.iter().map(|seat| seat.label.as_str()).collect();
        assert_eq!(labels.len(), seated.len(), "{}", plan.name);

        let used: BTreeSet<usize> = plan.seats.iter().map(|seat| seat.category).collect();
        assert_eq!(used.len(), plan.categories.len(), "{}", plan.name);
        let colors: BTreeSet<&str> = plan
            .categories
            .iter()
            .map(|category| category.color.as_str())
            .collect();
        assert_eq!(colors.len(), plan.categories.len(), "{}", plan.name);
    }
}

#[test]
fn rows_skip_the_letters_that_look_like_digits() {
    for plan in all() {
        assert!(plan.seats.iter().all(|seat| {
            seat.row
                .as_ref()
                .is_none_or(|row| !["I", "O"].contains(&row.label.as_str()))
        }));
    }
}
