//! Who wants to sit where, and the standing places that suit them.

use crate::model::ids::SeatNo;
use crate::model::rows::RowSeat;
use crate::model::seating_plan::SeatingPlan;
use crate::model::status::ZoneKind;
use serde::Serialize;

/// People who come together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// How many they are. A party of none suits nowhere.
    pub size: usize,
    /// How many of them need a place for wheelchair users: so many they get, and
    /// no more. The others sit beside. Nobody gets such a place unasked.
    pub accessible: usize,
    /// Only seats of this category, an index into the plan's categories.
    pub category: Option<usize>,
    /// Only seats of one of these zones, indexes into the plan's zones; of any
    /// when empty.
    pub zones: Vec<usize>,
    /// What to do where no row has room for all of them.
    pub adjacency: Adjacency,
}

/// Whether people must sit side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Adjacency {
    /// All of them in one row without an aisle between, or not at all.
    Required,
    /// If that cannot be, in groups of two or more. A party with places for
    /// wheelchair users is never parted: who came with a wheelchair user came to
    /// sit beside them.
    Preferred,
}

/// The places of one standing zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Index into the plan's zones.
    pub zone: usize,
    /// Its places that suit, ascending, whether they are free or not.
    pub places: Vec<SeatNo>,
}

impl Party {
    /// Whether this zone is one of theirs.
    pub(super) fn wants_zone(&self, zone: usize) -> bool {
        self.zones.is_empty() || self.zones.contains(&zone)
    }

    /// Whether one of them may sit here, in a zone of theirs.
    pub(super) fn suits(&self, seat: &RowSeat) -> bool {
        self.wants_category(seat.category) && (!seat.accessible || self.accessible > 0)
    }

    fn wants_category(&self, category: usize) -> bool {
        self.category.is_none_or(|wanted| wanted == category)
    }
}

/// The standing places that suit the party, by zone, in the plan's order. All
/// places of a zone are alike, so whoever takes some may take any of the free
/// ones. Where one stands, there are no places for wheelchair users, so a party
/// that needs one has none of them.
pub fn standing(plan: &SeatingPlan, party: &Party) -> Vec<Standing> {
    let mut found: Vec<Standing> = (0..)
        .zip(&plan.zones)
        .filter(|(zone, of_plan)| {
            of_plan.kind == ZoneKind::GeneralAdmission && party.wants_zone(*zone)
        })
        .map(|(zone, _)| Standing {
            zone,
            places: Vec::new(),
        })
        .collect();
    if found.is_empty() || party.accessible > 0 || party.size == 0 {
        return Vec::new();
    }
    for (seat_no, seat) in (0..).zip(&plan.seats) {
        if seat.row.is_some() || seat.accessible || !party.wants_category(seat.category) {
            continue;
        }
        if let Ok(place) = found.binary_search_by_key(&seat.zone, |standing| standing.zone) {
            found[place].places.push(seat_no);
        }
    }
    found.retain(|standing| !standing.places.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PlanId;
    use crate::model::seating_plan::{PlanSeat, Zone};
    use chrono::DateTime;
    use serde_json::Value;

    const ANYBODY: Party = Party {
        size: 2,
        accessible: 0,
        category: None,
        zones: Vec::new(),
        adjacency: Adjacency::Preferred,
    };

    /// A seated zone between two standing ones; (zone, category) of each place.
    fn plan() -> SeatingPlan {
        use ZoneKind::{GeneralAdmission, Seated};
        let zones = [GeneralAdmission, Seated, GeneralAdmission].map(|kind| Zone {
            name: String::new(),
            kind,
            x: 0.0,
            y: 0.0,
            areas: Value::Null,
        });
        let seats = [(0, 0), (0, 0), (1, 0), (2, 1), (2, 1)].map(|(zone, category)| PlanSeat {
            guid: String::new(),
            zone,
            row: None,
            number: None,
            label: String::new(),
            category,
            accessible: false,
            x: None,
            y: None,
        });
        let size = (1.0, 1.0);
        let (zones, seats) = (zones.to_vec(), seats.to_vec());
        let identity = (PlanId(1), DateTime::UNIX_EPOCH);
        SeatingPlan::new(identity, String::new(), size, Vec::new(), zones, seats)
    }

    fn found(party: &Party) -> Vec<(usize, Vec<SeatNo>)> {
        let standing = standing(&plan(), party);
        let pair = |standing: Standing| (standing.zone, standing.places);
        standing.into_iter().map(pair).collect()
    }

    #[test]
    fn standing_places_come_by_zone() {
        assert_eq!(found(&ANYBODY), [(0, vec![0, 1]), (2, vec![3, 4])]);
    }

    #[test]
    fn zone_and_category_choose_among_standing_places() {
        let zones = vec![1, 2];
        assert_eq!(found(&Party { zones, ..ANYBODY }), [(2, vec![3, 4])]);
        let category = Some(0);
        let of_category = Party {
            category,
            ..ANYBODY
        };
        assert_eq!(found(&of_category), [(0, vec![0, 1])]);
    }

    #[test]
    fn who_needs_a_place_for_a_wheelchair_does_not_stand() {
        let with_wheelchair = Party {
            accessible: 1,
            ..ANYBODY
        };
        assert!(found(&with_wheelchair).is_empty());
    }
}
