//! The rule against lone seats: whoever takes seats must not leave a single one
//! beside them that has no free neighbour any more, because nobody buys it. It
//! may be left where the row has no room for that party without leaving one.
//!
//! A place for wheelchair users is never a lone seat, and a seat beside a free
//! one is not alone: they are sold together. Neither is a seat that was alone
//! before this taking.
//!
//! To warn and to enforce is the same rule, [`broken_by`]: who could not have
//! done better is neither refused nor told off.

use crate::domain::seating::neighbours;
use crate::model::ids::SeatNo;
use crate::model::rows::{Row, RowSeat};
use crate::model::seating_plan::SeatingPlan;
use std::collections::HashSet;

/// The seats that are left alone though the row has a better way, if `taken`
/// are taken together. Ascending; empty when the rule is kept.
///
/// `free` need only know the rows of `taken`, see [`SeatingPlan::rows_of`] and
/// [`SeatingPlan::seats_of_rows`]. It may tell what was free before or after the
/// taking: the taken seats themselves count as free before. So whoever adds
/// seats to a hold passes those that it has already too, and all are judged as
/// one party.
///
/// As many as are taken in a row, scattered or not, are the party there. A
/// better way is one in which they sit side by side in that row, with as many
/// places for wheelchair users as they take, and leave no seat alone. Other
/// categories count: the rule is about seats and not about prices.
pub fn broken_by(
    plan: &SeatingPlan,
    free: impl Fn(SeatNo) -> bool,
    taken: &[SeatNo],
) -> Vec<SeatNo> {
    let rows = plan.rows_of(taken);
    let taken: HashSet<SeatNo> = taken.iter().copied().collect();
    let mut broken = Vec::new();
    for row in rows.into_iter().filter_map(|row| plan.row(row)) {
        let left = left_alone(row, &free, &taken);
        if !left.is_empty() && has_better_way(row, &free, &taken) {
            broken.extend(left);
        }
    }
    broken.sort_unstable();
    broken
}

/// The free seats beside `taken` ones that have no free neighbour left.
fn left_alone(row: &Row, free: &impl Fn(SeatNo) -> bool, taken: &HashSet<SeatNo>) -> Vec<SeatNo> {
    let is_taken = |seat: &RowSeat| taken.contains(&seat.seat_no);
    let stays_free = |seat: &RowSeat| free(seat.seat_no) && !is_taken(seat);
    let mut alone = Vec::new();
    for block in &row.blocks {
        for (place, seat) in block.iter().enumerate() {
            let before = place.checked_sub(1).and_then(|before| block.get(before));
            let neighbours = [before, block.get(place + 1)];
            let neighbours = || neighbours.into_iter().flatten();
            if !seat.accessible
                && stays_free(seat)
                && neighbours().any(is_taken)
                && !neighbours().any(stays_free)
            {
                alone.push(seat.seat_no);
            }
        }
    }
    alone
}

/// Whether as many as are taken in the row could sit side by side in it and
/// leave no seat alone.
fn has_better_way(row: &Row, free: &impl Fn(SeatNo) -> bool, taken: &HashSet<SeatNo>) -> bool {
    let party = || {
        let seats = row.blocks.iter().flatten();
        seats.filter(|seat| taken.contains(&seat.seat_no))
    };
    let size = party().count();
    let accessible = party().filter(|seat| seat.accessible).count();
    let was_free = |seat_no: SeatNo| free(seat_no) || taken.contains(&seat_no);
    row.blocks.iter().any(|block| {
        neighbours::windows(block, size, accessible, |seat| was_free(seat.seat_no))
            .any(|start| !neighbours::leaves_alone(block, start, size, was_free))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::seating::drawing::drawn;

    /// What is broken in a house of one row when the marked seats are taken,
    /// told from what was free before and, to the same effect, after it.
    fn broken(row: &str, marks: &str) -> String {
        let house = drawn(&[row]);
        let taken = house.marked(&[marks]);
        let before = broken_by(&house.plan, |seat| house.is_free(seat), &taken);
        let is_left = |seat| house.is_free(seat) && !taken.contains(&seat);
        assert_eq!(before, broken_by(&house.plan, is_left, &taken), "{row}");
        house.marks(&before).remove(0)
    }

    #[test]
    fn a_seat_is_not_left_alone_at_an_end_an_aisle_or_a_taken_one() {
        for (row, taken, alone) in [
            (".....", " ^^", "^"),
            (".....", "  ^^", "    ^"),
            (".....|.....", "  ^^", "    ^"),
            ("..x.....", "    ^^", "   ^"),
            ("......", " ^^ ^^", "^  ^"),
            ("..x....", "^", " ^"),
        ] {
            assert_eq!(broken(row, taken), alone, "{row} {taken}");
        }
    }

    #[test]
    fn two_free_seats_together_are_not_alone() {
        for (row, taken) in [
            (".....", "^^"),
            (".....", "^^^"),
            (".....", "^^^^^"),
            ("......", "  ^^"),
            ("..x....", "^^"),
            ("..|..|..", "   ^^"),
        ] {
            assert_eq!(broken(row, taken), "", "{row} {taken}");
        }
    }

    #[test]
    fn one_may_be_left_where_the_row_has_no_better_way() {
        assert_eq!(broken("...", "^^"), "");
        assert_eq!(broken("...", " ^"), "^ ^", "one may sit at the end");
        assert_eq!(broken("...x...", "^^"), "");
        assert_eq!(broken("..x", "^"), "");
    }

    #[test]
    fn a_better_way_may_be_across_an_aisle_or_in_another_category() {
        assert_eq!(broken("...|..", "^^"), "  ^");
        assert_eq!(broken("...xoo", "^^"), "  ^");
        assert_eq!(broken("...|.x.", "^^"), "");
    }

    #[test]
    fn a_place_for_wheelchair_users_is_no_lone_seat_and_good_company() {
        assert_eq!(broken("a....", " ^^"), "");
        assert_eq!(broken("a.....", "  ^^"), "");
        assert_eq!(broken("A.....", "  ^^"), " ^");
        assert_eq!(broken("...aa", "^^"), "");
        assert_eq!(broken("..a..", "  ^"), "");
    }

    #[test]
    fn a_better_way_has_as_many_places_for_wheelchair_users() {
        assert_eq!(broken("..a.|...", " ^^"), "^  ^");
        assert_eq!(broken("..a|....", " ^^"), "");
    }

    #[test]
    fn a_seat_that_was_alone_before_is_nobodys_fault() {
        assert_eq!(broken(".x....", "  ^^"), "");
        assert_eq!(broken(".x.....", "   ^^"), "  ^");
    }

    #[test]
    fn scattered_seats_of_a_row_are_one_party_and_rows_are_apart() {
        assert_eq!(broken(".....|.....", " ^     ^"), "^     ^");
        assert_eq!(broken("..x..xxx..", "^  ^"), " ^  ^");
        let house = drawn(&["....", "...", "xx.."]);
        let taken = house.marked(&[" ^^", "^^", "  ^"]);
        let broken = broken_by(&house.plan, |seat| house.is_free(seat), &taken);
        assert_eq!(house.marks(&broken), ["^  ^", "", ""]);
    }

    #[test]
    fn seats_without_a_row_break_nothing() {
        let house = drawn(&["..."]);
        assert!(broken_by(&house.plan, |_| true, &[-1, 9_999]).is_empty());
    }
}
