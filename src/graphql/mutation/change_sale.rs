//! `openSale`, `closeSale` and `cancelEvent`.

use crate::domain::cancel_event;
use crate::domain::sale::{self, ChangeSale, ChangeSaleRefused};
use crate::graphql::errors::ApiResult;
use crate::graphql::input::{FeedCursor, event_id};
use crate::graphql::refusal::{EventStatusConflict, EventVersionConflict};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::event::Event;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// The sale of which event to open.
#[derive(InputObject)]
struct OpenSaleInput {
    /// Global id of the event.
    event_id: ID,
    /// The version of the event that the decision was made on.
    version: i32,
}

/// The sale of which event to close.
#[derive(InputObject)]
struct CloseSaleInput {
    /// Global id of the event.
    event_id: ID,
    /// The version of the event that the decision was made on.
    version: i32,
}

/// Which event to cancel.
#[derive(InputObject)]
struct CancelEventInput {
    /// Global id of the event.
    event_id: ID,
    /// The version of the event that the decision was made on.
    version: i32,
}

/// What became of it.
#[derive(Union)]
enum OpenSaleResult {
    /// The event is on sale.
    SaleOpened(SaleOpened),
    /// Somebody else has changed the event.
    EventVersionConflict(EventVersionConflict),
    /// Only a draft or a closed event can be opened.
    EventStatusConflict(EventStatusConflict),
}

/// What became of it.
#[derive(Union)]
enum CloseSaleResult {
    /// The sale has ended.
    SaleClosed(SaleClosed),
    /// Somebody else has changed the event.
    EventVersionConflict(EventVersionConflict),
    /// Only an event that is on sale can be closed.
    EventStatusConflict(EventStatusConflict),
}

/// What became of it.
#[derive(Union)]
enum CancelEventResult {
    /// The event is cancelled.
    Cancelled(EventCancelled),
    /// Somebody else has changed the event.
    VersionConflict(EventVersionConflict),
    /// The event was cancelled before.
    StatusConflict(EventStatusConflict),
}

/// The event is on sale.
#[derive(SimpleObject)]
struct SaleOpened {
    /// The event.
    event: Event,
}

/// The sale has ended.
#[derive(SimpleObject)]
struct SaleClosed {
    /// The event.
    event: Event,
}

/// The event is cancelled for good.
#[derive(SimpleObject)]
struct EventCancelled {
    /// The event.
    event: Event,
    /// How many holds were ended.
    ended_holds: usize,
    /// How many of their seats went back.
    released_seats: usize,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

#[derive(Default)]
pub struct ChangeSaleMutation;

#[Object]
impl ChangeSaleMutation {
    /// Opens the sale of a draft, or again of a closed event. For staff.
    async fn open_sale(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which event.")] input: OpenSaleInput,
    ) -> ApiResult<OpenSaleResult> {
        recorded(context, async move {
            let command = command(&input.event_id, input.version)?;
            let mut connection = connection(context).await?;
            let result = sale::open_sale(&mut connection, caller(context), command).await?;
            Ok(match result {
                Ok(event) => OpenSaleResult::SaleOpened(SaleOpened {
                    event: event.into(),
                }),
                Err(refused) => refusal(command, refused),
            })
        })
        .await
    }

    /// Closes the sale of an event. Holds that are running can still be
    /// confirmed. For staff.
    async fn close_sale(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which event.")] input: CloseSaleInput,
    ) -> ApiResult<CloseSaleResult> {
        recorded(context, async move {
            let command = command(&input.event_id, input.version)?;
            let mut connection = connection(context).await?;
            let result = sale::close_sale(&mut connection, caller(context), command).await?;
            Ok(match result {
                Ok(event) => CloseSaleResult::SaleClosed(SaleClosed {
                    event: event.into(),
                }),
                Err(refused) => refusal(command, refused),
            })
        })
        .await
    }

    /// Cancels an event for good. Its holds are ended at once and their seats go back, so
    /// that nobody goes on to pay; a hold that was being made in that moment may stay
    /// until it lapses, but cannot be confirmed. Its bookings stay as they are, and one whose
    /// request was on its way in that moment may join them: refund each, and cancel it by
    /// `cancelBooking`. A draft can be cancelled, too, and is seen
    /// by everybody then. For staff.
    async fn cancel_event(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which event.")] input: CancelEventInput,
    ) -> ApiResult<CancelEventResult> {
        recorded(context, async move {
            let command = command(&input.event_id, input.version)?;
            let services = services(context)?;
            let mut connection = connection(context).await?;
            let result =
                cancel_event::cancel_event(&mut connection, caller(context), command).await?;
            drop(connection);
            Ok(match result {
                Ok(cancelled) => {
                    let cursor = services.publish(cancelled.event.id, cancelled.transaction);
                    CancelEventResult::Cancelled(EventCancelled {
                        event: cancelled.event.into(),
                        ended_holds: cancelled.holds,
                        released_seats: cancelled.seats,
                        cursor,
                    })
                }
                Err(refused) => refusal(command, refused),
            })
        })
        .await
    }
}

fn command(id: &ID, version: i32) -> ApiResult<ChangeSale> {
    Ok(ChangeSale {
        event: event_id("input.eventId", id)?,
        version,
    })
}

fn refusal<R>(command: ChangeSale, refused: ChangeSaleRefused) -> R
where
    R: From<EventVersionConflict> + From<EventStatusConflict>,
{
    match refused {
        ChangeSaleRefused::VersionConflict(event) => {
            EventVersionConflict::new(command.version, event).into()
        }
        ChangeSaleRefused::WrongStatus(event) => EventStatusConflict::new(event).into(),
    }
}
