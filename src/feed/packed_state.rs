//! A seat's version and status in 32 bits, as maps keep them and as warm maps store them.

use crate::model::status::SeatStatus;

/// A seat's version and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedState(u32);

impl PackedState {
    pub(super) fn new(version: i32, status: SeatStatus) -> Self {
        let status = match status {
            SeatStatus::Available => 0,
            SeatStatus::Held => 1,
            SeatStatus::Booked => 2,
            SeatStatus::Blocked => 3,
        };
        Self(version.cast_unsigned() << 2 | status)
    }

    pub(super) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) fn to_bits(self) -> u32 {
        self.0
    }

    pub(super) fn version(self) -> i32 {
        (self.0 >> 2).cast_signed()
    }

    pub(super) fn status(self) -> SeatStatus {
        match self.0 & 3 {
            0 => SeatStatus::Available,
            1 => SeatStatus::Held,
            2 => SeatStatus::Booked,
            _ => SeatStatus::Blocked,
        }
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
