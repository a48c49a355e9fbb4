//! The best seats that are left for a party.
//!
//! In this order: side by side in one row, nearest to the zone's focal point,
//! without leaving a seat alone; side by side with a seat left alone; in groups
//! of two or more over several rows. Nobody sits alone who has come in company.
//!
//! What this offers others may take at the same moment, so it answers several
//! choices that are about as good, in random order: try to take one after the
//! other, and when all are gone, read again what is free and ask with a larger
//! spread.

use crate::domain::seating::groups;
use crate::domain::seating::house::{Candidate, House, disjoint, near_equal};
use crate::domain::seating::party::{Adjacency, Party};
use crate::model::ids::SeatNo;
use rand::Rng;

/// How many choices to make, and among what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// How many seats farther from the focal point than the best one a choice
    /// may be, see [`near_equal`].
    pub spread: f64,
    /// How many choices at most, of which no two share a seat.
    pub count: usize,
}

/// Seats for a whole party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The seats, ascending.
    pub seats: Vec<SeatNo>,
    /// In how many groups they sit; 1 is side by side.
    pub groups: usize,
    /// Whether a seat beside them is left alone.
    pub leaves_alone: bool,
}

/// There are no seats for this party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoneLeft {
    /// How many people there is still room for side by side, see
    /// [`House::largest_group`].
    pub largest_group: usize,
}

/// Up to `search.count` choices, at least one, all of the same rule and in
/// random order.
///
/// # Errors
/// When there is no way to seat the party. It is exact: as long as there is one,
/// it is found.
pub fn best_available(
    house: &House,
    party: &Party,
    search: Search,
    rng: &mut impl Rng,
) -> Result<Vec<Choice>, NoneLeft> {
    let search = Search {
        count: search.count.max(1),
        ..search
    };
    let near = near_equal(&house.side_by_side(party), search.spread);
    let mut choices: Vec<Choice> = disjoint(&near, search.count, rng)
        .iter()
        .map(side_by_side)
        .collect();
    let may_part = party.adjacency == Adjacency::Preferred && party.accessible == 0;
    if choices.is_empty() && may_part {
        choices = groups::in_groups(house, party, &search, rng);
    }
    if choices.is_empty() {
        return Err(NoneLeft {
            largest_group: house.largest_group(party),
        });
    }
    Ok(choices)
}

fn side_by_side(candidate: &Candidate) -> Choice {
    Choice {
        seats: candidate.seat_nos(),
        groups: 1,
        leaves_alone: candidate.leaves_alone,
    }
}
