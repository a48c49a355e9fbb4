//! Which rows the commands of a batch are about.

use crate::model::ids::{EventId, HoldId, SeatNo};
use std::collections::{BTreeMap, BTreeSet};

/// Rows to read, each once, in the order of their keys: in this order they are locked, so that
/// two batches never wait for one another crosswise.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    pub(super) events: BTreeSet<EventId>,
    pub(super) holds: BTreeSet<(EventId, HoldId)>,
    pub(super) keys: BTreeSet<Vec<u8>>,
    pub(super) bookings: BTreeSet<(EventId, HoldId)>,
    pub(super) buyers: BTreeSet<(EventId, String)>,
    pub(super) turns: BTreeMap<EventId, BTreeSet<i32>>,
    pub(super) houses: BTreeSet<EventId>,
    pub(super) seats: BTreeSet<(EventId, SeatNo)>,
    pub(super) neighbours: BTreeSet<(EventId, SeatNo)>,
    pub(super) takeable: BTreeSet<EventId>,
}

impl Needs {
    /// Whether there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            events,
            holds,
            keys,
            bookings,
            buyers,
            turns,
            houses,
            seats,
            neighbours,
            takeable,
        } = self;
        events.is_empty()
            && holds.is_empty()
            && keys.is_empty()
            && bookings.is_empty()
            && buyers.is_empty()
            && turns.is_empty()
            && houses.is_empty()
            && seats.is_empty()
            && neighbours.is_empty()
            && takeable.is_empty()
    }

    /// The event, with its prices and its plan.
    pub fn event(&mut self, event: EventId) {
        self.events.insert(event);
    }

    /// A hold and its event; the hold is locked until the batch ends.
    pub fn hold(&mut self, event: EventId, hold: HoldId) {
        self.holds.insert((event, hold));
        self.events.insert(event);
    }

    /// What an idempotency key was used for.
    pub fn key(&mut self, key_hash: &[u8]) {
        self.keys.insert(key_hash.to_vec());
    }

    /// A hold and its event, and the booking that it became, if it did: both are locked until the
    /// batch ends.
    pub fn booking_of(&mut self, event: EventId, hold: HoldId) {
        self.hold(event, hold);
        self.bookings.insert((event, hold));
    }

    /// What a buyer has of an event, when it is the buyer's turn.
    pub fn buyer(&mut self, event: EventId, buyer: &str) {
        self.buyers.insert((event, buyer.to_owned()));
    }

    /// Seats of an event that may be changed.
    pub fn seats(&mut self, event: EventId, seats: impl IntoIterator<Item = SeatNo>) {
        let keys = seats.into_iter().map(|seat_no| (event, seat_no));
        self.seats.extend(keys);
    }

    /// Seats of an event that are only looked at: nobody is kept from them.
    pub fn neighbours(&mut self, event: EventId, seats: impl IntoIterator<Item = SeatNo>) {
        let keys = seats.into_iter().map(|seat_no| (event, seat_no));
        self.neighbours.extend(keys);
    }

    /// The turn at rows of an event, by their places in the plan.
    pub fn turn(&mut self, event: EventId, rows: &[usize]) {
        // A plan has fewer rows than a number has values.
        let numbers = rows.iter().filter_map(|row| i32::try_from(*row).ok());
        self.turns.entry(event).or_default().extend(numbers);
    }

    /// The turn at all rows of an event.
    pub fn turn_at_house(&mut self, event: EventId) {
        self.houses.insert(event);
    }

    /// All seats of an event that may be taken.
    pub fn takeable(&mut self, event: EventId) {
        self.takeable.insert(event);
    }
}
