//! What `holdSeats` and `holdBestAvailable` answer.

use crate::domain::access::PresentedToken;
use crate::domain::holding::{Held, HoldRefused, Holding};
use crate::domain::idempotency::Effect;
use crate::domain::transaction::Settled;
use crate::graphql::input::FeedCursor;
use crate::graphql::refusal::{
    HoldEnded, HoldNotFound, LimitExceeded, NotEnoughSeats, SaleNotOpen, SeatConflict,
    SeatsLeftAlone, hold_unusable,
};
use crate::graphql::services::Services;
use crate::graphql::types::hold::Hold;
use crate::graphql::types::seat::Seat;
use async_graphql::{SimpleObject, Union};

/// What became of it.
#[derive(Union)]
pub(super) enum HoldSeatsResult {
    /// The seats are held.
    SeatsHeld(SeatsHeld),
    /// Somebody else was faster.
    SeatConflict(SeatConflict),
    /// The hold would have too many seats.
    LimitExceeded(LimitExceeded),
    /// Nothing can be held at this time.
    SaleNotOpen(SaleNotOpen),
    /// There is no hold of this event with that token.
    HoldNotFound(HoldNotFound),
    /// The hold of that token is over.
    HoldEnded(HoldEnded),
    /// A single seat would be left alone.
    SeatsLeftAlone(SeatsLeftAlone),
    /// `holdBestAvailable`: there are no seats for so many.
    NotEnoughSeats(NotEnoughSeats),
}

/// The seats are held for the caller.
#[derive(SimpleObject)]
pub(super) struct SeatsHeld {
    /// The hold, with all of its seats as they are now.
    hold: Hold,
    /// Whoever has it may use the hold: keep it, and give it to nobody else.
    token: String,
    /// How often it was tried, at least once.
    attempts: u32,
    /// Single seats that are left alone beside them though their row had a better way;
    /// always empty where the event's `orphanRule` is `OFF`.
    lone_seats: Vec<Seat>,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

impl HoldSeatsResult {
    /// Counts the outcome, and tells the watchers of what was held. `into_hold` is the token
    /// of the hold that was to get the seats.
    pub(super) fn new(
        services: &Services,
        holding: &Holding,
        into_hold: Option<&PresentedToken>,
        settled: Settled<Effect<Held>, HoldRefused>,
    ) -> Self {
        let Settled { result, attempts } = settled;
        metrics::counter!("usher_hold_attempts_total").increment(attempts.into());
        let outcome = match &result {
            Ok(_) => "held",
            Err(HoldRefused::Conflict(_)) => "conflict",
            Err(_) => "refused",
        };
        metrics::counter!("usher_holds_total", "outcome" => outcome).increment(1);
        match result {
            Ok(effect) => {
                let held = holding.answer(effect);
                let cursor = services.publish(held.hold.event_id, held.transaction);
                if into_hold.is_some() {
                    services.feed.announce_hold(held.hold.id);
                }
                HoldSeatsResult::SeatsHeld(SeatsHeld {
                    token: held.token.reveal(),
                    hold: Hold::new(&held.event, held.hold, held.seats),
                    lone_seats: Seat::all(&held.event, held.left_alone),
                    attempts,
                    cursor,
                })
            }
            Err(HoldRefused::Conflict(conflict)) => {
                HoldSeatsResult::SeatConflict(SeatConflict::new(conflict, attempts))
            }
            Err(HoldRefused::LimitExceeded(exceeded)) => {
                HoldSeatsResult::LimitExceeded(LimitExceeded::new(exceeded))
            }
            Err(HoldRefused::LeftAlone(refusal)) => {
                HoldSeatsResult::SeatsLeftAlone(SeatsLeftAlone::new(refusal))
            }
            Err(HoldRefused::NotEnoughSeats { largest_group }) => {
                HoldSeatsResult::NotEnoughSeats(NotEnoughSeats::new(largest_group))
            }
            Err(HoldRefused::SaleNotOpen(refusal)) => {
                HoldSeatsResult::SaleNotOpen(SaleNotOpen::new(&refusal))
            }
            Err(HoldRefused::Hold(unusable)) => hold_unusable(unusable),
        }
    }
}
