//! Seats to offer in place of lost ones.

use crate::db::seats::{self, SeatState};
use crate::model::ids::{EventId, SeatNo};
use crate::model::seating_plan::{PlanSeat, SeatingPlan};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use std::collections::BTreeSet;

/// The nearest seats of its kind that are looked at first for each lost one: mostly one of them
/// is free.
const CLOSEST: usize = 32;
/// How far to look then, in the plan's order: neighbours in a row follow one
/// another there, and rows follow their neighbours, so this is several rows.
const NEARBY: SeatNo = 500;
/// Seats that are then looked at in one step.
const STEP: usize = 2_000;

/// For each lost seat one that was available at this moment: of the same
/// category, accessible if and only if the lost one is, and as near to it as
/// there is. Fewer when the house has no more. A lost seat that is available
/// again is the nearest to itself. The seats in `kept` are not offered: the caller has
/// asked for them as well, and could have had them.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &mut AsyncPgConnection,
    event: EventId,
    plan: &SeatingPlan,
    lost: &[SeatNo],
    kept: &[SeatNo],
) -> QueryResult<Vec<SeatState>> {
    let closest = closest(plan, lost, kept);
    let available = seats::load_available(connection, event, &closest).await?;
    if let Some(found) = among_closest(plan, lost, &available) {
        return Ok(found);
    }
    let mut nearby = nearby(plan, lost);
    nearby.retain(|seat_no| !kept.contains(seat_no));
    let mut available = seats::load_available(connection, event, &nearby).await?;
    let mut found = nearest(plan, lost, &available);
    if found.len() == lost.len() {
        return Ok(found);
    }
    let mut farther = farther(plan, lost, &nearby);
    farther.retain(|seat_no| !kept.contains(seat_no));
    for step in farther.chunks(STEP) {
        available.extend(seats::load_available(connection, event, step).await?);
        found = nearest(plan, lost, &available);
        if found.len() == lost.len() {
            break;
        }
    }
    Ok(found)
}

/// The few seats to look at first, ascending, without those in `kept`.
pub fn closest(plan: &SeatingPlan, lost: &[SeatNo], kept: &[SeatNo]) -> Vec<SeatNo> {
    let mut closest = BTreeSet::new();
    for place in places(plan, lost) {
        closest.extend(closest_to(plan, place));
    }
    closest.retain(|seat_no| !kept.contains(seat_no));
    closest.into_iter().collect()
}

/// For each lost seat the nearest one, if those that are available among the [`closest`] say
/// which it is: one that was not looked at is farther than any that was.
pub fn among_closest(
    plan: &SeatingPlan,
    lost: &[SeatNo],
    available: &[SeatState],
) -> Option<Vec<SeatState>> {
    let found = assigned(plan, lost, available);
    let is_close = |&(lost, state): &(SeatNo, SeatState)| {
        let mut places = places(plan, &[lost]).into_iter();
        places.any(|place| closest_to(plan, place).contains(&state.seat_no))
    };
    let is_all = found.len() == lost.len() && found.iter().all(is_close);
    is_all.then(|| in_order(found))
}

/// The seats of its kind that are nearest to this one, itself among them, in no order.
fn closest_to(plan: &SeatingPlan, (seat_no, seat): (SeatNo, &PlanSeat)) -> Vec<SeatNo> {
    let around = seat_no.saturating_sub(NEARBY)..=seat_no.saturating_add(NEARBY);
    let mut far: Vec<(f64, SeatNo)> = around
        .filter_map(|other_no| Some((other_no, plan.seat(other_no)?)))
        .filter(|(_, other)| is_of_one_kind(other, seat))
        .map(|other| (distance((seat_no, seat), other), other.0))
        .collect();
    if far.len() > CLOSEST {
        far.select_nth_unstable_by(CLOSEST, |(a, _), (b, _)| a.total_cmp(b));
        far.truncate(CLOSEST);
    }
    far.into_iter().map(|(_, seat_no)| seat_no).collect()
}

/// The seats around each lost one that are of its kind, ascending.
fn nearby(plan: &SeatingPlan, lost: &[SeatNo]) -> Vec<SeatNo> {
    let mut nearby = BTreeSet::new();
    for (lost_no, lost) in places(plan, lost) {
        let around = lost_no.saturating_sub(NEARBY)..=lost_no.saturating_add(NEARBY);
        let is_of_its_kind = |seat: &PlanSeat| is_of_one_kind(seat, lost);
        nearby.extend(around.filter(|seat_no| plan.seat(*seat_no).is_some_and(is_of_its_kind)));
    }
    nearby.into_iter().collect()
}

/// All other seats of the kinds of the lost ones, the nearest first.
fn farther(plan: &SeatingPlan, lost: &[SeatNo], nearby: &[SeatNo]) -> Vec<SeatNo> {
    let lost = places(plan, lost);
    let mut farther: Vec<(f64, SeatNo)> = (0..)
        .zip(&plan.seats)
        .filter(|(seat_no, _)| nearby.binary_search(seat_no).is_err())
        .filter_map(|seat| {
            let of_its_kind = lost.iter().filter(|lost| is_of_one_kind(lost.1, seat.1));
            let far = of_its_kind.map(|&lost| distance(lost, seat));
            Some((far.min_by(f64::total_cmp)?, seat.0))
        })
        .collect();
    farther.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    farther.into_iter().map(|(_, seat_no)| seat_no).collect()
}

/// What these seats are in the plan.
fn places<'plan>(plan: &'plan SeatingPlan, seat_nos: &[SeatNo]) -> Vec<(SeatNo, &'plan PlanSeat)> {
    let place = |&seat_no: &SeatNo| Some((seat_no, plan.seat(seat_no)?));
    seat_nos.iter().filter_map(place).collect()
}

fn is_of_one_kind(a: &PlanSeat, b: &PlanSeat) -> bool {
    a.category == b.category && a.accessible == b.accessible
}

/// For each lost seat the nearest available one of its kind, each given once.
fn nearest(plan: &SeatingPlan, lost: &[SeatNo], available: &[SeatState]) -> Vec<SeatState> {
    in_order(assigned(plan, lost, available))
}

fn in_order(assigned: Vec<(SeatNo, SeatState)>) -> Vec<SeatState> {
    let mut found: Vec<SeatState> = assigned.into_iter().map(|(_, state)| state).collect();
    found.sort_by_key(|state| state.seat_no);
    found
}

/// The same, with which lost seat each is for.
fn assigned(
    plan: &SeatingPlan,
    lost: &[SeatNo],
    available: &[SeatState],
) -> Vec<(SeatNo, SeatState)> {
    let mut available = available.to_vec();
    let mut found = Vec::with_capacity(lost.len());
    for (seat_no, seat) in places(plan, lost) {
        let best = available
            .iter()
            .enumerate()
            .filter_map(|(index, state)| Some((index, state.seat_no, plan.seat(state.seat_no)?)))
            .filter(|(_, _, other)| is_of_one_kind(other, seat))
            .min_by(|(_, no_a, a), (_, no_b, b)| {
                let a = distance((seat_no, seat), (*no_a, a));
                let b = distance((seat_no, seat), (*no_b, b));
                a.total_cmp(&b)
            });
        if let Some((index, ..)) = best {
            found.push((seat_no, available.remove(index)));
        }
    }
    found
}

/// Squared distance in the drawing; places without a position are as far from
/// one another as they are in the plan's order.
fn distance((no_a, a): (SeatNo, &PlanSeat), (no_b, b): (SeatNo, &PlanSeat)) -> f64 {
    match (a.x, a.y, b.x, b.y) {
        (Some(ax), Some(ay), Some(bx), Some(by)) => (ax - bx).powi(2) + (ay - by).powi(2),
        _ => f64::from(no_a.abs_diff(no_b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PlanId;
    use crate::model::seating_plan::PlanRow;
    use crate::model::status::SeatStatus;
    use chrono::DateTime;

    /// One row of seats, one unit apart; (category, accessible) of each.
    fn plan(kinds: &[(usize, bool)]) -> SeatingPlan {
        let seats = (0..)
            .zip(kinds)
            .map(|(number, &(category, accessible)): (i32, _)| PlanSeat {
                guid: number.to_string(),
                zone: 0,
                row: Some(PlanRow {
                    index: 0,
                    label: "A".into(),
                }),
                number: Some(number.to_string()),
                label: number.to_string(),
                category,
                accessible,
                x: Some(f64::from(number)),
                y: Some(0.0),
            });
        SeatingPlan::new(
            (PlanId(1), DateTime::UNIX_EPOCH),
            "Row".into(),
            (10.0, 1.0),
            Vec::new(),
            Vec::new(),
            seats.collect(),
        )
    }

    fn available(seat_nos: &[SeatNo]) -> Vec<SeatState> {
        let state = |&seat_no| SeatState {
            seat_no,
            version: 1,
            status: SeatStatus::Available,
        };
        seat_nos.iter().map(state).collect()
    }

    fn offered(plan: &SeatingPlan, lost: &[SeatNo], free: &[SeatNo]) -> Vec<SeatNo> {
        nearest(plan, lost, &available(free))
            .iter()
            .map(|state| state.seat_no)
            .collect()
    }

    #[test]
    fn offers_the_nearest_of_the_same_kind_and_each_once() {
        let plan = plan(&[
            (0, false),
            (0, false),
            (1, false),
            (0, true),
            (0, false),
            (0, false),
        ]);
        assert_eq!(offered(&plan, &[1], &[0, 2, 3, 4, 5]), [0]);
        assert_eq!(offered(&plan, &[1], &[2, 3, 4, 5]), [4]);
        assert_eq!(offered(&plan, &[0, 1], &[4, 5]), [4, 5]);
        assert_eq!(offered(&plan, &[0, 1], &[5]), [5]);
    }

    #[test]
    fn never_offers_another_category_or_a_wheelchair_place_unasked() {
        let plan = plan(&[(0, false), (1, false), (0, true), (0, true)]);
        assert!(offered(&plan, &[0], &[1, 2, 3]).is_empty());
        assert_eq!(offered(&plan, &[2], &[0, 1, 3]), [3]);
    }

    #[test]
    fn looks_at_seats_of_the_kind_from_near_to_far() {
        let mut kinds = vec![(0, false); 1_200];
        (kinds[1], kinds[1_100]) = ((1, false), (0, true));
        let plan = plan(&kinds);
        let nearby = nearby(&plan, &[600, 601]);
        assert_eq!(
            (nearby[0], nearby.len()),
            (100, 1_001),
            "but for seat 1,100"
        );
        let farther = farther(&plan, &[600, 601], &nearby);
        assert_eq!(farther.len(), 1_200 - 1_001 - 2);
        assert_eq!((farther[0], farther.last()), (99, Some(&0)));
        assert!(farther.contains(&1_102) && !farther.contains(&1));
    }

    #[test]
    fn standing_places_are_offered_too() {
        let mut plan = plan(&[(0, false); 4]);
        for seat in &mut plan.seats {
            (seat.x, seat.y, seat.row, seat.number) = (None, None, None, None);
        }
        assert_eq!(offered(&plan, &[2], &[0, 3]), [3]);
    }
}
