//! What a batch knows: the rows that were read, and what was decided since.
//!
//! A decision looks at the ledger and is entered into it, so that the next one, of another
//! command, sees it as if it had been committed. Nothing is written to the database before all have
//! decided.

use crate::db::bookings::{Booking, NewBooking};
use crate::db::buyers::{Holdings, Possession};
use crate::db::changes::Trace;
use crate::db::clock::Moment;
use crate::db::holds::Hold;
use crate::db::idempotency_keys::Use;
use crate::db::seats::{FromState, SeatMove, SeatRow, SeatState, ToState, Transition};
use crate::db::transaction_id::TransactionId;
use crate::domain::DomainError;
use crate::domain::event_view::{self, EventView};
use crate::model::Caller;
use crate::model::ids::{EventId, HoldId, SeatNo};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// The rows of a batch, as they are once all that was decided so far is done.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) moment: Moment,
    pub(super) events: HashMap<EventId, Arc<EventView>>,
    pub(super) holds: HashMap<(EventId, HoldId), Hold>,
    pub(super) bookings: HashMap<(EventId, HoldId), Booking>,
    pub(super) keys: HashMap<Vec<u8>, Use>,
    pub(super) possessions: HashMap<(EventId, String), Vec<Possession>>,
    pub(super) seats: HashMap<(EventId, SeatNo), SeatRow>,
    /// By seat number, of the events of which all were read.
    pub(super) takeable: HashMap<EventId, Vec<bool>>,
    /// The events of which others are at seats that the server would have picked.
    pub(super) withheld: BTreeSet<EventId>,
    /// Seats that were lost to others when this batch was run before.
    pub(super) lost: HashSet<LostSeat>,
    pub(super) changes: Changes,
}

/// A seat that could not be changed, because it was not any more as it had been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LostSeat {
    /// The event.
    pub event: EventId,
    /// Which seat of it.
    pub seat_no: SeatNo,
    /// The version that it had been read at.
    pub version: i32,
}

/// When there may be more seats to pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// When this batch is done.
    InTheNextBatch,
    /// When others are.
    Later,
    /// All were seen.
    Never,
}

/// What was decided: each row once, as it is to become.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    pub(super) moves: BTreeMap<(EventId, SeatNo), SeatMove>,
    /// Those of them that the server has picked.
    pub(super) picked: BTreeSet<(EventId, SeatNo)>,
    pub(super) new_holds: BTreeSet<(EventId, HoldId)>,
    pub(super) changed_holds: BTreeSet<(EventId, HoldId)>,
    pub(super) new_bookings: Vec<NewBooking>,
    pub(super) changed_bookings: Vec<Booking>,
    pub(super) keys: Vec<(Vec<u8>, Vec<u8>, Value)>,
}

impl Ledger {
    /// What the batch leaves behind when it is committed, if it changes a seat.
    pub(super) fn trace(&self) -> Option<Trace> {
        let change = self.changes.moves.values().next()?;
        let (_, owner, _) = change.transition.to.columns();
        Some(Trace {
            event: change.event,
            seat_no: change.seat_no,
            version: change.version + 1,
            owner,
            transaction: self.transaction(),
        })
    }

    /// The number of the transaction that the batch is.
    pub fn transaction(&self) -> TransactionId {
        self.moment.transaction
    }

    /// When the batch's transaction began, by the database's clock: what the UPDATE of seats
    /// goes by.
    pub fn now(&self) -> DateTime<Utc> {
        self.moment.now
    }

    /// The database's clock when all locks of the batch were granted. They may have been
    /// waited for until a hold had lapsed.
    pub fn clock(&self) -> DateTime<Utc> {
        self.moment.clock
    }

    /// The event as this caller may see it. A draft is seen by few.
    ///
    /// # Errors
    /// When there is no such event for this caller.
    pub fn event(&self, caller: &Caller, id: EventId) -> Result<Arc<EventView>, DomainError> {
        self.events
            .get(&id)
            .filter(|view| event_view::may_see(&view.event, caller))
            .map(Arc::clone)
            .ok_or(DomainError::NotFound { what: "event" })
    }

    /// The hold with this key.
    pub fn hold(&self, event: EventId, hold: HoldId) -> Option<&Hold> {
        self.holds.get(&(event, hold))
    }

    /// The booking that a hold became.
    pub fn booking_of(&self, event: EventId, hold: HoldId) -> Option<&Booking> {
        self.bookings.get(&(event, hold))
    }

    /// What was done under a key.
    pub fn used(&self, key_hash: &[u8]) -> Option<&Use> {
        self.keys.get(key_hash)
    }

    /// What a buyer has of an event, without the hold or booking `except`.
    pub fn holdings(&self, event: EventId, buyer: &str, except: Uuid) -> Holdings {
        let of_buyer = self.possessions.get(&(event, buyer.to_owned()));
        let counted = of_buyer
            .into_iter()
            .flatten()
            .filter(|one| one.id != except);
        counted.fold(Holdings::default(), |sum, one| Holdings {
            holds: sum.holds + i64::from(one.is_hold),
            seats: sum.seats + one.seats,
        })
    }

    /// A seat as it stands, if the event has it.
    pub fn seat(&self, event: EventId, seat_no: SeatNo) -> Option<&SeatRow> {
        self.seats.get(&(event, seat_no))
    }

    /// The states of those of these seats that there are, in the plan's order.
    pub fn states(&self, event: EventId, seats: &[SeatNo]) -> Vec<SeatState> {
        self.states_of(event, seats, |_| true)
    }

    /// The states of those of these seats that a hold or booking has, in the plan's order.
    pub fn states_owned(&self, event: EventId, seats: &[SeatNo], owner: Uuid) -> Vec<SeatState> {
        self.states_of(event, seats, |row| row.owner_id == Some(owner))
    }

    fn states_of(
        &self,
        event: EventId,
        seats: &[SeatNo],
        is_meant: impl Fn(&SeatRow) -> bool,
    ) -> Vec<SeatState> {
        let rows = seats
            .iter()
            .filter_map(|seat_no| self.seat(event, *seat_no));
        let mut states: Vec<_> = rows
            .filter(|row| is_meant(row))
            .map(SeatRow::state)
            .collect();
        states.sort_unstable_by_key(|state| state.seat_no);
        states
    }

    /// Whether a transition may start with this seat.
    pub fn accepts(&self, event: EventId, seat_no: SeatNo, from: FromState) -> bool {
        self.seat(event, seat_no)
            .is_some_and(|row| from.accepts(row, self.moment.now))
    }

    /// Whether this seat was lost to somebody else when the batch was run before, and could not
    /// be changed at this version.
    pub fn was_lost(&self, event: EventId, seat_no: SeatNo, version: i32) -> bool {
        self.lost.contains(&LostSeat {
            event,
            seat_no,
            version,
        })
    }

    /// Whether this seat was changed by another command of the batch. The database lets each
    /// seat take one step in one statement, so that it cannot be changed again.
    pub fn is_changed(&self, event: EventId, seat_no: SeatNo) -> bool {
        self.changes.moves.contains_key(&(event, seat_no))
    }

    /// Which seats of an event may be picked by the server, by seat number.
    pub fn takeable(&self, event: EventId) -> &[bool] {
        self.takeable.get(&event).map_or(&[], Vec::as_slice)
    }

    // --- What is decided ---

    /// Changes these seats, which were not changed before, as they are at their versions;
    /// answers them as they become, in the plan's order.
    pub fn change(
        &mut self,
        event: EventId,
        seats: &[SeatNo],
        transition: Transition,
    ) -> Vec<SeatState> {
        let transition = Arc::new(transition);
        for seat_no in seats {
            let Some(row) = self.seats.get_mut(&(event, *seat_no)) else {
                continue;
            };
            let change = SeatMove {
                event,
                seat_no: *seat_no,
                version: row.version,
                transition: Arc::clone(&transition),
            };
            let before = self.changes.moves.insert((event, *seat_no), change);
            debug_assert!(before.is_none(), "a seat takes one step in a batch");
            row.version += 1;
            (row.status, row.owner_id, row.held_until) = transition.to.columns();
            self.withdraw(event, *seat_no);
        }
        self.states(event, seats)
    }

    /// Takes note that the server has picked these seats.
    pub fn note_picked(&mut self, event: EventId, seats: &[SeatNo]) {
        let keys = seats.iter().map(|seat_no| (event, *seat_no));
        self.changes.picked.extend(keys);
    }

    /// The seats that the server has picked, each at the version that it was read at.
    pub(super) fn picked(&self) -> Vec<(EventId, SeatNo, i32)> {
        let moves = self.changes.picked.iter();
        moves
            .filter_map(|key| self.changes.moves.get(key))
            .map(|change| (change.event, change.seat_no, change.version))
            .collect()
    }

    /// Others are at this seat: the server picks another one.
    pub(super) fn withhold(&mut self, event: EventId, seat_no: SeatNo) {
        self.withdraw(event, seat_no);
        self.withheld.insert(event);
    }

    /// Whether more seats of this event may be there to pick than are shown here: others
    /// are at some, or another command of the batch has given some back.
    pub fn may_have_more(&self, event: EventId) -> More {
        let is_given_back = |change: &SeatMove| {
            change.event == event && matches!(change.transition.to, ToState::Available)
        };
        if self.changes.moves.values().any(is_given_back) {
            More::InTheNextBatch
        } else if self.withheld.contains(&event) {
            More::Later
        } else {
            More::Never
        }
    }

    fn withdraw(&mut self, event: EventId, seat_no: SeatNo) {
        let house = self.takeable.get_mut(&event);
        let place = usize::try_from(seat_no).ok();
        if let Some(takeable) = house
            .zip(place)
            .and_then(|(house, place)| house.get_mut(place))
        {
            *takeable = false;
        }
    }

    /// A hold that is new or has changed.
    pub fn put_hold(&mut self, hold: Hold, is_new: bool) {
        let key = (hold.event_id, hold.id);
        if is_new {
            self.changes.new_holds.insert(key);
        } else if !self.changes.new_holds.contains(&key) {
            self.changes.changed_holds.insert(key);
        }
        self.holds.insert(key, hold);
    }

    /// A hold or booking counts against its buyer's limits from now on, with so many seats,
    /// in place of what it was before; without any it does not.
    pub fn count(
        &mut self,
        (event, buyer): (EventId, Option<&str>),
        was: Uuid,
        (is, is_hold, seats): (Uuid, bool, usize),
    ) {
        let Some(buyer) = buyer else {
            return;
        };
        let possessions = self
            .possessions
            .entry((event, buyer.to_owned()))
            .or_default();
        possessions.retain(|one| one.id != was);
        if seats > 0 {
            possessions.push(Possession {
                id: is,
                is_hold,
                seats: i64::try_from(seats).unwrap_or(i64::MAX),
            });
        }
    }

    /// A hold became a booking; answers that.
    pub fn put_booking(&mut self, hold: HoldId, booking: NewBooking) -> Booking {
        let stored = booking.stored(self.moment.transaction, self.moment.now);
        self.bookings
            .insert((booking.event_id, hold), stored.clone());
        self.changes.new_bookings.push(booking);
        stored
    }

    /// Whether the booking of this hold was changed by another command of the batch.
    pub fn is_booking_changed(&self, event: EventId, hold: HoldId) -> bool {
        let is_new =
            |booking: &NewBooking| booking.event_id == event && booking.hold_id == Some(hold);
        let is_changed = |changed: &Booking| {
            let booking = self.booking_of(event, hold);
            booking.is_some_and(|booking| booking.id == changed.id)
        };
        self.changes.new_bookings.iter().any(is_new)
            || self.changes.changed_bookings.iter().any(is_changed)
    }

    /// A booking of a hold that was not changed before changes; answers it as it becomes.
    pub fn update_booking(&mut self, hold: HoldId, booking: Booking) -> Booking {
        let mut stored = booking.clone();
        stored.version += 1;
        stored.transaction_id = self.moment.transaction;
        self.bookings
            .insert((booking.event_id, hold), stored.clone());
        self.changes.changed_bookings.push(booking);
        stored
    }

    /// A key was used.
    pub fn put_key(&mut self, key_hash: &[u8], input_hash: &[u8], outcome: Value) {
        let used = Use {
            input_hash: input_hash.to_vec(),
            outcome: Some(outcome.clone()),
        };
        self.keys.insert(key_hash.to_vec(), used);
        self.changes
            .keys
            .push((key_hash.to_vec(), input_hash.to_vec(), outcome));
    }
}

impl Changes {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            moves,
            picked: _,
            new_holds,
            changed_holds,
            new_bookings,
            changed_bookings,
            keys,
        } = self;
        moves.is_empty()
            && new_holds.is_empty()
            && changed_holds.is_empty()
            && new_bookings.is_empty()
            && changed_bookings.is_empty()
            && keys.is_empty()
    }
}
