//! A party in groups, where no row has room for all of them: nobody alone, as
//! few groups as there can be, and each as near to the first as there is room.

use crate::domain::seating::best_available::{Choice, Search};
use crate::domain::seating::house::{Candidate, House, Run, disjoint, near_equal};
use crate::domain::seating::party::Party;
use rand::Rng;

/// Ways to seat the party in groups that are about as good, none of which uses a
/// run of another; empty when there is no way. For parties without places for
/// wheelchair users.
pub(super) fn in_groups(
    house: &House,
    party: &Party,
    search: &Search,
    rng: &mut impl Rng,
) -> Vec<Choice> {
    let mut runs = house.runs(party);
    runs.retain(|run| run.length >= 2);
    let mut choices: Vec<Choice> = Vec::new();
    while choices.len() < search.count {
        let lengths = runs.iter().map(|run| run.length).collect();
        let sizes = group_sizes(lengths, party.size);
        let groups = sizes.and_then(|sizes| seat_groups(house, &mut runs, &sizes, search, rng));
        let Some(groups) = groups else { break };
        let choice = as_choice(&groups);
        let rank = |choice: &Choice| (choice.groups, choice.leaves_alone);
        if choices
            .first()
            .is_some_and(|first| rank(first) < rank(&choice))
        {
            break;
        }
        choices.push(choice);
    }
    choices
}

/// Seats for groups of these sizes, which [`group_sizes`] found, in runs that
/// are then no longer among `runs`. The first one sits about as near to its
/// focal point as it can, the others near it.
///
/// A group may take any run that is long enough: every smaller one still finds
/// its own, because as many runs are long enough for it as there are groups of
/// its size or larger.
fn seat_groups<'plan>(
    house: &House<'plan>,
    runs: &mut Vec<Run<'plan>>,
    sizes: &[usize],
    search: &Search,
    rng: &mut impl Rng,
) -> Option<Vec<Candidate<'plan>>> {
    let mut groups: Vec<Candidate> = Vec::new();
    for size in sizes {
        let is_taken = |seat_no| {
            let mut taken = groups.iter().flat_map(|group| group.seats);
            taken.any(|seat| seat.seat_no == seat_no)
        };
        let free = |seat_no| house.is_free(seat_no) && !is_taken(seat_no);
        let candidates = runs.iter().flat_map(|run| run.candidates(*size, free));
        let group = match groups.first() {
            None => {
                let candidates: Vec<Candidate> = candidates.collect();
                disjoint(&near_equal(&candidates, search.spread), 1, rng).pop()?
            }
            Some(first) => nearest(first, candidates)?,
        };
        runs.retain(|run| !run.contains(&group));
        groups.push(group);
    }
    Some(groups)
}

/// The candidate that is nearest to the first group, of those that leave no seat
/// alone if there are any.
fn nearest<'plan>(
    first: &Candidate,
    candidates: impl Iterator<Item = Candidate<'plan>>,
) -> Option<Candidate<'plan>> {
    let middle = first.middle();
    let ranked = candidates.map(|one| (one.leaves_alone, one.middle().distance(middle), one));
    let nearest = ranked.min_by(|(a_alone, a, _), (b_alone, b, _)| {
        let by_rule = a_alone.cmp(b_alone);
        by_rule.then(a.total_cmp(b))
    });
    nearest.map(|(_, _, candidate)| candidate)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::seating::drawing::{drawn, party};
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn parted(rows: &[&str], size: usize, count: usize) -> Vec<Vec<String>> {
        let house = drawn(rows);
        let search = Search { spread: 0.0, count };
        let mut rng = StdRng::seed_from_u64(1);
        let party = party(size);
        let choices = in_groups(
            &House::new(&house.plan, &house.free),
            &party,
            &search,
            &mut rng,
        );
        choices
            .iter()
            .map(|choice| house.marks(&choice.seats))
            .collect()
    }

    #[test]
    fn a_party_is_parted_into_few_groups_without_a_lone_one() {
        for (runs, size, expected) in [
            (vec![2, 5, 1], 5, Some(vec![5])),
            (vec![4, 1], 5, None),
            (vec![4, 2], 5, Some(vec![3, 2])),
            (vec![3, 2, 2], 6, Some(vec![2, 2, 2])),
            (vec![2, 2, 2], 5, None),
            (vec![3, 3], 4, Some(vec![2, 2])),
            (vec![5, 2], 6, Some(vec![4, 2])),
            (vec![2, 2], 4, Some(vec![2, 2])),
            (vec![1, 1, 1], 3, None),
            (vec![1], 1, None),
            (vec![], 2, None),
        ] {
            let sizes = group_sizes(runs.clone(), size);
            assert_eq!(sizes, expected, "{size} in {runs:?}");
        }
    }

    #[test]
    fn groups_are_near_each_other() {
        let rows = ["xx...xxxx", "xxxxxxx..", "x..xxxxxx", "..xxxx..."];
        assert_eq!(parted(&rows, 5, 1), [["  ^^^", "", " ^^", ""]]);
    }

    #[test]
    fn each_group_leaves_no_seat_alone_if_it_can() {
        let rows = ["...xx..", "xxxxxxx", "xx..x.."];
        assert_eq!(parted(&rows, 4, 1), [["", "", "  ^^ ^^"]]);
    }

    #[test]
    fn other_choices_share_no_seat_and_are_as_good() {
        let rows = ["...|...|..", "..x...x..."];
        let choices = parted(&rows, 6, 16);
        assert_eq!(choices.len(), 2, "{choices:?}");
        let rows = ["...|...|..", "..x..xx..."];
        assert_eq!(
            parted(&rows, 6, 16).len(),
            1,
            "the second is in more groups"
        );
    }

    /// Every way to take `size` people from runs, at least two from each that is
    /// used: the fewest groups, if there is a way.
    fn fewest_groups(runs: &[usize], size: usize) -> Option<usize> {
        let Some((run, others)) = runs.split_first() else {
            return (size == 0).then_some(0);
        };
        let without = fewest_groups(others, size);
        let with =
            (2..=size.min(*run)).filter_map(|group| Some(fewest_groups(others, size - group)? + 1));
        without.into_iter().chain(with).min()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn group_sizes_are_as_few_as_can_be_whenever_there_is_a_way(
            mut runs in prop::collection::vec(1_usize..7, 0..7),
            size in 1_usize..16,
        ) {
            let sizes = group_sizes(runs.clone(), size);
            prop_assert_eq!(sizes.as_ref().map(Vec::len), fewest_groups(&runs, size));
            if let Some(sizes) = sizes {
                runs.sort_unstable_by(|a, b| b.cmp(a));
                prop_assert_eq!(sizes.iter().sum::<usize>(), size);
                for (group, run) in sizes.iter().zip(&runs) {
                    prop_assert!(*group >= 2 && group <= run, "{:?} in {:?}", sizes, runs);
                }
            }
        }
    }
}
