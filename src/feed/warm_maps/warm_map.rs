//! A map as it is stored: the bytes, and what is asked of them before they are believed.
//!
//! ```text
//!   "ushermap"  format  epoch  event  transaction  change  seats  states     SHA-256
//!    8 bytes      4       8      8        8          8       4    4 each   32, of all before
//! ```
//!
//! Numbers are big-endian. The states are in the plan's order, as they are in memory
//! (`PackedState`): the version in the upper 30 bits, and in the lower two 0 for available, 1 for
//! held, 2 for booked and 3 for blocked. Whoever changes what any of this means gives
//! the format another number.

use crate::db::changes::Position;
use crate::db::transaction_id::TransactionId;
use crate::feed::packed_state::PackedState;
use crate::model::ids::EventId;
use sha2::{Digest, Sha256};

const MAGIC: [u8; 8] = *b"ushermap";
const FORMAT: u32 = 1;
const HEADER: usize = 48;
const CHECKSUM: usize = 32;
const STATE: usize = 4;

/// The map of an event as it was at a position of the feed, or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::feed) struct WarmMap {
    pub(in crate::feed) epoch: i64,
    pub(in crate::feed) event: EventId,
    /// All changes up to and including this are in it.
    pub(in crate::feed) position: Position,
    /// In the plan's order.
    pub(in crate::feed) states: Vec<PackedState>,
}

impl WarmMap {
    /// How many bytes a map of at most so many seats has.
    pub(super) fn longest(seats: usize) -> usize {
        seats
            .saturating_mul(STATE)
            .saturating_add(HEADER + CHECKSUM)
    }

    /// What is stored.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let seats = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(Self::longest(self.states.len()));
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.event.0.to_be_bytes());
        bytes.extend(self.position.transaction.0.to_be_bytes());
        bytes.extend(self.position.id.to_be_bytes());
        bytes.extend(seats.to_be_bytes());
        for state in &self.states {
            bytes.extend(state.to_bits().to_be_bytes());
        }
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// What was stored; nothing when these bytes are anything else than a whole map.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
        let mut rest = content;
        if take(&mut rest)? != MAGIC || u32::from_be_bytes(take(&mut rest)?) != FORMAT {
            return None;
        }
        let epoch = i64::from_be_bytes(take(&mut rest)?);
        let event = EventId(i64::from_be_bytes(take(&mut rest)?));
        let position = Position {
            transaction: TransactionId(u64::from_be_bytes(take(&mut rest)?)),
            id: i64::from_be_bytes(take(&mut rest)?),
        };
        let seats = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
        let (states, []) = rest.as_chunks::<STATE>() else {
            return None;
        };
        if states.len() != seats || Sha256::digest(content).as_slice() != checksum {
            return None;
        }
        let state = |bytes: &[u8; STATE]| PackedState::from_bits(u32::from_be_bytes(*bytes));
        Some(Self {
            epoch,
            event,
            position,
            states: states.iter().map(state).collect(),
        })
    }
}

/// The next bytes.
fn take<const COUNT: usize>(rest: &mut &[u8]) -> Option<[u8; COUNT]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::status::SeatStatus;
    use proptest::prelude::*;

    fn three_seats() -> WarmMap {
        WarmMap {
            epoch: -7,
            event: EventId(3),
            position: Position {
                transaction: TransactionId(900),
                id: 41,
            },
            states: vec![
                PackedState::new(1, SeatStatus::Available),
                PackedState::new(2, SeatStatus::Held),
                PackedState::new(70_000, SeatStatus::Blocked),
            ],
        }
    }

    #[test]
    fn what_was_stored_comes_back() {
        let empty = WarmMap {
            states: Vec::new(),
            ..three_seats()
        };
        for map in [three_seats(), empty] {
            let bytes = map.to_bytes();
            assert_eq!(bytes.len(), WarmMap::longest(map.states.len()));
            assert_eq!(WarmMap::from_bytes(&bytes), Some(map));
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let bytes = three_seats().to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(WarmMap::from_bytes(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_part_of_a_map_or_more_than_one_is_none() {
        let bytes = three_seats().to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(WarmMap::from_bytes(&bytes[..length]), None, "{length}");
        }
        assert_eq!(WarmMap::from_bytes(&[&bytes[..], b"x"].concat()), None);
        assert_eq!(WarmMap::from_bytes(&bytes.repeat(2)), None);
    }

    #[test]
    fn a_true_checksum_does_not_make_up_for_another_format_or_length() {
        for (place, byte) in [(0, b'U'), (11, 2), (47, 2), (47, 4)] {
            let bytes = three_seats().to_bytes();
            let mut content = bytes[..bytes.len() - CHECKSUM].to_vec();
            content[place] = byte;
            let checksum = Sha256::digest(&content);
            content.extend(checksum);
            assert_eq!(WarmMap::from_bytes(&content), None, "{place}: {byte}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            prop_assert_eq!(WarmMap::from_bytes(&bytes), None);
        }
    }
}
