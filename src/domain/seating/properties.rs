//! What must hold in any house for any party, compared with all ways there are.

use crate::domain::seating::best_available::{Choice, Search, best_available};
use crate::domain::seating::drawing::{Drawing, drawn};
use crate::domain::seating::house::House;
use crate::domain::seating::lone_seats::broken_by;
use crate::domain::seating::party::{Adjacency, Party};
use crate::model::ids::SeatNo;
use crate::model::rows::RowSeat;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::HashSet;

fn any_party() -> impl Strategy<Value = Party> {
    let category = prop_oneof![3 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(1))];
    let adjacency = prop_oneof![Just(Adjacency::Required), Just(Adjacency::Preferred)];
    let accessible = prop_oneof![3 => Just(0_usize), 1 => Just(1), 1 => Just(2)];
    (1_usize..8, accessible, category, adjacency).prop_map(
        |(size, accessible, category, adjacency)| Party {
            size,
            accessible,
            category,
            zones: Vec::new(),
            adjacency,
        },
    )
}

fn any_rows() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[.xo|aA]{0,3}[.]{0,3}[.xoaA|]{0,5}", 1..4)
}

/// All blocks that are drawn.
fn blocks(house: &Drawing) -> impl Iterator<Item = &Vec<RowSeat>> {
    let rows = house.plan.rows().iter().take(house.seats.len());
    rows.flat_map(|row| &row.blocks)
}

/// All windows of this size that suit the party and have so many places for
/// wheelchair users, each with whether it leaves a seat alone.
fn all_windows(house: &Drawing, party: &Party, size: usize) -> Vec<(Vec<SeatNo>, bool)> {
    let suits = |seat: &RowSeat| {
        house.is_free(seat.seat_no) && party.category.is_none_or(|wanted| seat.category == wanted)
    };
    let windows = blocks(house).flat_map(|block| {
        block.windows(size).map(|window| {
            let seats: Vec<SeatNo> = window.iter().map(|seat| seat.seat_no).collect();
            let alone = leaves_alone(house, block, &seats);
            (window, seats, alone)
        })
    });
    windows
        .filter(|(window, ..)| {
            let accessible = window.iter().filter(|seat| seat.accessible).count();
            window.iter().all(suits) && accessible == party.accessible
        })
        .map(|(_, seats, alone)| (seats, alone))
        .collect()
}

/// Whether somebody who takes these seats leaves one of this block alone beside
/// them, by the words of the rule.
fn leaves_alone(house: &Drawing, block: &[RowSeat], taken: &[SeatNo]) -> bool {
    let is_taken = |seat: &RowSeat| taken.contains(&seat.seat_no);
    let is_left = |seat: &RowSeat| house.is_free(seat.seat_no) && !is_taken(seat);
    (0..block.len()).any(|place| {
        let around = place.saturating_sub(1)..block.len().min(place + 2);
        let beside = around.filter(|other| *other != place);
        let beside: Vec<&RowSeat> = beside.map(|other| &block[other]).collect();
        is_left(&block[place])
            && !block[place].accessible
            && beside.iter().any(|seat| is_taken(seat))
            && !beside.iter().any(|seat| is_left(seat))
    })
}

/// Whether so many can sit in groups of two or more, by trying all ways; for
/// parties without places for wheelchair users.
fn can_part(house: &Drawing, party: &Party, size: usize, taken: &HashSet<SeatNo>) -> bool {
    size == 0
        || (2..=size).any(|group| {
            let windows = all_windows(house, party, group).into_iter();
            let mut free =
                windows.filter(|(seats, _)| seats.iter().all(|seat| !taken.contains(seat)));
            free.any(|(seats, _)| {
                let taken = taken.iter().copied().chain(seats).collect();
                can_part(house, party, size - group, &taken)
            })
        })
}

/// The sizes of the groups of these seats: neighbours in one block.
fn groups(house: &Drawing, seats: &[SeatNo]) -> Vec<usize> {
    blocks(house)
        .flat_map(|block| block.split(|seat| !seats.contains(&seat.seat_no)))
        .map(<[RowSeat]>::len)
        .filter(|size| *size > 0)
        .collect()
}

fn choices(house: &Drawing, party: &Party, count: usize, seed: u64) -> Option<Vec<Choice>> {
    let search = Search { spread: 3.0, count };
    let mut rng = StdRng::seed_from_u64(seed);
    let house = House::new(&house.plan, &house.free);
    best_available(&house, party, search, &mut rng).ok()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn every_choice_suits_the_party(rows in any_rows(), party in any_party(), seed: u64) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let house = drawn(&rows);
        let mut given = HashSet::new();
        for choice in choices(&house, &party, 4, seed).unwrap_or_default() {
            prop_assert_eq!(choice.seats.len(), party.size);
            for seat_no in &choice.seats {
                let seat = house.plan.seat(*seat_no).unwrap();
                prop_assert!(house.is_free(*seat_no));
                prop_assert!(given.insert(*seat_no), "{} is in two choices", seat_no);
                prop_assert!(party.category.is_none_or(|wanted| wanted == seat.category));
            }
            let seats = choice.seats.iter().map(|seat| house.plan.seat(*seat).unwrap());
            prop_assert_eq!(seats.filter(|seat| seat.accessible).count(), party.accessible);
            let groups = groups(&house, &choice.seats);
            prop_assert_eq!(groups.len(), choice.groups);
            let alone = party.size > 1 && groups.contains(&1);
            prop_assert!(!alone, "{:?} of a party sit alone", groups);
        }
    }

    #[test]
    fn the_order_of_the_rules_holds_and_nothing_is_missed(
        rows in any_rows(),
        party in any_party(),
        seed: u64,
    ) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let house = drawn(&rows);
        let windows = all_windows(&house, &party, party.size);
        let choices = choices(&house, &party, 4, seed);
        if !windows.is_empty() {
            let all_leave_one = windows.iter().all(|(_, alone)| *alone);
            for choice in choices.unwrap() {
                prop_assert_eq!(choice.groups, 1);
                prop_assert_eq!(choice.leaves_alone, all_leave_one);
                prop_assert!(windows.contains(&(choice.seats, all_leave_one)));
            }
            return Ok(());
        }
        let may_part = party.adjacency == Adjacency::Preferred && party.accessible == 0;
        let can = may_part && can_part(&house, &party, party.size, &HashSet::new());
        prop_assert_eq!(choices.is_some(), can);
        prop_assert!(choices.unwrap_or_default().iter().all(|choice| choice.groups > 1));
    }

    #[test]
    fn the_largest_group_is_the_largest_that_finds_seats(
        rows in any_rows(),
        party in any_party(),
    ) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let house = drawn(&rows);
        let of = |size| !all_windows(&house, &party, size).is_empty();
        let largest = (1..20).filter(|size| of(*size)).max().unwrap_or(0);
        let found = House::new(&house.plan, &house.free).largest_group(&party);
        prop_assert_eq!(found, largest);
    }

    #[test]
    fn who_sits_side_by_side_and_leaves_no_seat_alone_keeps_the_rule(
        rows in any_rows(),
        party in any_party(),
        seed: u64,
    ) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let house = drawn(&rows);
        for choice in choices(&house, &party, 4, seed).unwrap_or_default() {
            let broken = broken_by(&house.plan, |seat| house.is_free(seat), &choice.seats);
            if !choice.leaves_alone {
                prop_assert!(broken.is_empty(), "{:?} alone", broken);
            }
        }
    }
}
