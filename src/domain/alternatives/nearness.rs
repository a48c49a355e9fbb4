//! Which seats of a plan are of the kind of a lost one, and how near. What of them is to be had is
//! the database's to say.

use crate::model::ids::SeatNo;
use crate::model::seating_plan::{PlanSeat, SeatingPlan};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The nearest seats of its kind that are looked at first for each lost one: mostly one of them
/// is free.
const CLOSEST: usize = 32;
/// How far to look then, in the plan's order: neighbours in a row follow one
/// another there, and rows follow their neighbours, so this is several rows.
const NEARBY: SeatNo = 500;

/// What a seat must have in common with a lost one: the category, and whether it is for
/// wheelchair users.
pub(super) type Kind = (usize, bool);

pub(super) fn kind(seat: &PlanSeat) -> Kind {
    (seat.category, seat.accessible)
}

/// The seats that are closest to the lost ones.
pub(super) fn closest(plan: &SeatingPlan, lost: &[SeatNo]) -> BTreeSet<SeatNo> {
    let lost = places(plan, lost).into_iter();
    lost.flat_map(|lost| closest_to(plan, lost)).collect()
}

/// The seats around each lost one that are of its kind.
pub(super) fn nearby(plan: &SeatingPlan, lost: &[SeatNo]) -> BTreeSet<SeatNo> {
    let mut nearby = BTreeSet::new();
    for (lost_no, lost) in places(plan, lost) {
        let is_of_its_kind = |seat: &PlanSeat| kind(seat) == kind(lost);
        let is_meant = |seat_no: &SeatNo| plan.seat(*seat_no).is_some_and(is_of_its_kind);
        nearby.extend(around(lost_no).filter(is_meant));
    }
    nearby
}

/// The seats of its kind that are nearest to this one, itself among them, in no order.
pub(super) fn closest_to(plan: &SeatingPlan, (seat_no, seat): (SeatNo, &PlanSeat)) -> Vec<SeatNo> {
    let mut far: Vec<(f64, SeatNo)> = around(seat_no)
        .filter_map(|other_no| Some((other_no, plan.seat(other_no)?)))
        .filter(|(_, other)| kind(other) == kind(seat))
        .map(|other| (distance((seat_no, seat), other), other.0))
        .collect();
    if far.len() > CLOSEST {
        far.select_nth_unstable_by(CLOSEST, |(a, _), (b, _)| a.total_cmp(b));
        far.truncate(CLOSEST);
    }
    far.into_iter().map(|(_, seat_no)| seat_no).collect()
}

fn around(seat_no: SeatNo) -> RangeInclusive<SeatNo> {
    seat_no.saturating_sub(NEARBY)..=seat_no.saturating_add(NEARBY)
}

/// What these seats are in the plan.
pub(super) fn places<'plan>(
    plan: &'plan SeatingPlan,
    seat_nos: &[SeatNo],
) -> Vec<(SeatNo, &'plan PlanSeat)> {
    let place = |&seat_no: &SeatNo| Some((seat_no, plan.seat(seat_no)?));
    seat_nos.iter().filter_map(place).collect()
}

/// Squared distance in the drawing; places without a position are as far from
/// one another as they are in the plan's order.
pub(super) fn distance((no_a, a): (SeatNo, &PlanSeat), (no_b, b): (SeatNo, &PlanSeat)) -> f64 {
    match (a.x, a.y, b.x, b.y) {
        (Some(ax), Some(ay), Some(bx), Some(by)) => (ax - bx).powi(2) + (ay - by).powi(2),
        _ => f64::from(no_a.abs_diff(no_b)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn looks_at_seats_of_the_kind_from_near_to_far() {
        let mut kinds = vec![(0, false); 1_200];
        (kinds[1], kinds[1_100], kinds[600]) = ((1, false), (0, true), (1, false));
        let plan = plan(&kinds);
        let lost = [601, 602];
        let closest = closest(&plan, &lost);
        assert_eq!(closest.len(), CLOSEST + 1, "of two neighbours");
        assert!(!closest.contains(&600) && closest.contains(&599));
        let nearby = nearby(&plan, &lost);
        assert!(nearby.is_superset(&closest));
        assert_eq!(nearby.first(), Some(&101));
        assert_eq!(nearby.len(), 1_002 - 2, "but for 600 and 1,100");
    }
}
