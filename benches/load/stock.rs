//! The seats of a slice: which they are, for a client here and for pgbench.

use crate::Outcome;
use std::ops::Range;
use usher::model::ids::{EventId, HoldId, SeatNo};
use uuid::Uuid;

/// Seats of events of one size that follow one another, and the order in which they are
/// wanted.
#[derive(Clone, Copy)]
pub struct Stock {
    pub first_event: i64,
    pub events: i64,
    /// Of each event.
    pub seats: i64,
    /// Which places of the order belong to the slice.
    pub first: i64,
    pub count: i64,
    /// How far a place is from the next one, around all seats of all events: they share no
    /// divisor with it, so that every seat has one place.
    pub stride: i64,
}

impl Stock {
    /// All seats of one event, from the first to the last.
    pub fn whole(event: EventId, seats: usize) -> Outcome<Self> {
        let seats = i64::try_from(seats)?;
        Ok(Self {
            first_event: event.0,
            events: 1,
            seats,
            first: 0,
            count: seats,
            stride: 1,
        })
    }

    /// What one of so many clients may have: places of the order.
    pub fn share(&self, number: usize, clients: usize) -> Outcome<Range<i64>> {
        let share = self.count / i64::try_from(clients)?;
        let first = self.first + i64::try_from(number)? * share;
        Ok(first..first + share)
    }

    /// The seat at a place of the order.
    pub fn seat(&self, place: i64) -> Outcome<(EventId, SeatNo)> {
        let seat = place * self.stride % (self.events * self.seats);
        let event = EventId(self.first_event + seat / self.seats);
        Ok((event, SeatNo::try_from(seat % self.seats)?))
    }

    /// The same for pgbench: `:event` and `:seat` of the client's next place.
    pub fn pgbench(&self, clients: usize) -> Outcome<String> {
        let share = self.share(0, clients)?;
        let (first, share) = (share.start, share.end - share.start);
        let all = self.events * self.seats;
        Ok(format!(
            "\\set place ({first} + :client_id * {share} + :n) * {} % {all}\n\
             \\set event {} + :place / {}\n\
             \\set seat :place % {}\n",
            self.stride, self.first_event, self.seats, self.seats
        ))
    }

    /// The first and the last of its events.
    pub fn events(&self) -> (i64, i64) {
        (self.first_event, self.first_event + self.events - 1)
    }
}

/// The identity that pgbench, and SQL that prepares a slice, give to the hold or booking of
/// a seat: its number, as it is written. This is it in SQL, where `seat` is the number.
pub fn owner_in_sql(seat: &str) -> String {
    format!("lpad({seat}::text, 32, '0')::uuid")
}

/// The same here.
pub fn owner(seat: SeatNo) -> Outcome<HoldId> {
    Ok(HoldId(Uuid::parse_str(&format!("{seat:032}"))?))
}
