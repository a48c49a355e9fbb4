//! Seats to offer in place of lost ones.

mod nearness;

use crate::db::seats::{self, SeatState};
use crate::model::ids::{EventId, SeatNo};
use crate::model::seating_plan::{PlanSeat, SeatingPlan};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use nearness::{Kind, closest, closest_to, distance, kind, nearby, places};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A house of so many seats is looked at as a whole at once: it takes no longer.
const SMALL_HOUSE: usize = 1_000;

/// Somebody who has lost seats.
#[derive(Clone, Copy, Debug)]
pub struct Loser<'a> {
    /// The event.
    pub event: EventId,
    /// Its plan.
    pub plan: &'a SeatingPlan,
    /// What was lost.
    pub lost: &'a [SeatNo],
    /// What was asked for as well, and could have been had.
    pub kept: &'a [SeatNo],
}

/// How far is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Closest,
    Nearby,
    House,
}

/// For each loser, and each of its lost seats, one that was available at this moment: of the same
/// category, accessible if and only if the lost one is, and as near to it as there is among those
/// around it, or else in the house. Fewer when the house has no more. A lost seat that is available again is the nearest to itself.
/// The seats that a loser could have had are not offered to it; and while there are enough, no
/// seat is offered to two of them, who would only lose it to one another.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &AsyncPgConnection,
    losers: &[Loser<'_>],
) -> QueryResult<Vec<Vec<SeatState>>> {
    let mut available = Available::of_the_kinds(losers);
    let plans: HashMap<EventId, &SeatingPlan> = losers
        .iter()
        .map(|loser| (loser.event, loser.plan))
        .collect();
    let mut offers: Vec<Option<Vec<SeatState>>> = vec![None; losers.len()];
    for reach in [Reach::Closest, Reach::Nearby, Reach::House] {
        let is_small = |loser: &Loser<'_>| loser.plan.seats.len() <= SMALL_HOUSE;
        let is_due = |loser: &Loser<'_>| reach == Reach::House || !is_small(loser);
        let due: Vec<usize> = (0..losers.len())
            .filter(|&number| offers[number].is_none() && is_due(&losers[number]))
            .collect();
        if due.is_empty() {
            continue;
        }
        let due_losers = due.iter().map(|&number| &losers[number]);
        let rows = match reach {
            Reach::Closest | Reach::Nearby => {
                let keys: BTreeSet<_> = due_losers.flat_map(|loser| loser.keys(reach)).collect();
                seats::load_available_rows(connection, keys).await?
            }
            Reach::House => {
                let events: BTreeSet<EventId> = due_losers.map(|loser| loser.event).collect();
                let events: Vec<EventId> = events.into_iter().collect();
                seats::load_all_available_rows(connection, &events).await?
            }
        };
        for row in rows {
            if let Some(plan) = plans.get(&row.event_id) {
                available.add(row.event_id, plan, row.state());
            }
        }
        for number in due {
            offers[number] = available.offer(&losers[number], reach);
            // There may be many, and each looks at all seats of its kind.
            tokio::task::yield_now().await;
        }
    }
    let shared = |(loser, offer): (&Loser<'_>, Option<_>)| {
        offer.unwrap_or_else(|| available.nearest(loser, |_| true))
    };
    let offers = losers.iter().zip(offers).map(shared);
    Ok(offers.map(in_order).collect())
}

/// The seats that were seen to be available, and which of them somebody was offered.
struct Available {
    /// Of the kinds that somebody has lost; no others are kept.
    seats: HashMap<(EventId, Kind), BTreeMap<SeatNo, SeatState>>,
    offered: HashSet<(EventId, SeatNo)>,
}

impl Available {
    fn of_the_kinds(losers: &[Loser<'_>]) -> Self {
        let kinds = losers.iter().flat_map(|loser| {
            let lost = places(loser.plan, loser.lost).into_iter();
            lost.map(|(_, seat)| ((loser.event, kind(seat)), BTreeMap::new()))
        });
        Self {
            seats: kinds.collect(),
            offered: HashSet::new(),
        }
    }

    fn add(&mut self, event: EventId, plan: &SeatingPlan, seat: SeatState) {
        let of_its_kind = plan
            .seat(seat.seat_no)
            .and_then(|place| self.seats.get_mut(&(event, kind(place))));
        if let Some(seats) = of_its_kind {
            seats.insert(seat.seat_no, seat);
        }
    }

    /// A seat for each lost one that nobody else is offered, if there is one for each, and none
    /// that is nearer has not been looked at.
    fn offer(&mut self, loser: &Loser<'_>, reach: Reach) -> Option<Vec<SeatState>> {
        let is_free = |seat: SeatNo| !self.offered.contains(&(loser.event, seat));
        let found = self.nearest(loser, is_free);
        let places = places(loser.plan, loser.lost);
        // Any one around it that was not looked at is farther than any of the closest.
        let is_close = |(lost, seat): (&(SeatNo, &PlanSeat), &SeatState)| {
            reach != Reach::Closest || closest_to(loser.plan, *lost).contains(&seat.seat_no)
        };
        if found.len() < places.len() || !places.iter().zip(&found).all(is_close) {
            return None;
        }
        let keys = found.iter().map(|seat| (loser.event, seat.seat_no));
        self.offered.extend(keys);
        Some(found)
    }

    /// The nearest seat for each lost one, in their order; fewer when there are no more.
    fn nearest(&self, loser: &Loser<'_>, may_be: impl Fn(SeatNo) -> bool) -> Vec<SeatState> {
        let mut found: Vec<SeatState> = Vec::with_capacity(loser.lost.len());
        for lost in places(loser.plan, loser.lost) {
            let of_its_kind = self.seats.get(&(loser.event, kind(lost.1)));
            let left = of_its_kind.into_iter().flat_map(BTreeMap::values);
            let left = left.filter(|seat| {
                let is_taken = found.iter().any(|other| other.seat_no == seat.seat_no);
                !is_taken && !loser.kept.contains(&seat.seat_no) && may_be(seat.seat_no)
            });
            let far = left.filter_map(|seat| {
                let other = (seat.seat_no, loser.plan.seat(seat.seat_no)?);
                Some((distance(lost, other), seat))
            });
            let nearest = far.min_by(|(a, _), (b, _)| a.total_cmp(b));
            found.extend(nearest.map(|(_, seat)| *seat));
        }
        found
    }
}

impl Loser<'_> {
    /// The seats to look at, short of the house.
    fn keys(&self, reach: Reach) -> Vec<(EventId, SeatNo)> {
        let seats = match reach {
            Reach::Closest => closest(self.plan, self.lost),
            Reach::Nearby | Reach::House => nearby(self.plan, self.lost),
        };
        let keys = seats.into_iter().map(|seat_no| (self.event, seat_no));
        keys.collect()
    }
}

fn in_order(mut offer: Vec<SeatState>) -> Vec<SeatState> {
    offer.sort_by_key(|state| state.seat_no);
    offer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PlanId;
    use crate::model::seating_plan::PlanRow;
    use crate::model::status::SeatStatus;
    use chrono::DateTime;

    /// One row of seats, one unit apart; (category, accessible) of each.
    pub(super) fn plan(kinds: &[(usize, bool)]) -> SeatingPlan {
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

    fn available(plan: &SeatingPlan, seat_nos: &[SeatNo]) -> Available {
        let all: Vec<SeatNo> = (0..).zip(&plan.seats).map(|(seat_no, _)| seat_no).collect();
        let mut available = Available::of_the_kinds(&[loser(plan, &all, &[])]);
        for &seat_no in seat_nos {
            let state = SeatState {
                seat_no,
                version: 1,
                status: SeatStatus::Available,
            };
            available.add(EventId(1), plan, state);
        }
        available
    }

    fn loser<'a>(plan: &'a SeatingPlan, lost: &'a [SeatNo], kept: &'a [SeatNo]) -> Loser<'a> {
        Loser {
            event: EventId(1),
            plan,
            lost,
            kept,
        }
    }

    fn numbers(offer: &[SeatState]) -> Vec<SeatNo> {
        in_order(offer.to_vec())
            .iter()
            .map(|state| state.seat_no)
            .collect()
    }

    fn offered(plan: &SeatingPlan, lost: &[SeatNo], free: &[SeatNo]) -> Vec<SeatNo> {
        let loser = loser(plan, lost, &[]);
        numbers(&available(plan, free).nearest(&loser, |_| true))
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
    fn nobody_is_offered_what_somebody_else_is_or_what_it_could_have_had() {
        let plan = plan(&[(0, false); 100]);
        let mut seen = available(&plan, &[9, 11, 12, 40]);
        let lost = loser(&plan, &[10], &[]);
        let mut next = |loser| {
            seen.offer(&loser, Reach::Closest)
                .map(|found| numbers(&found))
        };
        assert_eq!(next(loser(&plan, &[10], &[9, 11])), Some(vec![12]));
        assert_eq!(next(lost), Some(vec![9]));
        assert_eq!(next(lost), Some(vec![11]));
        // One that was not looked at may be nearer than 40.
        assert_eq!(next(lost), None);
        assert_eq!(
            seen.offer(&lost, Reach::House).map(|found| numbers(&found)),
            Some(vec![40])
        );
        assert_eq!(seen.offer(&lost, Reach::House), None, "there is no other");
        assert_eq!(numbers(&seen.nearest(&lost, |_| true)), [9]);
    }

    /// What was found among the closest is what the whole house would have given.
    #[test]
    fn the_closest_are_enough_when_they_say_so() {
        proptest::proptest!(|(
            free in proptest::collection::btree_set(0..400, 0..60),
            lost in proptest::collection::btree_set(0..400, 1..4),
            kinds in proptest::collection::vec((0..2_usize, proptest::bool::weighted(0.1)), 400),
        )| {
            let plan = plan(&kinds);
            let lost: Vec<SeatNo> = lost.into_iter().collect();
            let all = available(&plan, &free.iter().copied().collect::<Vec<_>>());
            let loser = loser(&plan, &lost, &[]);
            let closest = closest(&plan, &lost);
            let seen: Vec<SeatNo> = free.intersection(&closest).copied().collect();
            if let Some(offer) = available(&plan, &seen).offer(&loser, Reach::Closest) {
                proptest::prop_assert_eq!(
                    numbers(&offer),
                    numbers(&all.nearest(&loser, |_| true))
                );
            }
        });
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
