//! A plan while some of its seats are free, and all ways to sit in it side by
//! side.

use crate::domain::seating::neighbours;
use crate::domain::seating::party::Party;
use crate::model::ids::SeatNo;
use crate::model::rows::{Point, Row, RowSeat};
use crate::model::seating_plan::SeatingPlan;
use rand::Rng;
use rand::seq::SliceRandom;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

/// The plan while these seats are free.
#[derive(Clone)]
pub struct House<'plan> {
    plan: &'plan SeatingPlan,
    /// By seat number.
    free: Cow<'plan, [bool]>,
    /// Free ones that are nevertheless not given away, by seat number; empty
    /// when there are none.
    withheld: Vec<bool>,
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
        Self {
            plan,
            free: Cow::Borrowed(free),
            withheld: Vec::new(),
        }
    }

    /// Every way in which the whole party sits side by side, in the plan's
    /// order. [`near_equal`] ranks them.
    pub fn side_by_side(&self, party: &Party) -> Vec<Candidate<'plan>> {
        self.candidates(party, party.size)
    }

    /// How many people there is room for side by side at most, of those who want
    /// what this party wants, with as many places for wheelchair users.
    pub fn largest_group(&self, party: &Party) -> usize {
        let longest = |block: &Vec<RowSeat>| {
            neighbours::longest_window(block, party.accessible, |seat| self.is_for(party, seat))
        };
        let longest = self.blocks(party).map(|(_, block)| longest(block));
        longest.max().unwrap_or(0)
    }

    /// Every `size` neighbours for people of this party, with all of its places
    /// for wheelchair users among them.
    pub(super) fn candidates(&self, party: &Party, size: usize) -> Vec<Candidate<'plan>> {
        let mut candidates = Vec::new();
        for (row, block) in self.blocks(party) {
            let Some(geometry) = self.plan.geometry(row.zone) else {
                continue;
            };
            let suits = |seat: &RowSeat| self.is_for(party, seat);
            let starts = neighbours::windows(block, size, party.accessible, suits);
            candidates.extend(starts.map(|start| {
                let seats = &block[start..start + size];
                let distance = middle(seats).distance(geometry.focal_point);
                let free = |seat_no| self.is_free(seat_no);
                Candidate {
                    seats,
                    leaves_alone: neighbours::leaves_alone(block, start, size, free),
                    distance: distance / geometry.seat_width,
                }
            }));
        }
        candidates
    }

    /// The lengths of all runs of neighbours that suit the party.
    pub(super) fn runs(&self, party: &Party) -> Vec<usize> {
        self.blocks(party)
            .flat_map(|(_, block)| block.split(|seat| !self.is_for(party, seat)))
            .map(<[RowSeat]>::len)
            .filter(|length| *length > 0)
            .collect()
    }

    /// The house after these seats have been taken.
    pub(super) fn take(&mut self, seats: &[RowSeat]) {
        let free = self.free.to_mut();
        for seat in seats {
            if let Some(free) = at(seat.seat_no).and_then(|place| free.get_mut(place)) {
                *free = false;
            }
        }
    }

    /// Gives these seats to nobody, though they stay free.
    pub(super) fn withhold(&mut self, seats: &[SeatNo]) {
        self.withheld.resize(self.free.len(), false);
        for seat_no in seats {
            if let Some(withheld) = at(*seat_no).and_then(|place| self.withheld.get_mut(place)) {
                *withheld = true;
            }
        }
    }

    /// The blocks of the zones that the party wants.
    fn blocks(&self, party: &Party) -> impl Iterator<Item = (&'plan Row, &'plan Vec<RowSeat>)> {
        let rows = self.plan.rows().iter();
        let rows = rows.filter(|row| party.wants_zone(row.zone));
        rows.flat_map(|row| row.blocks.iter().map(move |block| (row, block)))
    }

    fn is_for(&self, party: &Party, seat: &RowSeat) -> bool {
        let withheld = || {
            let withheld = at(seat.seat_no).and_then(|place| self.withheld.get(place));
            withheld.is_some_and(|withheld| *withheld)
        };
        self.is_free(seat.seat_no) && party.suits(seat) && !withheld()
    }

    fn is_free(&self, seat_no: SeatNo) -> bool {
        let free = at(seat_no).and_then(|place| self.free.get(place));
        free.is_some_and(|free| *free)
    }
}

impl Candidate<'_> {
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

/// The best candidates, the very best first: those that leave no seat alone, or
/// all that do when there are no others, and of these the ones that are at most
/// `spread` seats farther from the focal point than the best. The more people
/// ask at once and the more often one has lost, the larger it should be, so that
/// a crowd spreads over many seats; with 0 it is the best alone, or those that
/// are exactly as good.
pub fn near_equal<'plan>(candidates: &[Candidate<'plan>], spread: f64) -> Vec<Candidate<'plan>> {
    let Some(best) = candidates.iter().min_by(|a, b| a.rank(b)) else {
        return Vec::new();
    };
    let farthest = best.distance + spread;
    let mut near: Vec<Candidate> = candidates
        .iter()
        .filter(|one| one.leaves_alone == best.leaves_alone && one.distance <= farthest)
        .copied()
        .collect();
    near.sort_by(Candidate::rank);
    near
}

/// Up to `count` of these, in random order, no two of which share a seat: who
/// loses one of them to somebody may still get the next.
pub fn disjoint<'plan>(
    candidates: &[Candidate<'plan>],
    count: usize,
    rng: &mut impl Rng,
) -> Vec<Candidate<'plan>> {
    let mut candidates = candidates.to_vec();
    candidates.shuffle(rng);
    let mut used = HashSet::new();
    let mut chosen = Vec::new();
    for candidate in candidates {
        if chosen.len() == count {
            break;
        }
        let seats = candidate.seats.iter().map(|seat| seat.seat_no);
        if !seats.clone().any(|seat_no| used.contains(&seat_no)) {
            used.extend(seats);
            chosen.push(candidate);
        }
    }
    chosen
}

/// The place of a seat in a list by seat number.
fn at(seat_no: SeatNo) -> Option<usize> {
    usize::try_from(seat_no).ok()
}

/// The middle seat of these, or halfway between the two. On a curved row the
/// mean of all would lie before the row.
fn middle(seats: &[RowSeat]) -> Point {
    let seat = |place: usize| seats.get(place).map_or(Point::default(), |seat| seat.at);
    seat(seats.len().saturating_sub(1) / 2).halfway(seat(seats.len() / 2))
}
