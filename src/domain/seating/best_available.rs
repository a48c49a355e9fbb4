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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::seating::drawing::{drawn, party};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const THE_BEST: Search = Search {
        spread: 0.0,
        count: 1,
    };

    fn found(rows: &[&str], party: &Party, search: Search) -> Result<Vec<Choice>, NoneLeft> {
        let house = drawn(rows);
        let mut rng = StdRng::seed_from_u64(3);
        best_available(
            &House::new(&house.plan, &house.free),
            party,
            search,
            &mut rng,
        )
    }

    /// The best seats as marks under the rows.
    fn best(rows: &[&str], party: &Party) -> Vec<String> {
        let choices = found(rows, party, THE_BEST).unwrap();
        drawn(rows).marks(&choices[0].seats)
    }

    #[test]
    fn side_by_side_without_a_lone_seat_comes_first() {
        let rows = ["x...x", "....x"];
        assert_eq!(best(&rows, &party(2)), ["", "  ^^"]);
    }

    #[test]
    fn side_by_side_with_a_lone_seat_comes_before_groups() {
        let rows = ["..x..", "xxxxx", "x....."];
        assert_eq!(best(&rows, &party(4)), ["", "", " ^^^^"]);
        let choices = found(&rows, &party(4), THE_BEST).unwrap();
        assert!(choices[0].leaves_alone && choices[0].groups == 1);
    }

    #[test]
    fn groups_come_last_and_only_where_asked() {
        let rows = ["..x..", "xxxxx"];
        assert_eq!(best(&rows, &party(4)), ["^^ ^^", ""]);
        let together = Party {
            adjacency: Adjacency::Required,
            ..party(4)
        };
        let none = found(&rows, &together, THE_BEST).unwrap_err();
        assert_eq!(none.largest_group, 2);
        let none = found(&rows, &party(3), THE_BEST).unwrap_err();
        assert_eq!(none.largest_group, 2, "nobody of three sits alone");
    }

    #[test]
    fn one_person_sits_anywhere_and_best_where_nobody_else_would() {
        assert_eq!(best(&["xx.xx", "....."], &party(1)), ["  ^", ""]);
        assert_eq!(best(&["x..xx", "xx..."], &party(1)), ["", "  ^"]);
    }

    #[test]
    fn a_party_with_a_wheelchair_is_never_parted() {
        let rows = ["x.a.", "..xx"];
        let with_wheelchair = |size| Party {
            accessible: 1,
            ..party(size)
        };
        assert_eq!(best(&rows, &with_wheelchair(3)), [" ^^^", ""]);
        let none = found(&rows, &with_wheelchair(4), THE_BEST).unwrap_err();
        assert_eq!(none.largest_group, 3);
    }

    #[test]
    fn choices_are_as_many_as_asked_for_and_one_at_least() {
        let rows = ["........", "........"];
        let search = |count| Search { spread: 9.0, count };
        assert_eq!(found(&rows, &party(2), search(3)).unwrap().len(), 3);
        assert_eq!(found(&rows, &party(2), search(0)).unwrap().len(), 1);
        let choices = found(&rows, &party(1), search(99)).unwrap();
        assert!(choices.len() > 4 && choices.iter().all(|choice| !choice.leaves_alone));
    }
}
