//! Holds.

use crate::db::holds;
use crate::db::seats::SeatState;
use crate::domain::event_view::EventView;
use crate::graphql::types::event::Event;
use crate::graphql::types::line_item::LineItem;
use crate::graphql::types::money::Money;
use crate::graphql::types::seat::Seat;
use crate::graphql::types::time::Time;
use crate::model::global_id::GlobalId;
use crate::model::status::HoldStatus;
use async_graphql::{Enum, ID, Object};
use std::sync::Arc;

/// Seats kept for one buyer until a time.
#[derive(Clone)]
pub struct Hold {
    event: Arc<EventView>,
    hold: holds::Hold,
    seats: Vec<SeatState>,
}

impl Hold {
    /// This hold of this event with its seats as they are.
    pub fn new(event: &Arc<EventView>, hold: holds::Hold, seats: Vec<SeatState>) -> Self {
        Self {
            event: Arc::clone(event),
            hold,
            seats,
        }
    }
}

/// Seats kept for one buyer until a time.
#[Object]
impl Hold {
    /// Global id. Not a secret: only the hold's token lets anybody use it.
    pub(in crate::graphql) async fn id(&self) -> ID {
        GlobalId::Hold(self.hold.event_id, self.hold.id)
            .to_string()
            .into()
    }

    /// The event whose seats it has.
    async fn event(&self) -> Event {
        Event::from(Arc::clone(&self.event))
    }

    /// Its seats, in the plan's order.
    async fn seats(&self) -> Vec<Seat> {
        Seat::all(&self.event, self.seats.iter().copied())
    }

    /// When it lapses, by the server's clock. From then on anybody may take its
    /// seats.
    async fn expires_at(&self) -> Time {
        Time(self.hold.expires_at)
    }

    /// What became of it; null while it runs. Only the last message of `Subscription.hold`
    /// shows a hold that is over.
    async fn end(&self) -> Option<HoldEnd> {
        HoldEnd::of(self.hold.status)
    }

    /// Its seats with what each costs, fixed when it was held, in the plan's order. They
    /// come to `total`.
    async fn line_items(&self) -> Vec<LineItem> {
        let hold = &self.hold;
        let priced = (&*hold.seat_nos, &*hold.amounts);
        LineItem::all(&self.event, &self.seats, priced, &hold.currency)
    }

    /// What its seats cost together, fixed when they were held.
    async fn total(&self) -> Money {
        Money::new(self.hold.total(), &self.hold.currency)
    }
}

/// What became of a hold that runs no more.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    /// Its owner gave all of its seats back, or the event was cancelled.
    Released,
    /// It is a booking.
    Confirmed,
    /// Its time ran out.
    Lapsed,
}

impl HoldEnd {
    /// Of a hold in this status; nothing while it runs.
    pub fn of(status: HoldStatus) -> Option<Self> {
        match status {
            HoldStatus::Active => None,
            HoldStatus::Released => Some(Self::Released),
            HoldStatus::Confirmed => Some(Self::Confirmed),
            HoldStatus::Lapsed => Some(Self::Lapsed),
        }
    }
}
