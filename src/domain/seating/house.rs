//! A plan while some of its seats are free, and all ways to sit in it side by
//! side.

use crate::domain::seating::neighbours;
use crate::domain::seating::party::Party;
use crate::model::ids::SeatNo;
use crate::model::rows::{Point, RowSeat, ZoneGeometry};
use crate::model::seating_plan::SeatingPlan;
use rand::{Rng, RngExt};
use std::cmp::Ordering;
use std::collections::HashSet;

/// The plan while these seats are free.
#[derive(Clone, Copy)]
pub struct House<'plan> {
    plan: &'plan SeatingPlan,
    /// By seat number.
    free: &'plan [bool],
}

/// Neighbours, as many as there are, each of whom suits a party.
#[derive(Clone, Copy)]
pub(super) struct Run<'plan> {
    /// The block that they are in.
    pub(super) block: &'plan [RowSeat],
    /// Where in the block they are.
    pub(super) first: usize,
    /// How many they are.
    pub(super) length: usize,
    /// Of the zone.
    geometry: ZoneGeometry,
}

/// Neighbours whom a party, or a group of it, may have. Refers to the plan
/// instead of listing seats: a search looks at as many as there are seats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'plan> {
    /// The seats, as they follow one another in their row.
    pub seats: &'plan [RowSeat],
    /// Whether a seat beside them is left alone.
    pub leaves_alone: bool,
    /// How many seats wide it is from their middle to the focal point of their
    /// zone.
    pub distance: f64,
}

impl<'plan> House<'plan> {
    /// A house in which `free` tells by seat number which seats may be given
    /// away. A seat that it does not reach is not free.
    pub fn new(plan: &'plan SeatingPlan, free: &'plan [bool]) -> Self {
        Self { plan, free }
    }

    /// Every way in which the whole party sits side by side, in the plan's
    /// order: [`near_equal`] finds the best of them.
    pub fn side_by_side(&self, party: &Party) -> Vec<Candidate<'plan>> {
        let mut candidates = Vec::new();
        for (block, geometry) in self.blocks(party) {
            let suits = |seat: &RowSeat| self.is_for(party, seat);
            let starts = neighbours::windows(block, party.size, party.accessible, suits);
            candidates.extend(starts.map(|start| {
                let free = |seat_no| self.is_free(seat_no);
                Candidate::new(block, (start, party.size), geometry, free)
            }));
        }
        candidates
    }

    /// How many people there is room for side by side at most, of those who want
    /// what this party wants, with as many places for wheelchair users.
    pub fn largest_group(&self, party: &Party) -> usize {
        let suits = |seat: &RowSeat| self.is_for(party, seat);
        let longest = self
            .blocks(party)
            .map(|(block, _)| neighbours::longest_window(block, party.accessible, suits));
        longest.max().unwrap_or(0)
    }

    /// All runs of neighbours that suit the party.
    pub(super) fn runs(&self, party: &Party) -> Vec<Run<'plan>> {
        let mut runs = Vec::new();
        for (block, geometry) in self.blocks(party) {
            let mut first = 0;
            for seats in block.split(|seat| !self.is_for(party, seat)) {
                if !seats.is_empty() {
                    runs.push(Run {
                        block,
                        first,
                        length: seats.len(),
                        geometry,
                    });
                }
                first += seats.len() + 1;
            }
        }
        runs
    }

    /// The blocks of the zones that the party wants.
    fn blocks(&self, party: &Party) -> impl Iterator<Item = (&'plan [RowSeat], ZoneGeometry)> {
        let rows = self.plan.rows().iter();
        let rows = rows.filter(|row| party.wants_zone(row.zone));
        let rows = rows.filter_map(|row| Some((row, self.plan.geometry(row.zone)?)));
        rows.flat_map(|(row, geometry)| {
            let blocks = row.blocks.iter();
            blocks.map(move |block| (block.as_slice(), geometry))
        })
    }

    fn is_for(&self, party: &Party, seat: &RowSeat) -> bool {
        self.is_free(seat.seat_no) && party.suits(seat)
    }

    /// Whether this seat is free.
    pub(super) fn is_free(&self, seat_no: SeatNo) -> bool {
        let place = usize::try_from(seat_no).ok();
        let free = place.and_then(|place| self.free.get(place));
        free.is_some_and(|free| *free)
    }
}

impl<'plan> Run<'plan> {
    /// Whether these seats are of this run.
    pub(super) fn contains(&self, candidate: &Candidate) -> bool {
        let own = self.block.iter().skip(self.first).take(self.length);
        let first = candidate.seats.first().map(|seat| seat.seat_no);
        own.map(|seat| Some(seat.seat_no)).any(|own| own == first)
    }

    /// Every `size` neighbours of this run; `free` tells which seats are, before
    /// they are taken.
    pub(super) fn candidates(
        self,
        size: usize,
        free: impl Fn(SeatNo) -> bool,
    ) -> impl Iterator<Item = Candidate<'plan>> {
        let ways = (self.length + 1).saturating_sub(size);
        (self.first..self.first + ways)
            .map(move |start| Candidate::new(self.block, (start, size), self.geometry, &free))
    }
}

impl<'plan> Candidate<'plan> {
    fn new(
        block: &'plan [RowSeat],
        (start, size): (usize, usize),
        geometry: ZoneGeometry,
        free: impl Fn(SeatNo) -> bool,
    ) -> Self {
        let seats = &block[start..start + size];
        let distance = middle(seats).distance(geometry.focal_point);
        Self {
            seats,
            leaves_alone: neighbours::leaves_alone(block, start, size, free),
            distance: distance / geometry.seat_width,
        }
    }

    /// The numbers of its seats, ascending.
    pub fn seat_nos(&self) -> Vec<SeatNo> {
        let mut seats: Vec<SeatNo> = self.seats.iter().map(|seat| seat.seat_no).collect();
        seats.sort_unstable();
        seats
    }

    /// Where the middle of it is.
    pub(super) fn middle(&self) -> Point {
        middle(self.seats)
    }

    /// Better ones are less: without a lone seat first, then nearer ones.
    fn rank(&self, other: &Self) -> Ordering {
        let by_rule = self.leaves_alone.cmp(&other.leaves_alone);
        by_rule.then(self.distance.total_cmp(&other.distance))
    }
}

/// The best candidates, in the order in which they came: those that leave no
/// seat alone, or those that do when there are no others, and of these the ones
/// that are at most `spread` seats farther from the focal point than the best.
/// The more people ask at once and the more often one has lost, the larger it
/// should be, so that a crowd spreads over many seats; with 0 it is the best
/// alone, or those that are exactly as good.
pub fn near_equal<'plan>(candidates: &[Candidate<'plan>], spread: f64) -> Vec<Candidate<'plan>> {
    let Some(best) = candidates.iter().min_by(|a, b| a.rank(b)) else {
        return Vec::new();
    };
    let farthest = best.distance + spread;
    candidates
        .iter()
        .filter(|one| one.leaves_alone == best.leaves_alone && one.distance <= farthest)
        .copied()
        .collect()
}

/// Up to `count` of these, in random order, no two of which share a seat: who
/// loses one of them to somebody may still get the next.
pub fn disjoint<'plan>(
    candidates: &[Candidate<'plan>],
    count: usize,
    rng: &mut impl Rng,
) -> Vec<Candidate<'plan>> {
    let mut candidates = candidates.to_vec();
    let mut used = HashSet::new();
    let mut chosen = Vec::new();
    // Shuffled only as far as it is needed: there may be one for each seat.
    while chosen.len() < count && !candidates.is_empty() {
        let candidate = candidates.swap_remove(rng.random_range(..candidates.len()));
        let seats = candidate.seats.iter().map(|seat| seat.seat_no);
        if !seats.clone().any(|seat_no| used.contains(&seat_no)) {
            used.extend(seats);
            chosen.push(candidate);
        }
    }
    chosen
}

/// The middle seat of these, or halfway between the two. On a curved row the
/// mean of all would lie before the row.
fn middle(seats: &[RowSeat]) -> Point {
    let seat = |place: usize| seats.get(place).map_or(Point::default(), |seat| seat.at);
    seat(seats.len().saturating_sub(1) / 2).halfway(seat(seats.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::seating::drawing::{Drawing, drawn, party};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    /// All candidates for the party as marks under a house of one row.
    fn marked(row: &str, party: &Party) -> Vec<String> {
        let house = drawn(&[row]);
        let candidates = House::new(&house.plan, &house.free).side_by_side(party);
        let marks = |candidate: &Candidate| house.marks(&candidate.seat_nos()).remove(0);
        candidates.iter().map(marks).collect()
    }

    fn best(house: &Drawing, party: &Party, spread: f64) -> Vec<Vec<SeatNo>> {
        let candidates = House::new(&house.plan, &house.free).side_by_side(party);
        let near = near_equal(&candidates, spread);
        near.iter().map(Candidate::seat_nos).collect()
    }

    #[test]
    fn neighbours_have_nobody_and_no_aisle_between_them() {
        assert_eq!(marked("..x.|..", &party(2)), ["^^", "     ^^"]);
        assert_eq!(marked(".ao.A.", &party(2)), ["  ^^"]);
        assert!(marked("...", &party(4)).is_empty());
        assert!(marked("...", &party(0)).is_empty());
    }

    #[test]
    fn category_and_zone_choose() {
        let of_one = Party {
            category: Some(1),
            ..party(2)
        };
        assert_eq!(marked("..oo.o", &of_one), ["  ^^"]);
        let elsewhere = Party {
            zones: vec![1],
            ..party(2)
        };
        assert!(marked("..oo.o", &elsewhere).is_empty());
    }

    #[test]
    fn a_party_has_as_many_places_for_wheelchair_users_as_it_needs() {
        let with = |accessible, size| Party {
            accessible,
            ..party(size)
        };
        assert_eq!(marked("..aa..", &with(1, 2)), [" ^^", "   ^^"]);
        assert_eq!(marked("..aa..", &with(2, 3)), [" ^^^", "  ^^^"]);
        assert_eq!(marked("..aa..", &with(1, 1)), ["  ^", "   ^"]);
        assert!(marked("..aa..", &with(3, 3)).is_empty());
        assert!(marked("..aa..", &with(2, 1)).is_empty());
    }

    #[test]
    fn the_largest_group_has_as_many_wheelchair_users_too() {
        for (row, accessible, largest) in [
            ("..x...a..", 0, 3),
            ("..x...a..", 1, 6),
            ("..x...a..", 2, 0),
            ("a.aa", 1, 2),
            ("xx", 0, 0),
        ] {
            let house = drawn(&[row]);
            let party = Party {
                accessible,
                ..party(9)
            };
            let found = House::new(&house.plan, &house.free).largest_group(&party);
            assert_eq!(found, largest, "{row} {accessible}");
        }
    }

    #[test]
    fn the_best_are_in_the_middle_of_the_first_row() {
        let house = drawn(&[".......", "......."]);
        assert_eq!(best(&house, &party(3), 0.0), [[2, 3, 4]]);
        assert_eq!(best(&house, &party(1), 0.0), [[3]]);
        let near = best(&house, &party(3), 1.0);
        assert_eq!(
            near,
            [[2, 3, 4], [9, 10, 11]],
            "and [1, 2, 3] leaves one alone"
        );
    }

    #[test]
    fn leaving_no_seat_alone_is_worth_any_distance() {
        let house = drawn(&["xx...xx", ".......", "....xxx"]);
        assert_eq!(best(&house, &party(2), 0.5), [[9, 10], [10, 11]]);
        let house = drawn(&["xx...xx", "...xxxx"]);
        assert_eq!(
            best(&house, &party(2), 9.0).len(),
            4,
            "no better way is left"
        );
    }

    #[test]
    fn chosen_ones_share_no_seat_and_differ_from_time_to_time() {
        let house = drawn(&["....................", "...................."]);
        let candidates = House::new(&house.plan, &house.free).side_by_side(&party(4));
        let mut rng = StdRng::seed_from_u64(7);
        let mut firsts = HashSet::new();
        for _ in 0..20 {
            let chosen = disjoint(&candidates, 5, &mut rng);
            let seats: Vec<SeatNo> = chosen.iter().flat_map(Candidate::seat_nos).collect();
            let different: HashSet<SeatNo> = seats.iter().copied().collect();
            assert_eq!(different.len(), seats.len());
            assert!((4..=5).contains(&chosen.len()), "{}", chosen.len());
            firsts.insert(seats[0]);
        }
        assert!(firsts.len() > 5, "{firsts:?}");
        assert!(disjoint(&[], 5, &mut rng).is_empty());
    }
}
