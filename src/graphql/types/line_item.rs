//! What each seat of a hold or booking costs.

use crate::db::seats::SeatState;
use crate::domain::event_view::EventView;
use crate::graphql::types::money::Money;
use crate::graphql::types::seat::Seat;
use crate::model::ids::SeatNo;
use async_graphql::SimpleObject;
use std::sync::Arc;

/// One seat of a hold or booking, and its price.
#[derive(SimpleObject)]
pub struct LineItem {
    /// The seat.
    seat: Seat,
    /// What it costs, fixed when it was held: `Seat.price` is what the event asks now.
    price: Money,
}

impl LineItem {
    /// Each of `seats` with its amount: both lists are in the plan's order.
    pub(super) fn all(
        event: &Arc<EventView>,
        seats: &[SeatState],
        (seat_nos, amounts): (&[SeatNo], &[i64]),
        currency: &str,
    ) -> Vec<Self> {
        let state = |seat_no: SeatNo| {
            let place = seats.binary_search_by_key(&seat_no, |seat| seat.seat_no);
            place.ok().map(|place| seats[place])
        };
        seat_nos
            .iter()
            .zip(amounts)
            .filter_map(|(seat_no, amount)| {
                Some(Self {
                    seat: Seat::new(event, state(*seat_no)?),
                    price: Money::new(*amount, currency),
                })
            })
            .collect()
    }
}
