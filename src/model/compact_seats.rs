//! Owns the compact form of a seat map and of what changes about it: the status
//! and version of seats in the plan's order, one byte for most of them.
//!
//! ```text
//! base64( FORMAT  state(seat 0)  state(seat 1)  … )                   a whole map
//! base64( FORMAT  gap  state  gap  state  … )                         changes
//!
//! state   version × 4 + status        AVAILABLE 0, HELD 1, BOOKED 2, BLOCKED 3
//! gap     how many seats lie between this one and the one before it in the list; for
//!         the first one, how many lie before it
//! FORMAT  one byte: 1 for a whole map, 2 for changes
//! ```
//!
//! Both numbers are LEB128: seven bits a byte, the lowest first, the eighth bit set
//! on all bytes but the last. A seat takes one byte up to version 31, and two up to
//! version 4,095. Clients of all ages read this: a change of it takes a new `FORMAT`,
//! and `docs/compact-maps.md` describes every one. Nothing in usher reads it; clients
//! do, and `web/compact-seats.js` is the decoder for those in browsers.

use crate::model::ids::SeatNo;
use crate::model::status::SeatStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::cmp::Reverse;

/// The first byte of a whole map.
const WHOLE_MAP: u8 = 1;
/// The first byte of changes.
const CHANGES: u8 = 2;

/// Bits of a number in one byte of it.
const BITS: u32 = 7;
/// Set on all bytes of a number but its last.
const MORE: u8 = 1 << BITS;

/// The states of all seats of an event, which come in the plan's order, without a gap.
pub fn whole_map(states: impl ExactSizeIterator<Item = (SeatStatus, i32)>) -> String {
    let mut bytes = Vec::with_capacity(1 + states.len());
    bytes.push(WHOLE_MAP);
    for (status, version) in states {
        push(&mut bytes, state(status, version));
    }
    STANDARD.encode(bytes)
}

/// The states of some seats, which come in any order; of several states of one seat,
/// the newest.
pub fn changes(changed: impl IntoIterator<Item = (SeatNo, SeatStatus, i32)>) -> String {
    let mut changed: Vec<_> = changed.into_iter().collect();
    changed.sort_unstable_by_key(|&(seat_no, _, version)| (seat_no, Reverse(version)));
    changed.dedup_by_key(|(seat_no, ..)| *seat_no);
    let mut bytes = vec![CHANGES];
    let mut next = 0;
    for (seat_no, status, version) in changed {
        push(&mut bytes, u64::from(seat_no.abs_diff(next)));
        push(&mut bytes, state(status, version));
        next = seat_no.saturating_add(1);
    }
    STANDARD.encode(bytes)
}

fn state(status: SeatStatus, version: i32) -> u64 {
    // The database has no version below 1.
    u64::from(version.unsigned_abs()) << SeatStatus::BITS | u64::from(status.code())
}

/// Appends a number as LEB128.
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        #[allow(clippy::cast_possible_truncation, reason = "the lowest seven bits")]
        let low = (number & u64::from(MORE - 1)) as u8;
        number >>= BITS;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | MORE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What the decoder of the web client is tested with, too.
    const VECTORS: &str = include_str!("../../tests/vectors/compact-seats.json");

    fn vectors(kind: &str) -> Vec<Value> {
        let mut all: Value = serde_json::from_str(VECTORS).unwrap();
        serde_json::from_value(all[kind].take()).unwrap()
    }

    fn status(name: &Value) -> SeatStatus {
        name.as_str().unwrap().parse().unwrap()
    }

    fn number(number: &Value) -> i32 {
        number.as_i64().unwrap().try_into().unwrap()
    }

    #[test]
    fn maps_are_written_as_they_always_were() {
        let vectors = vectors("maps");
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let seats = vector["seats"].as_array().unwrap();
            let states = seats
                .iter()
                .map(|seat| (status(&seat[0]), number(&seat[1])));
            assert_eq!(vector["compact"], whole_map(states), "{}", vector["name"]);
        }
    }

    #[test]
    fn changes_are_written_as_they_always_were_in_whatever_order_they_come() {
        let vectors = vectors("changes");
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let changed = vector["seats"].as_array().unwrap();
            let changed = changed
                .iter()
                .map(|seat| (number(&seat[0]), status(&seat[1]), number(&seat[2])));
            let backwards = changed.clone().rev();
            assert_eq!(vector["compact"], changes(changed), "{}", vector["name"]);
            assert_eq!(vector["compact"], changes(backwards), "{}", vector["name"]);
        }
    }

    #[test]
    fn of_two_states_of_one_seat_the_newer_one_is_told() {
        let held = (7, SeatStatus::Held, 2);
        let sold = (7, SeatStatus::Booked, 3);
        let newest = changes([sold]);
        assert_eq!(changes([held, sold]), newest);
        assert_eq!(changes([sold, held]), newest);
    }

    #[test]
    fn most_seats_take_one_byte() {
        let map = |version| whole_map(vec![(SeatStatus::Blocked, version); 60_000].into_iter());
        assert_eq!(map(1).len(), 80_004);
        assert_eq!(map(31).len(), 80_004);
        assert_eq!(map(32).len(), 160_004);
        assert_eq!(map(4_095).len(), 160_004);
        assert_eq!(map(4_096).len(), 240_004);
    }
}
