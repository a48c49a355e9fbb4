//! What staff do.

use super::{
    Booking, Change, EventStatus, Expected, HoldStatus, Model, Outcome, Owner, Status, refusal,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Model {
    pub fn open_sale(&mut self, version: i64) -> Outcome {
        self.change_status(version, &[EventStatus::Closed], EventStatus::OnSale)?;
        Ok(json!({"__typename": "SaleOpened", "event": self.event_json()}))
    }

    pub fn close_sale(&mut self, version: i64) -> Outcome {
        self.change_status(version, &[EventStatus::OnSale], EventStatus::Closed)?;
        Ok(json!({"__typename": "SaleClosed", "event": self.event_json()}))
    }

    pub fn cancel_event(&mut self, version: i64) -> Outcome {
        let from = [EventStatus::OnSale, EventStatus::Closed];
        self.change_status(version, &from, EventStatus::Cancelled)?;
        let (mut holds, mut seats) = (0, 0);
        for number in 0..self.holds.len() {
            if self.holds[number].status != HoldStatus::Active {
                continue;
            }
            holds += 1;
            for seat in self.holds[number].seats.keys().copied().collect::<Vec<_>>() {
                if self.seats[seat].owner == Some(Owner::Hold(number)) {
                    seats += 1;
                    self.change(seat, Status::Available, None);
                }
            }
            self.holds[number].status = HoldStatus::Released;
        }
        Ok(json!({
            "__typename": "EventCancelled", "event": self.event_json(), "endedHolds": holds,
            "releasedSeats": seats,
        }))
    }

    pub fn update(&mut self, version: i64, change: Change) -> Outcome {
        self.check_version(version)?;
        self.require_not_cancelled()?;
        let limits = &mut self.limits;
        match change {
            Change::PriceOfStalls(price) => self.prices[0] = price,
            Change::SeatsPerHold(seats) => limits.seats_per_hold = seats,
            Change::SeatsPerBuyer(seats) => limits.seats_per_buyer = seats,
            Change::HoldsPerBuyer(holds) => limits.holds_per_buyer = holds,
            Change::IsExtendable(is_extendable) => limits.is_extendable = is_extendable,
        }
        self.version += 1;
        Ok(json!({"__typename": "EventUpdated", "event": self.event_json()}))
    }

    pub fn block(&mut self, seats: &[Expected], retry: bool) -> Outcome {
        self.require_not_cancelled()?;
        let attempts = self.race(seats, retry, |seat| self.is_takeable(seat))?;
        Ok(self.changed("SeatsBlocked", seats, Status::Blocked, attempts))
    }

    pub fn unblock(&mut self, seats: &[Expected], retry: bool) -> Outcome {
        self.require_not_cancelled()?;
        let attempts = self.race(seats, retry, |seat| seat.status == Status::Blocked)?;
        Ok(self.changed("SeatsUnblocked", seats, Status::Available, attempts))
    }

    pub fn book(
        &mut self,
        seats: &[Expected],
        buyer: Option<&'static str>,
        retry: bool,
    ) -> Outcome {
        self.require_not_cancelled()?;
        let attempts = self.race(seats, retry, |seat| self.is_takeable(seat))?;
        let number = self.bookings.len();
        let mut booked = BTreeMap::new();
        for (seat, _) in seats {
            booked.insert(*seat, self.price(*seat));
            self.change(*seat, Status::Booked, Some(Owner::Booking(number)));
        }
        self.bookings.push(Booking {
            version: 1,
            buyer,
            hold: None,
            is_cancelled: false,
            seats: booked,
            payment_reference: None,
        });
        let booking = self.booking_json(number);
        Ok(json!({"__typename": "SeatsBooked", "attempts": attempts, "booking": booking}))
    }

    fn changed(&mut self, name: &str, seats: &[Expected], to: Status, attempts: u32) -> Value {
        let mut seats: Vec<usize> = seats.iter().map(|(seat, _)| *seat).collect();
        seats.sort_unstable();
        for seat in &seats {
            self.change(*seat, to, None);
        }
        json!({"__typename": name, "attempts": attempts, "seats": self.seats_json(&seats)})
    }

    fn change_status(
        &mut self,
        version: i64,
        from: &[EventStatus],
        to: EventStatus,
    ) -> Result<(), Value> {
        self.check_version(version)?;
        if !from.contains(&self.status) {
            return Err(self.wrong_status());
        }
        (self.status, self.version) = (to, version + 1);
        Ok(())
    }

    fn require_not_cancelled(&self) -> Result<(), Value> {
        if self.status == EventStatus::Cancelled {
            return Err(self.wrong_status());
        }
        Ok(())
    }

    fn check_version(&self, version: i64) -> Result<(), Value> {
        if self.version == version {
            return Ok(());
        }
        let more = json!({"expectedVersion": version, "event": self.event_json()});
        Err(refusal("EventVersionConflict", "VERSION_CONFLICT", more))
    }

    fn wrong_status(&self) -> Value {
        let more = json!({"event": self.event_json()});
        refusal("EventStatusConflict", "STATUS_CONFLICT", more)
    }
}
