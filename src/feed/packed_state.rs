//! A seat's version and status in 32 bits, as maps keep them and as warm maps store them.

use crate::db::seats::SeatState;
use crate::model::status::SeatStatus;

/// A seat's version and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedState(u32);

impl PackedState {
    pub(super) fn new(version: i32, status: SeatStatus) -> Self {
        Self(version.cast_unsigned() << SeatStatus::BITS | u32::from(status.code()))
    }

    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) fn to_bits(self) -> u32 {
        self.0
    }

    pub(super) fn version(self) -> i32 {
        (self.0 >> SeatStatus::BITS).cast_signed()
    }

    pub(super) fn status(self) -> SeatStatus {
        let [lowest, ..] = self.0.to_le_bytes();
        SeatStatus::of_code(lowest)
    }
}

impl From<&SeatState> for PackedState {
    fn from(seat: &SeatState) -> Self {
        Self::new(seat.version, seat.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_being_packed() {
        use SeatStatus::{Available, Blocked, Booked, Held};
        for status in [Available, Held, Booked, Blocked] {
            for version in [1, 2, 1 << 29] {
                let packed = PackedState::new(version, status);
                assert_eq!((packed.version(), packed.status()), (version, status));
            }
        }
    }
}
