//! What buyers do.

use super::rules::{Wanted, hold_ended};
use super::{
    Booking, EventStatus, Expected, Hold, HoldStatus, Model, Outcome, Owner, Person, Seat, Status,
    Token, error, refusal,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Model {
    pub fn hold(
        &mut self,
        who: Person,
        seats: &[Expected],
        into: Option<Token>,
        retry: bool,
    ) -> Outcome {
        self.require_open()?;
        let into = into
            .map(|token| self.running_hold_of(who, token))
            .transpose()?;
        let mut hold = match into {
            Some(number) => self.holds[number].clone(),
            None => Hold {
                buyer: who.subject(),
                status: HoldStatus::Active,
                is_over: false,
                earlier_ends: 0,
                seats: BTreeMap::new(),
            },
        };
        for (seat, _) in seats {
            if hold.seats.insert(*seat, self.price(*seat)).is_some() {
                return Err(error("BAD_USER_INPUT"));
            }
        }
        let wanted = Wanted {
            owner: into.map(Owner::Hold),
            buyer: hold.buyer,
            seats: hold.seats.len(),
            had: hold.seats.len() - seats.len(),
            is_new_hold: into.is_none(),
        };
        self.check_limits(who, &wanted)?;
        let attempts = self.race(seats, retry, |seat| self.is_takeable(seat))?;
        let number = into.unwrap_or(self.holds.len());
        for (seat, _) in seats {
            self.change(*seat, Status::Held, Some(Owner::Hold(number)));
        }
        match into {
            Some(number) => self.holds[number] = hold,
            None => self.holds.push(hold),
        }
        Ok(json!({
            "__typename": "SeatsHeld", "attempts": attempts, "token": number,
            "hold": self.hold_json(number),
        }))
    }

    pub fn release(&mut self, who: Person, token: Token, seats: Option<&[usize]>) -> Outcome {
        let number = self.running_hold_of(who, token)?;
        let hold = &self.holds[number];
        let mut named: Vec<usize> = match seats {
            Some(seats) => seats.to_vec(),
            None => hold.seats.keys().copied().collect(),
        };
        if named.iter().any(|seat| !hold.seats.contains_key(seat)) {
            return Err(error("BAD_USER_INPUT"));
        }
        named.sort_unstable();
        for seat in &named {
            self.change(*seat, Status::Available, None);
            self.holds[number].seats.remove(seat);
        }
        let is_empty = self.holds[number].seats.is_empty();
        if is_empty {
            self.holds[number].status = HoldStatus::Released;
        }
        let left = if is_empty {
            Value::Null
        } else {
            self.hold_json(number)
        };
        Ok(json!({
            "__typename": "SeatsReleased", "seats": self.seats_json(&named), "hold": left,
        }))
    }

    pub fn extend(&mut self, who: Person, token: Token) -> Outcome {
        let number = self.hold_of(who, token)?;
        if self.status == EventStatus::Cancelled {
            self.require_open()?;
        }
        self.running_hold_of(who, token)?;
        if !self.limits.is_extendable {
            let code = "HOLD_EXTENSION_EXHAUSTED";
            return Err(refusal("HoldExtensionExhausted", code, json!({})));
        }
        self.holds[number].earlier_ends += 1;
        Ok(json!({"__typename": "HoldExtended", "hold": self.hold_json(number)}))
    }

    pub fn confirm(
        &mut self,
        who: Person,
        token: Token,
        payment_reference: Option<&'static str>,
    ) -> Outcome {
        let number = self.hold_of(who, token)?;
        let hold = self.holds[number].clone();
        if hold.status == HoldStatus::Confirmed {
            self.pay_late(number, payment_reference);
            return Ok(self.confirmed(number));
        }
        // It says more than that the hold is over, which it is for that reason.
        if self.status == EventStatus::Cancelled {
            self.require_open()?;
        }
        if hold.status == HoldStatus::Released {
            return Err(hold_ended());
        }
        let is_running = self.is_running(number);
        if !is_running {
            self.require_open()?;
        }
        let buyer = hold
            .buyer
            .or_else(|| who.subject().filter(|_| !who.is_staff()));
        // A running hold has been judged, unless it becomes somebody's only now.
        if !is_running || hold.buyer != buyer {
            let wanted = Wanted {
                owner: Some(Owner::Hold(number)),
                buyer,
                seats: hold.seats.len(),
                had: 0,
                is_new_hold: false,
            };
            self.check_limits(who, &wanted)?;
        }
        let own = Some(Owner::Hold(number));
        let is_unclaimed = |seat: &Seat| seat.owner == own || self.is_takeable(seat);
        let lost: Vec<usize> = hold
            .seats
            .keys()
            .copied()
            .filter(|seat| !is_unclaimed(&self.seats[*seat]))
            .collect();
        if !lost.is_empty() {
            let more = json!({"lost": self.seats_json(&lost)});
            return Err(refusal("HoldLapsed", "HOLD_LAPSED", more));
        }
        let owner = Some(Owner::Booking(self.bookings.len()));
        for seat in hold.seats.keys() {
            self.change(*seat, Status::Booked, owner);
        }
        self.bookings.push(Booking {
            version: 1,
            buyer,
            hold: Some(number),
            is_cancelled: false,
            seats: hold.seats,
            payment_reference,
        });
        self.holds[number].status = HoldStatus::Confirmed;
        Ok(self.confirmed(number))
    }

    /// The first reference of a payment is kept, whenever it comes.
    fn pay_late(&mut self, hold: usize, payment_reference: Option<&'static str>) {
        let number = self.booking_made_of(hold);
        let booking = &mut self.bookings[number];
        if booking.payment_reference.is_none() && payment_reference.is_some() {
            booking.payment_reference = payment_reference;
            booking.version += 1;
        }
    }

    fn booking_made_of(&self, hold: usize) -> usize {
        let of_hold = |booking: &Booking| booking.hold == Some(hold);
        let found = self.bookings.iter().position(of_hold);
        found.expect("a hold that was confirmed became a booking")
    }

    /// The booking that a hold became.
    fn confirmed(&self, hold: usize) -> Value {
        let number = self.booking_made_of(hold);
        json!({"__typename": "HoldConfirmed", "booking": self.booking_json(number)})
    }
}
