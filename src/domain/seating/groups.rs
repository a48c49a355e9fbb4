//! A party in groups, where no row has room for all of them: nobody alone, as
//! few groups as there can be, and each as near to the first as there is room.

use crate::domain::seating::best_available::{Choice, Search};
use crate::domain::seating::house::{Candidate, House, disjoint, near_equal};
use crate::domain::seating::party::Party;
use rand::Rng;
use std::cmp::Ordering;

/// Ways to seat the party in groups that share no seat with one another and are
/// about as good; empty when there is no way. For parties without places for
/// wheelchair users.
pub(super) fn in_groups(
    house: &House,
    party: &Party,
    search: &Search,
    rng: &mut impl Rng,
) -> Vec<Choice> {
    let mut house = house.clone();
    let mut choices: Vec<Choice> = Vec::new();
    while choices.len() < search.count {
        let sizes = group_sizes(house.runs(party), party.size);
        let groups = sizes.and_then(|sizes| seat_groups(&house, party, &sizes, search, rng));
        let Some(groups) = groups else { break };
        let choice = as_choice(&groups);
        let rank = |choice: &Choice| (choice.groups, choice.leaves_alone);
        if choices
            .first()
            .is_some_and(|first| rank(first) < rank(&choice))
        {
            break;
        }
        house.withhold(&choice.seats);
        choices.push(choice);
    }
    choices
}

/// Seats for groups of these sizes, which [`group_sizes`] found. The first one
/// sits about as near to its focal point as it can, the others near it.
///
/// A group may take any run that is long enough: every smaller one still finds
/// its own, because as many runs are long enough for it as there are groups of
/// its size or larger.
fn seat_groups<'plan>(
    house: &House<'plan>,
    party: &Party,
    sizes: &[usize],
    search: &Search,
    rng: &mut impl Rng,
) -> Option<Vec<Candidate<'plan>>> {
    let mut house = house.clone();
    let mut groups: Vec<Candidate> = Vec::new();
    for size in sizes {
        let candidates = house.candidates(party, *size);
        let group = match groups.first() {
            None => disjoint(&near_equal(&candidates, search.spread), 1, rng).pop()?,
            Some(first) => candidates
                .into_iter()
                .min_by(|a, b| rank_beside(first, a, b))?,
        };
        house.take(group.seats);
        groups.push(group);
    }
    Some(groups)
}

fn rank_beside(first: &Candidate, a: &Candidate, b: &Candidate) -> Ordering {
    let far = |candidate: &Candidate| candidate.middle().distance(first.middle());
    let by_rule = a.leaves_alone.cmp(&b.leaves_alone);
    by_rule.then_with(|| far(a).total_cmp(&far(b)))
}

fn as_choice(groups: &[Candidate]) -> Choice {
    let mut seats: Vec<_> = groups.iter().flat_map(Candidate::seat_nos).collect();
    seats.sort_unstable();
    Choice {
        seats,
        groups: groups.len(),
        leaves_alone: groups.iter().any(|group| group.leaves_alone),
    }
}

/// How to part `size` people so that each group, of two at least, has a run of
/// its own of these lengths, in as few groups as there can be; the largest
/// first. `None` when there is no way.
///
/// Two groups never need the same run: where both have room, they have it side
/// by side, and are one.
fn group_sizes(mut runs: Vec<usize>, size: usize) -> Option<Vec<usize>> {
    runs.retain(|run| *run >= 2);
    runs.sort_unstable_by(|a, b| b.cmp(a));
    let mut sizes: Vec<usize> = Vec::new();
    let mut left = size;
    for run in runs {
        if left == 1 {
            // Somebody of a larger group keeps the last one company. When there
            // is none, all runs are for two, and an odd party has no way.
            let larger = sizes.iter_mut().find(|group| **group >= 3)?;
            *larger -= 1;
            left = 2;
        }
        let group = run.min(left);
        sizes.push(group);
        left -= group;
        if left == 0 {
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            return Some(sizes);
        }
    }
    None
}
