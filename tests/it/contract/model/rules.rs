//! What more than one mutation asks about.

use super::{
    BrokenRule, EventStatus, Expected, Hold, HoldStatus, Model, Owner, Person, Request, Seat,
    Status, Token, error, refusal,
};
use serde_json::{Value, json};

/// What somebody would have.
pub struct Wanted {
    /// What has them, or will become what has them.
    pub owner: Option<Owner>,
    pub buyer: Option<&'static str>,
    pub seats: usize,
    /// What it has already: nobody is refused who asks for no more.
    pub had: usize,
    pub is_new_hold: bool,
}

impl Model {
    pub fn require_open(&self) -> Result<(), Value> {
        if self.status == EventStatus::OnSale {
            return Ok(());
        }
        let more = json!({"status": self.status.name(), "opensAt": null, "closedAt": null});
        Err(refusal("SaleNotOpen", "SALE_NOT_OPEN", more))
    }

    /// The hold of a token, for somebody who may use it.
    pub fn hold_of(&self, who: Person, token: Token) -> Result<usize, Value> {
        let may_use =
            |hold: &Hold| hold.buyer.is_none() || who.is_staff() || who.subject() == hold.buyer;
        token
            .filter(|number| may_use(&self.holds[*number]))
            .ok_or_else(|| refusal("HoldNotFound", "HOLD_NOT_FOUND", json!({})))
    }

    /// The same while it runs.
    pub fn running_hold_of(&self, who: Person, token: Token) -> Result<usize, Value> {
        let number = self.hold_of(who, token)?;
        if self.is_running(number) {
            Ok(number)
        } else {
            Err(hold_ended())
        }
    }

    pub fn is_running(&self, number: usize) -> bool {
        let hold = &self.holds[number];
        hold.status == HoldStatus::Active && !hold.is_over
    }

    /// Whether a seat is held by a hold whose time has passed.
    pub fn is_lapsed(&self, seat: &Seat) -> bool {
        self.broken != Some(BrokenRule::Lapse)
            && matches!(seat.owner, Some(Owner::Hold(number)) if self.holds[number].is_over)
    }

    pub fn is_takeable(&self, seat: &Seat) -> bool {
        seat.status == Status::Available || self.is_lapsed(seat)
    }

    /// Whether all of `expected` are at their versions and in a state to start from.
    /// Answers the attempts that it takes, or the conflict.
    pub fn race(
        &self,
        expected: &[Expected],
        retry: bool,
        may_start: impl Fn(&Seat) -> bool,
    ) -> Result<u32, Value> {
        let is_current = |&(seat, version): &Expected| {
            self.seats[seat].version == version || self.broken == Some(BrokenRule::Versions)
        };
        let mut lost: Vec<Expected> = expected.to_vec();
        lost.retain(|seat| !is_current(seat) || !may_start(&self.seats[seat.0]));
        if lost.is_empty() {
            return Ok(1);
        }
        if retry && lost.iter().all(|(seat, _)| may_start(&self.seats[*seat])) {
            return Ok(2);
        }
        lost.sort_unstable();
        let conflicts: Vec<Value> = lost
            .iter()
            .map(|(seat, version)| json!({"expectedVersion": version, "seat": self.seat(*seat)}))
            .collect();
        let more = json!({"attempts": 1, "conflicts": conflicts});
        Err(refusal("SeatConflict", "SEAT_CONFLICT", more))
    }

    /// How many seats are there to be offered in place of `lost` ones to somebody who
    /// could have had the others of `named`.
    pub fn offered(&self, named: &[usize], lost: &[usize]) -> Vec<usize> {
        let kept = |seat: &usize| named.contains(seat) && !lost.contains(seat);
        let of_a_kind = |seat: &usize| lost.iter().any(|lost| self.is_of_one_kind(*lost, *seat));
        (0..self.seats.len())
            .filter(|seat| self.seats[*seat].status == Status::Available)
            .filter(|seat| of_a_kind(seat) && !kept(seat))
            .collect()
    }

    /// Whether two seats are of one category.
    pub fn is_of_one_kind(&self, a: usize, b: usize) -> bool {
        self.categories[a] == self.categories[b]
    }

    pub fn check_limits(&self, who: Person, wanted: &Wanted) -> Result<(), Value> {
        // A visitor's holds are counted one by one, and what staff hold is not counted.
        let is_own_of_staff = who.is_staff() && wanted.buyer == who.subject();
        let counted = wanted.buyer.filter(|_| !is_own_of_staff);
        let (mut seats, mut holds) = (wanted.seats, 1);
        if let Some(buyer) = counted
            && self.broken != Some(BrokenRule::Limits)
        {
            for (number, hold) in self.holds.iter().enumerate() {
                let is_other =
                    Some(Owner::Hold(number)) != wanted.owner && hold.buyer == Some(buyer);
                if is_other && self.is_running(number) {
                    seats += hold.seats.len();
                    holds += 1;
                }
            }
            for (number, booking) in self.bookings.iter().enumerate() {
                let is_other = Some(Owner::Booking(number)) != wanted.owner;
                if is_other && booking.buyer == Some(buyer) && !booking.is_cancelled {
                    seats += booking.seats.len();
                }
            }
        }
        if wanted.seats <= wanted.had {
            return Ok(());
        }
        let limits = self.limits;
        let exceeded = if wanted.seats > limits.seats_per_hold {
            ("SEATS_PER_HOLD", limits.seats_per_hold, wanted.seats)
        } else if !is_own_of_staff && seats > limits.seats_per_buyer {
            ("SEATS_PER_BUYER", limits.seats_per_buyer, seats)
        } else if !is_own_of_staff && wanted.is_new_hold && holds > limits.holds_per_buyer {
            ("HOLDS_PER_BUYER", limits.holds_per_buyer, holds)
        } else {
            return Ok(());
        };
        let (kind, limit, requested) = exceeded;
        let more = json!({"kind": kind, "limit": limit, "requested": requested});
        Err(refusal("LimitExceeded", "LIMIT_EXCEEDED", more))
    }
}

pub fn hold_ended() -> Value {
    refusal("HoldEnded", "HOLD_ENDED", json!({}))
}

/// What staff alone may do is refused at the door to everybody else.
pub fn require_staff(who: Person, request: &Request) -> Result<(), Value> {
    let is_for_all = match request {
        Request::Hold { .. }
        | Request::Release { .. }
        | Request::Extend { .. }
        | Request::Confirm { .. }
        | Request::Exchange { .. }
        | Request::CancelBooking { .. } => true,
        Request::Block { .. }
        | Request::Unblock { .. }
        | Request::Book { .. }
        | Request::Update { .. }
        | Request::OpenSale { .. }
        | Request::CloseSale { .. }
        | Request::CancelEvent { .. } => false,
    };
    match who {
        _ if is_for_all || who.is_staff() => Ok(()),
        Person::Visitor => Err(error("UNAUTHENTICATED")),
        _ => Err(error("FORBIDDEN")),
    }
}
