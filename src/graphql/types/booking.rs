//! Bookings.

use crate::db::bookings;
use crate::db::seats::SeatState;
use crate::domain::event_view::EventView;
use crate::graphql::types::event::Event;
use crate::graphql::types::line_item::LineItem;
use crate::graphql::types::money::Money;
use crate::graphql::types::seat::Seat;
use crate::graphql::types::time::Time;
use crate::model::global_id::GlobalId;
use crate::model::status;
use async_graphql::{Enum, ID, Object};
use std::sync::Arc;

/// Seats that are sold: a hold made final, or sold by staff without one.
#[derive(Clone)]
pub struct Booking {
    event: Arc<EventView>,
    booking: bookings::Booking,
    seats: Vec<SeatState>,
}

impl Booking {
    /// This booking of this event with its seats as they are.
    pub fn new(event: &Arc<EventView>, booking: bookings::Booking, seats: Vec<SeatState>) -> Self {
        Self {
            event: Arc::clone(event),
            booking,
            seats,
        }
    }
}

/// Seats that are sold: a hold made final, or sold by staff without one.
#[Object]
impl Booking {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        GlobalId::Booking(self.booking.event_id, self.booking.id)
            .to_string()
            .into()
    }

    /// Goes up by 1 with every update.
    async fn version(&self) -> i32 {
        self.booking.version
    }

    /// Short enough to be read out, such as `1A-7KQ2-M9XT`.
    async fn reference(&self) -> &str {
        &self.booking.reference
    }

    /// The event that was booked.
    async fn event(&self) -> Event {
        Event::from(Arc::clone(&self.event))
    }

    /// Its seats, in the plan's order.
    async fn seats(&self) -> Vec<Seat> {
        Seat::all(&self.event, self.seats.iter().copied())
    }

    /// Where it stands.
    async fn status(&self) -> BookingStatus {
        self.booking.status.into()
    }

    /// Its seats with what each costs, fixed when it was held or sold, in the plan's order.
    /// They come to `total`.
    async fn line_items(&self) -> Vec<LineItem> {
        let booking = &self.booking;
        let priced = (&*booking.seat_nos, &*booking.amounts);
        LineItem::all(&self.event, &self.seats, priced, &booking.currency)
    }

    /// What its seats cost together, fixed when they were held, or sold without a hold.
    async fn total(&self) -> Money {
        Money::new(self.booking.total(), &self.booking.currency)
    }

    /// What the payment provider calls the payment; null when none was given.
    async fn payment_reference(&self) -> Option<&str> {
        self.booking.payment_reference.as_deref()
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        Time(self.booking.created_at)
    }
}

/// Where a booking stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "status::BookingStatus")]
pub enum BookingStatus {
    /// Its seats are sold.
    Confirmed,
    /// Its seats were given back.
    Cancelled,
}
