//! A hold that is in the middle of its work for as long as a test wants.

use crate::support::lock::Lock;
use crate::support::{Event, House, eventually};

/// An event of one seat, and somebody who keeps it locked.
pub struct SlowHold {
    pub event: Event,
    seat: Lock,
}

impl SlowHold {
    /// In a house that has no event yet.
    pub async fn at(house: &House) -> Self {
        let event = house.event(1, 1).await;
        let seat = Lock::on_first_seat(&house.database_url).await;
        Self { event, seat }
    }

    /// The mutation that waits for the seat.
    pub fn mutation(&self) -> String {
        self.event.holding_seat(0)
    }

    /// Waits until the mutation is in the middle of its work.
    pub async fn has_begun(&mut self) {
        self.seat.is_wanted_by(1).await;
    }

    /// Lets the mutation go on.
    pub async fn goes_on(self) -> Event {
        self.seat.let_go().await;
        self.event
    }

    /// Lets the mutation go on, and waits until it has taken the seat.
    pub async fn takes_effect(self, house: &House) {
        let event = self.goes_on().await;
        eventually("the mutation has taken effect", async || {
            let map = house.visitor().seat_map(&event.id).await;
            (map["seats"][0]["status"] == "HELD").then_some(())
        })
        .await;
    }
}
