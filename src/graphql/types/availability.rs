//! How many seats are left.

use crate::db::seats::SeatState;
use crate::domain::event_view::EventView;
use crate::model::status::SeatStatus;
use async_graphql::SimpleObject;

/// How many seats of an event are in each status.
#[derive(SimpleObject)]
pub struct Availability {
    /// All of them together.
    total: SeatCounts,
    /// By price category, in the plan's order.
    by_category: Vec<CategoryAvailability>,
    /// By zone, in the plan's order.
    by_zone: Vec<ZoneAvailability>,
}

/// How many seats are in each status.
#[derive(SimpleObject, Clone, Copy, Default)]
struct SeatCounts {
    /// Seats that anybody may hold.
    available: i32,
    /// Seats that are held.
    held: i32,
    /// Seats that are sold.
    booked: i32,
    /// Seats that staff keep out of the sale.
    blocked: i32,
    /// All of them.
    all: i32,
}

/// How many seats of a category are in each status.
#[derive(SimpleObject)]
struct CategoryAvailability {
    /// Name of the category.
    category: String,
    /// Its seats.
    seats: SeatCounts,
}

/// How many seats of a zone are in each status.
#[derive(SimpleObject)]
struct ZoneAvailability {
    /// Name of the zone.
    zone: String,
    /// Its seats.
    seats: SeatCounts,
}

impl SeatCounts {
    fn add(&mut self, status: SeatStatus) {
        self.all += 1;
        *match status {
            SeatStatus::Available => &mut self.available,
            SeatStatus::Held => &mut self.held,
            SeatStatus::Booked => &mut self.booked,
            SeatStatus::Blocked => &mut self.blocked,
        } += 1;
    }
}

impl Availability {
    /// Counts these seats of the event.
    pub fn count(event: &EventView, states: &[SeatState]) -> Self {
        let mut total = SeatCounts::default();
        let mut categories = vec![SeatCounts::default(); event.plan.categories.len()];
        let mut zones = vec![SeatCounts::default(); event.plan.zones.len()];
        for state in states {
            total.add(state.status);
            let Some(seat) = event.seat(state.seat_no) else {
                continue;
            };
            if let Some(counts) = categories.get_mut(seat.category) {
                counts.add(state.status);
            }
            if let Some(counts) = zones.get_mut(seat.zone) {
                counts.add(state.status);
            }
        }
        Self {
            total,
            by_category: event
                .plan
                .categories
                .iter()
                .zip(categories)
                .map(|(category, seats)| CategoryAvailability {
                    category: category.name.clone(),
                    seats,
                })
                .collect(),
            by_zone: event
                .plan
                .zones
                .iter()
                .zip(zones)
                .map(|(zone, seats)| ZoneAvailability {
                    zone: zone.name.clone(),
                    seats,
                })
                .collect(),
        }
    }
}
