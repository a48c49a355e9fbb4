//! What buyers and staff do with seats that somebody has: exchange and cancel.

use super::rules::Wanted;
use super::{
    EventStatus, Exchanged, Expected, Model, Outcome, Owner, Person, Presented, Status, error,
    euros, refusal,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Model {
    pub fn exchange(
        &mut self,
        who: Person,
        of: Exchanged,
        give: &[usize],
        take: &[Expected],
        retry: bool,
    ) -> Outcome {
        let (owner, buyer, has) = match of {
            Exchanged::Hold(token) => {
                let number = self.running_hold_of(who, token)?;
                let hold = &self.holds[number];
                (Owner::Hold(number), hold.buyer, hold.seats.clone())
            }
            Exchanged::Booking(presented) => {
                let number = self.booking_of(who, presented)?;
                let booking = &self.bookings[number];
                (Owner::Booking(number), booking.buyer, booking.seats.clone())
            }
        };
        let is_hold = matches!(owner, Owner::Hold(_));
        // A box office moves people after the sale as well.
        let is_box_office = who.is_staff() && !is_hold && self.status != EventStatus::Cancelled;
        if !is_box_office {
            self.require_open()?;
        }
        let is_taken_again = take.iter().any(|(seat, _)| has.contains_key(seat));
        if give.iter().any(|seat| !has.contains_key(seat)) || is_taken_again {
            return Err(error("BAD_USER_INPUT"));
        }
        let (before, had): (i64, usize) = (has.values().sum(), has.len());
        let mut will_have = has;
        will_have.retain(|seat, _| !give.contains(seat));
        for (seat, _) in take {
            will_have.insert(*seat, self.price(*seat));
        }
        let wanted = Wanted {
            owner: Some(owner),
            buyer,
            seats: will_have.len(),
            had,
            is_new_hold: false,
        };
        self.check_limits(who, &wanted)?;
        let attempts = self.race(take, retry, |seat| self.is_takeable(seat))?;
        let after: i64 = will_have.values().sum();
        let mut taken: Vec<usize> = take.iter().map(|(seat, _)| *seat).collect();
        taken.sort_unstable();
        for seat in &taken {
            let status = if is_hold {
                Status::Held
            } else {
                Status::Booked
            };
            self.change(*seat, status, Some(owner));
        }
        let given = self.give_back(give);
        let (hold, booking) = match owner {
            Owner::Hold(number) => {
                self.holds[number].seats = will_have;
                (self.hold_json(number), Value::Null)
            }
            Owner::Booking(number) => {
                self.bookings[number].seats = will_have;
                self.bookings[number].version += 1;
                (Value::Null, self.booking_json(number))
            }
        };
        Ok(json!({
            "__typename": "SeatsExchanged", "attempts": attempts, "hold": hold,
            "booking": booking, "given": self.seats_json(&given),
            "taken": self.seats_json(&taken), "priceDifference": euros(after - before),
        }))
    }

    pub fn cancel_booking(
        &mut self,
        who: Person,
        presented: Presented,
        seats: Option<&[usize]>,
    ) -> Outcome {
        let number = self.booking_of(who, presented)?;
        let has = self.bookings[number].seats.clone();
        let named: Vec<usize> = match seats {
            Some(seats) => seats.to_vec(),
            None => has.keys().copied().collect(),
        };
        if named.iter().any(|seat| !has.contains_key(seat)) {
            return Err(error("BAD_USER_INPUT"));
        }
        let given = self.give_back(&named);
        let refund = given.iter().map(|seat| has[seat]).sum();
        let left: BTreeMap<usize, i64> = has
            .into_iter()
            .filter(|(seat, _)| !given.contains(seat))
            .collect();
        let booking = &mut self.bookings[number];
        booking.version += 1;
        // What is cancelled as a whole remains as the record of what was booked.
        booking.is_cancelled = left.is_empty();
        if !left.is_empty() {
            booking.seats = left;
        }
        Ok(json!({
            "__typename": "BookingCancelled", "attempts": 1, "booking": self.booking_json(number),
            "seats": self.seats_json(&given), "refund": euros(refund),
        }))
    }

    /// Answers them each once, in the plan's order.
    fn give_back(&mut self, seats: &[usize]) -> Vec<usize> {
        let mut given = seats.to_vec();
        given.sort_unstable();
        given.dedup();
        for seat in &given {
            self.change(*seat, Status::Available, None);
        }
        given
    }

    /// A booking that somebody may change, and knows as it is.
    fn booking_of(&self, who: Person, presented: Presented) -> Result<usize, Value> {
        let booking = &self.bookings[presented.booking];
        let has_token =
            booking.buyer.is_none() && presented.token.is_some() && presented.token == booking.hold;
        let owns = booking.buyer.is_some() && booking.buyer == who.subject();
        if !who.is_staff() && !owns && !has_token {
            let code = "BOOKING_NOT_FOUND";
            return Err(refusal("BookingNotFound", code, json!({})));
        }
        if booking.version != presented.version {
            let more = json!({
                "expectedVersion": presented.version,
                "booking": self.booking_json(presented.booking),
            });
            let name = "BookingVersionConflict";
            return Err(refusal(name, "VERSION_CONFLICT", more));
        }
        if booking.is_cancelled {
            return Err(refusal("BookingEnded", "BOOKING_ENDED", json!({})));
        }
        Ok(presented.booking)
    }
}
