//! Seats that follow one another in a block of a row.

use crate::model::ids::SeatNo;
use crate::model::rows::RowSeat;

/// Where `size` neighbours start that all suit, with exactly so many places for
/// wheelchair users among them. Reads each seat of the block once, or twice.
pub(super) fn windows(
    block: &[RowSeat],
    size: usize,
    accessible: usize,
    suits: impl Fn(&RowSeat) -> bool,
) -> impl Iterator<Item = usize> {
    let mut suitable = 0;
    let mut places = 0;
    block.iter().enumerate().filter_map(move |(place, seat)| {
        if !suits(seat) {
            (suitable, places) = (0, 0);
            return None;
        }
        suitable += 1;
        places += usize::from(seat.accessible);
        // The seat that falls out of a window of this size.
        if suitable > size {
            places -= usize::from(block[place - size].accessible);
        }
        (size > 0 && suitable >= size && places == accessible).then(|| place + 1 - size)
    })
}

/// How many neighbours there are at most that all suit, with exactly so many
/// places for wheelchair users among them; 0 when nobody fits.
pub(super) fn longest_window(
    block: &[RowSeat],
    accessible: usize,
    suits: impl Fn(&RowSeat) -> bool,
) -> usize {
    let mut longest = 0;
    let mut start = 0;
    let mut places = 0;
    for (place, seat) in block.iter().enumerate() {
        if !suits(seat) {
            (start, places) = (place + 1, 0);
            continue;
        }
        places += usize::from(seat.accessible);
        while places > accessible {
            places -= usize::from(block[start].accessible);
            start += 1;
        }
        if places == accessible {
            longest = longest.max(place + 1 - start);
        }
    }
    longest
}

/// Whether a seat is left alone when `size` neighbours from `start` on are
/// taken in this block; `free` is as it was before.
pub(super) fn leaves_alone(
    block: &[RowSeat],
    start: usize,
    size: usize,
    free: impl Fn(SeatNo) -> bool,
) -> bool {
    let is_free = |place: Option<usize>| {
        let seat = place.and_then(|place| block.get(place));
        seat.is_some_and(|seat| free(seat.seat_no))
    };
    let is_alone = |place: Option<usize>, beyond: Option<usize>| {
        let seat = place.and_then(|place| block.get(place));
        seat.is_some_and(|seat| !seat.accessible) && is_free(place) && !is_free(beyond)
    };
    let end = start + size;
    is_alone(start.checked_sub(1), start.checked_sub(2)) || is_alone(Some(end), Some(end + 1))
}
