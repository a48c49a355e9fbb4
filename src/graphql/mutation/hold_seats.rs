//! `holdSeats`.

use crate::domain::access::HoldUnusable;
use crate::domain::hold_seats::{self, HoldSeats};
use crate::domain::holding::HoldRefused;
use crate::domain::transaction::Settled;
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::{
    ConflictPolicy, FeedCursor, SeatVersionInput, event_id, seat_versions,
};
use crate::graphql::refusal::{HoldEnded, HoldNotFound, LimitExceeded, SaleNotOpen, SeatConflict};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::types::hold::Hold;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// Which seats to hold.
#[derive(InputObject)]
struct HoldSeatsInput {
    /// Global id of the event.
    event_id: ID,
    /// The seats, each once: all of them are held or none.
    seats: Vec<SeatVersionInput>,
    /// Add them to the hold of this token instead of making a new one; the hold
    /// keeps its time.
    hold_token: Option<String>,
    /// What is done when a seat is not at the version that was seen.
    #[graphql(default_with = "ConflictPolicy::Report")]
    on_conflict: ConflictPolicy,
    /// A key of the client's own choice for this request, of up to 255 characters: sent
    /// again with the same key and input within 24 hours, it is answered again and not
    /// done again. Without a token of their own, callers must take at least 16.
    idempotency_key: Option<String>,
}

/// What became of it.
#[derive(Union)]
enum HoldSeatsResult {
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
}

/// The seats are held for the caller.
#[derive(SimpleObject)]
struct SeatsHeld {
    /// The hold, with all of its seats as they are now.
    hold: Hold,
    /// Whoever has it may use the hold: keep it, and give it to nobody else.
    token: String,
    /// How many transactions it took.
    attempts: u32,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

#[derive(Default)]
pub struct HoldSeatsMutation;

#[Object]
impl HoldSeatsMutation {
    /// Holds seats for the caller, at the versions that the caller saw: all of
    /// them or none. A seat whose hold has lapsed can be held as if it were
    /// available.
    async fn hold_seats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which seats.")] input: HoldSeatsInput,
    ) -> ApiResult<HoldSeatsResult> {
        let command = HoldSeats::try_from(input)?;
        let services = services(context)?;
        let mut connection = connection(context).await?;
        let caller = caller(context);
        let settled =
            hold_seats::hold_seats(&mut connection, &services.environment, caller, command).await?;
        drop(connection);
        let Settled { result, attempts } = settled;
        metrics::counter!("usher_hold_attempts_total").increment(attempts.into());
        let outcome = match &result {
            Ok(_) => "held",
            Err(HoldRefused::Conflict(_)) => "conflict",
            Err(_) => "refused",
        };
        metrics::counter!("usher_holds_total", "outcome" => outcome).increment(1);
        Ok(match result {
            Ok(held) => {
                services.feed.announce();
                let cursor = services
                    .feed
                    .cursor_of_change(held.hold.event_id, held.transaction);
                HoldSeatsResult::SeatsHeld(SeatsHeld {
                    token: held.token.reveal(),
                    hold: Hold::new(&held.event, held.hold, held.seats),
                    attempts,
                    cursor: FeedCursor(cursor),
                })
            }
            Err(HoldRefused::Conflict(conflict)) => {
                HoldSeatsResult::SeatConflict(SeatConflict::new(conflict, attempts))
            }
            Err(HoldRefused::LimitExceeded(exceeded)) => {
                HoldSeatsResult::LimitExceeded(LimitExceeded::new(exceeded))
            }
            Err(HoldRefused::SaleNotOpen(refusal)) => {
                HoldSeatsResult::SaleNotOpen(SaleNotOpen::new(&refusal))
            }
            Err(HoldRefused::Hold(HoldUnusable::NotFound)) => {
                HoldSeatsResult::HoldNotFound(HoldNotFound::new())
            }
            Err(HoldRefused::Hold(HoldUnusable::Ended(status))) => {
                HoldSeatsResult::HoldEnded(HoldEnded::new(status))
            }
        })
    }
}

impl TryFrom<HoldSeatsInput> for HoldSeats {
    type Error = ApiError;

    fn try_from(input: HoldSeatsInput) -> Result<Self, Self::Error> {
        let event = event_id("input.eventId", &input.event_id)?;
        let seats = seat_versions("input.seats", event, &input.seats)?;
        let into_hold = input.hold_token.map(|token| token.parse().ok());
        Ok(Self {
            event,
            seats,
            into_hold,
            on_conflict: input.on_conflict.into(),
            idempotency_key: input.idempotency_key,
        })
    }
}
