//! What is stored, read and written here once more, by its description.

use sha2::{Digest, Sha256};

const HEADER: usize = 48;

/// A stored map, to be changed at will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub magic: [u8; 8],
    pub format: u32,
    pub epoch: i64,
    pub event: i64,
    pub transaction: u64,
    pub change: i64,
    pub seats: u32,
    /// Version and status of each.
    pub states: Vec<(u32, u32)>,
}

pub const BLOCKED: u32 = 3;

impl Stored {
    /// One that usher has stored.
    pub fn read(bytes: &[u8]) -> Self {
        let (content, checksum) = bytes.split_at(bytes.len() - 32);
        assert_eq!(Sha256::digest(content).as_slice(), checksum);
        let number = |from: usize| u64::from_be_bytes(content[from..from + 8].try_into().unwrap());
        let short = |from: usize| u32::from_be_bytes(content[from..from + 4].try_into().unwrap());
        let state = |place: usize| (short(place) >> 2, short(place) & 3);
        let stored = Self {
            magic: content[..8].try_into().unwrap(),
            format: short(8),
            epoch: number(12).cast_signed(),
            event: number(20).cast_signed(),
            transaction: number(28),
            change: number(36).cast_signed(),
            seats: short(44),
            states: (HEADER..content.len()).step_by(4).map(state).collect(),
        };
        assert_eq!(stored.to_bytes(), bytes);
        stored
    }

    /// With a true checksum, whatever it says.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        bytes.extend(self.format.to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.event.to_be_bytes());
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend(self.change.to_be_bytes());
        bytes.extend(self.seats.to_be_bytes());
        for (version, status) in &self.states {
            bytes.extend((version << 2 | status).to_be_bytes());
        }
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// The same, with the first seat as it has never been.
    pub fn with_a_mark(&self) -> Self {
        let mut marked = self.clone();
        marked.states[0] = (1_000, BLOCKED);
        marked
    }
}
