//! Relay's `Node`: any object by its global id.

use crate::db::{Connection, Database};
use crate::db::{events, seats, venues};
use crate::domain::event_view::{self, EventView};
use crate::domain::{DomainError, access};
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::services::{caller, connection, services};
use crate::graphql::types::booking::Booking;
use crate::graphql::types::event::Event;
use crate::graphql::types::hold::Hold;
use crate::graphql::types::seat::Seat;
use crate::graphql::types::seating_plan::SeatingPlan;
use crate::graphql::types::venue::Venue;
use crate::model::Caller;
use crate::model::global_id::GlobalId;
use crate::model::ids::{EventId, VenueId};
use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, Interface};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// An object with a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global id of the object."))]
pub enum Node {
    /// A place.
    Venue(Venue),
    /// The drawing of a hall.
    SeatingPlan(SeatingPlan),
    /// A performance.
    Event(Event),
    /// A seat of an event.
    Seat(Seat),
    /// Seats kept for a buyer.
    Hold(Hold),
    /// Seats sold.
    Booking(Booking),
}

/// Loads of venues that run at a time, or wait for the database. They are of many operations
/// together, and so take none of their places.
const LOADS: usize = 2;

/// Venues by id, many at once.
pub struct VenueLoader {
    database: Database,
    places: Arc<Semaphore>,
}

impl VenueLoader {
    /// For all operations on this database.
    pub fn new(database: Database) -> Self {
        Self {
            database,
            places: Arc::new(Semaphore::new(LOADS)),
        }
    }
}

impl Loader<VenueId> for VenueLoader {
    type Value = venues::Venue;
    type Error = async_graphql::Error;

    async fn load(&self, ids: &[VenueId]) -> Result<HashMap<VenueId, Self::Value>, Self::Error> {
        let mut connection = self
            .database
            .connection_at_one_of(&self.places)
            .await
            .map_err(ApiError::from)?;
        let venues = venues::find(&mut connection, ids)
            .await
            .map_err(ApiError::from)?;
        Ok(venues.into_iter().map(|venue| (venue.id, venue)).collect())
    }
}

/// The object with this id, if there is one that the caller may see.
pub(super) async fn find(context: &Context<'_>, id: GlobalId) -> ApiResult<Option<Node>> {
    let caller = caller(context);
    let plans = &services(context)?.environment.plans;
    let mut connection = connection(context).await?;
    Ok(match id {
        GlobalId::Venue(id) => venues::find(&mut connection, &[id])
            .await?
            .pop()
            .map(Venue)
            .map(Node::Venue),
        GlobalId::SeatingPlan(id) => match plans.get(&mut connection, id).await {
            Ok(plan) => Some(Node::SeatingPlan(SeatingPlan(plan))),
            Err(diesel::result::Error::NotFound) => None,
            Err(error) => return Err(error.into()),
        },
        GlobalId::Event(id) => event(&mut connection, caller, id)
            .await?
            .map(Event::from)
            .map(Node::Event),
        GlobalId::Seat(id, seat_no) => {
            match event_view(context, &mut connection, caller, id).await? {
                Some(event) => {
                    let states = seats::load(&mut connection, id, &[seat_no]).await?;
                    Seat::all(&event, states).pop().map(Node::Seat)
                }
                None => None,
            }
        }
        GlobalId::Hold(event_id, id) => {
            match access::find_by_id(&mut connection, (event_id, id), caller).await? {
                Some(found) => event_view(context, &mut connection, caller, event_id)
                    .await?
                    .map(|event| Node::Hold(Hold::new(&event, found.hold, found.seats))),
                None => None,
            }
        }
        GlobalId::Booking(event_id, id) => {
            let found = access::find_booking_by_id(&mut connection, (event_id, id), caller).await?;
            match found {
                Some(booking) => self::booking(context, &mut connection, caller, booking)
                    .await?
                    .map(Node::Booking),
                None => None,
            }
        }
    })
}

/// The event with this id, if there is one that the caller may see.
pub(super) async fn event(
    connection: &mut Connection,
    caller: &Caller,
    id: EventId,
) -> ApiResult<Option<events::Event>> {
    match event_view::find_event(connection, caller, id).await {
        Ok((event, _)) => Ok(Some(event)),
        Err(DomainError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The same with its prices and its plan.
pub(super) async fn event_view(
    context: &Context<'_>,
    connection: &mut Connection,
    caller: &Caller,
    id: EventId,
) -> ApiResult<Option<Arc<EventView>>> {
    let Some(event) = event(connection, caller, id).await? else {
        return Ok(None);
    };
    let plans = &services(context)?.environment.plans;
    let event = event_view::complete(connection, plans, event).await?;
    Ok(Some(Arc::new(event)))
}

/// A booking that the caller may see, with its event and its seats.
pub(super) async fn booking(
    context: &Context<'_>,
    connection: &mut Connection,
    caller: &Caller,
    booking: crate::db::bookings::Booking,
) -> ApiResult<Option<Booking>> {
    let Some(event) = event_view(context, connection, caller, booking.event_id).await? else {
        return Ok(None);
    };
    let seats = seats::load(connection, booking.event_id, &booking.seat_nos).await?;
    Ok(Some(Booking::new(&event, booking, seats)))
}
