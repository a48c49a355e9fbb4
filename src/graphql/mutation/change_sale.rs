//! `openSale` and `closeSale`.

use crate::domain::sale::{self, ChangeSale, ChangeSaleRefused};
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::event_id;
use crate::graphql::refusal::{EventStatusConflict, EventVersionConflict};
use crate::graphql::services::{caller, connection};
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
        let command = command(&input.event_id, input.version)?;
        let mut connection = connection(context).await?;
        let result = sale::open_sale(&mut connection, caller(context), command).await?;
        Ok(match result {
            Ok(event) => OpenSaleResult::SaleOpened(SaleOpened {
                event: event.into(),
            }),
            Err(ChangeSaleRefused::VersionConflict(event)) => {
                let refusal = EventVersionConflict::new(input.version, event);
                OpenSaleResult::EventVersionConflict(refusal)
            }
            Err(ChangeSaleRefused::WrongStatus(event)) => {
                OpenSaleResult::EventStatusConflict(EventStatusConflict::new(event))
            }
        })
    }

    /// Closes the sale of an event. Holds that are running can still be
    /// confirmed. For staff.
    async fn close_sale(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which event.")] input: CloseSaleInput,
    ) -> ApiResult<CloseSaleResult> {
        let command = command(&input.event_id, input.version)?;
        let mut connection = connection(context).await?;
        let result = sale::close_sale(&mut connection, caller(context), command).await?;
        Ok(match result {
            Ok(event) => CloseSaleResult::SaleClosed(SaleClosed {
                event: event.into(),
            }),
            Err(ChangeSaleRefused::VersionConflict(event)) => {
                let refusal = EventVersionConflict::new(input.version, event);
                CloseSaleResult::EventVersionConflict(refusal)
            }
            Err(ChangeSaleRefused::WrongStatus(event)) => {
                CloseSaleResult::EventStatusConflict(EventStatusConflict::new(event))
            }
        })
    }
}

fn command(id: &ID, version: i32) -> Result<ChangeSale, ApiError> {
    Ok(ChangeSale {
        event: event_id("input.eventId", id)?,
        version,
    })
}
