//! `blockSeats`, `unblockSeats` and `bookSeats`: what staff do with seats by hand.

use crate::domain::block_seats::{self, BlockSeats, Blocking};
use crate::domain::book_seats::{self, BookSeats};
use crate::domain::box_office::{BoxOfficeRefused, NamedSeats};
use crate::domain::idempotency::Effect;
use crate::domain::transaction::Settled;
use crate::graphql::errors::ApiResult;
use crate::graphql::input::{
    ConflictPolicy, FeedCursor, SeatVersionInput, event_id, seat_versions,
};
use crate::graphql::refusal::{EventStatusConflict, SeatConflict};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::booking::Booking;
use crate::graphql::types::event::Event;
use crate::graphql::types::seat::Seat;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// Which seats to keep out of the sale.
#[derive(InputObject)]
struct BlockSeatsInput {
    /// Global id of the event.
    event_id: ID,
    /// The seats, each once: all of them are blocked or none.
    seats: Vec<SeatVersionInput>,
    /// What is done when a seat is not at the version that was seen.
    #[graphql(default_with = "ConflictPolicy::Report")]
    on_conflict: ConflictPolicy,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// Which seats to give back to the sale.
#[derive(InputObject)]
struct UnblockSeatsInput {
    /// Global id of the event.
    event_id: ID,
    /// The seats, each once: all of them are given back or none.
    seats: Vec<SeatVersionInput>,
    /// What is done when a seat is not at the version that was seen.
    #[graphql(default_with = "ConflictPolicy::Report")]
    on_conflict: ConflictPolicy,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// Which seats to sell, and to whom.
#[derive(InputObject)]
struct BookSeatsInput {
    /// Global id of the event.
    event_id: ID,
    /// The seats, each once: all of them are sold or none.
    seats: Vec<SeatVersionInput>,
    /// Whose booking it becomes: the subject of the buyer's token, who then sees it by
    /// its reference. Left out, it is nobody's, and only staff and the box office see it.
    buyer: Option<String>,
    /// What the payment provider, or the till, calls the payment; kept with the booking.
    payment_reference: Option<String>,
    /// What is done when a seat is not at the version that was seen.
    #[graphql(default_with = "ConflictPolicy::Report")]
    on_conflict: ConflictPolicy,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// What became of it.
#[derive(Union)]
enum BlockSeatsResult {
    /// The seats are out of the sale.
    SeatsBlocked(SeatsBlocked),
    /// A seat is held, sold or blocked already, or has changed since it was seen.
    SeatConflict(SeatConflict),
    /// The event is cancelled.
    EventStatusConflict(EventStatusConflict),
}

/// What became of it.
#[derive(Union)]
enum UnblockSeatsResult {
    /// The seats are available.
    SeatsUnblocked(SeatsUnblocked),
    /// A seat is not blocked, or has changed since it was seen.
    SeatConflict(SeatConflict),
    /// The event is cancelled.
    EventStatusConflict(EventStatusConflict),
}

/// What became of it.
#[derive(Union)]
enum BookSeatsResult {
    /// The seats are sold.
    SeatsBooked(SeatsBooked),
    /// Somebody else was faster.
    SeatConflict(SeatConflict),
    /// The event is a draft, or cancelled.
    EventStatusConflict(EventStatusConflict),
}

/// The seats are out of the sale.
#[derive(SimpleObject)]
struct SeatsBlocked {
    /// The event.
    event: Event,
    /// The seats as they became, in the plan's order.
    seats: Vec<Seat>,
    /// How often it was tried, at least once.
    attempts: u32,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

/// The seats are available.
#[derive(SimpleObject)]
struct SeatsUnblocked {
    /// The event.
    event: Event,
    /// The seats as they became, in the plan's order.
    seats: Vec<Seat>,
    /// How often it was tried, at least once.
    attempts: u32,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

/// The seats are sold.
#[derive(SimpleObject)]
struct SeatsBooked {
    /// The booking, with its seats as they became.
    booking: Booking,
    /// How often it was tried, at least once.
    attempts: u32,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

#[derive(Default)]
pub struct BoxOfficeMutation;

#[Object]
impl BoxOfficeMutation {
    /// Keeps seats out of the sale: all of them or none. Only a seat that is available, or
    /// whose hold has lapsed, can be blocked; the event may be in any status but
    /// `CANCELLED`. For staff and the box office.
    async fn block_seats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which seats.")] input: BlockSeatsInput,
    ) -> ApiResult<BlockSeatsResult> {
        recorded(context, async move {
            let command = BlockSeats {
                seats: named_seats(&input.event_id, &input.seats, input.on_conflict)?,
                idempotency_key: input.idempotency_key,
            };
            change(context, command, Blocking::Block, |changed| {
                SeatsBlocked {
                    event: changed.event,
                    seats: changed.seats,
                    attempts: changed.attempts,
                    cursor: changed.cursor,
                }
                .into()
            })
            .await
        })
        .await
    }

    /// Gives blocked seats back to the sale: all of them or none. For staff and
    /// the box office.
    async fn unblock_seats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which seats.")] input: UnblockSeatsInput,
    ) -> ApiResult<UnblockSeatsResult> {
        recorded(context, async move {
            let command = BlockSeats {
                seats: named_seats(&input.event_id, &input.seats, input.on_conflict)?,
                idempotency_key: input.idempotency_key,
            };
            change(context, command, Blocking::Unblock, |changed| {
                SeatsUnblocked {
                    event: changed.event,
                    seats: changed.seats,
                    attempts: changed.attempts,
                    cursor: changed.cursor,
                }
                .into()
            })
            .await
        })
        .await
    }

    /// Sells seats at once, without a hold, at the prices of this moment: all of them or
    /// none. The box office is bound neither to the sale window nor to what the event
    /// allows a buyer, and sells of a closed event, too; not of a draft or a cancelled
    /// one. What a buyer is sold here counts when that buyer holds more. For
    /// staff and the box office.
    async fn book_seats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which seats, and to whom.")] input: BookSeatsInput,
    ) -> ApiResult<BookSeatsResult> {
        recorded(context, async move {
            let command = BookSeats {
                seats: named_seats(&input.event_id, &input.seats, input.on_conflict)?,
                buyer: input.buyer,
                payment_reference: input.payment_reference,
                idempotency_key: input.idempotency_key,
            };
            let services = services(context)?;
            let mut connection = connection(context).await?;
            let caller = caller(context);
            let environment = &services.environment;
            let settled =
                book_seats::book_seats(&mut connection, environment, caller, command).await?;
            drop(connection);
            let Settled { result, attempts } = settled;
            Ok(match result {
                Ok(Effect { event, record }) => {
                    let cursor = services.publish(event.event.id, record.booking.transaction_id);
                    BookSeatsResult::SeatsBooked(SeatsBooked {
                        booking: Booking::new(&event, record.booking, record.seats),
                        attempts,
                        cursor,
                    })
                }
                Err(refused) => refusal(refused, attempts),
            })
        })
        .await
    }
}

fn named_seats(
    event: &ID,
    seats: &[SeatVersionInput],
    on_conflict: ConflictPolicy,
) -> ApiResult<NamedSeats> {
    let event = event_id("input.eventId", event)?;
    Ok(NamedSeats {
        event,
        seats: seat_versions("input.seats", event, seats)?,
        on_conflict: on_conflict.into(),
    })
}

/// Seats that were blocked or unblocked.
struct Changed {
    event: Event,
    seats: Vec<Seat>,
    attempts: u32,
    cursor: FeedCursor,
}

/// Blocks or unblocks seats, and tells their watchers; `done` says how that is answered.
async fn change<R>(
    context: &Context<'_>,
    command: BlockSeats,
    blocking: Blocking,
    done: impl FnOnce(Changed) -> R,
) -> ApiResult<R>
where
    R: From<SeatConflict> + From<EventStatusConflict>,
{
    let services = services(context)?;
    let mut connection = connection(context).await?;
    let caller = caller(context);
    let environment = &services.environment;
    let settled =
        block_seats::block_seats(&mut connection, environment, caller, command, blocking).await?;
    drop(connection);
    let Settled { result, attempts } = settled;
    Ok(match result {
        Ok(Effect { event, record }) => done(Changed {
            seats: Seat::all(&event, record.seats),
            attempts,
            cursor: services.publish(event.event.id, record.transaction),
            event: event.into(),
        }),
        Err(refused) => refusal(refused, attempts),
    })
}

fn refusal<R>(refused: BoxOfficeRefused, attempts: u32) -> R
where
    R: From<SeatConflict> + From<EventStatusConflict>,
{
    match refused {
        BoxOfficeRefused::Conflict(conflict) => SeatConflict::new(conflict, attempts).into(),
        BoxOfficeRefused::WrongStatus(event) => EventStatusConflict::new(event).into(),
    }
}
