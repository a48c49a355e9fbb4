//! `Query`.

use crate::db::events::{self, EventSelection};
use crate::db::venues;
use crate::domain::access;
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::{booking_reference, event_id, global_id, time, venue_id};
use crate::graphql::node::{self, Node};
use crate::graphql::pagination::{Connection, PageRequest};
use crate::graphql::services::{caller, connection};
use crate::graphql::types::booking::Booking;
use crate::graphql::types::event::{Event, EventStatus};
use crate::graphql::types::hold::Hold;
use crate::graphql::types::time::Time;
use crate::graphql::types::venue::Venue;
use crate::graphql::types::viewer::Viewer;
use crate::model::Permission;
use crate::model::ids::{EventId, VenueId};
use async_graphql::{Context, ID, InputObject, Object};

/// Venues or events on one page at most.
const MAX_PAGE: usize = 100;

/// What can be asked.
pub struct Query;

/// Which events a list has.
#[derive(InputObject)]
struct EventFilter {
    /// Only those in this status.
    status: Option<EventStatus>,
    /// Only those at this venue.
    venue_id: Option<ID>,
    /// Only those that start at or after this time.
    starts_from: Option<Time>,
    /// Only those that start before this time.
    starts_before: Option<Time>,
}

/// What can be asked.
#[Object]
impl Query {
    /// Who is asking.
    async fn viewer(&self, context: &Context<'_>) -> Viewer {
        caller(context).into()
    }

    /// Any object by its global id; null when there is none, or none that the
    /// viewer may see.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the object.")] id: ID,
    ) -> ApiResult<Option<Node>> {
        node::find(context, global_id("id", &id)?).await
    }

    /// The venues, a page at a time, oldest first.
    async fn venues(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 when left out.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor, from `pageInfo.endCursor`.")] after: Option<
            String,
        >,
    ) -> ApiResult<Connection<Venue>> {
        let page = PageRequest::new("venues", first, after.as_deref(), MAX_PAGE)?;
        let mut connection = connection(context).await?;
        let after = page.after.map(VenueId);
        let venues = venues::page(&mut connection, after, page.limit()).await?;
        Ok(page.connection(venues, |venue| venue.id.0, Venue))
    }

    /// The events that the viewer may see, a page at a time, oldest first.
    async fn events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 when left out.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor, from `pageInfo.endCursor`.")] after: Option<
            String,
        >,
        #[graphql(desc = "Which events; all when left out.")] filter: Option<EventFilter>,
    ) -> ApiResult<Connection<Event>> {
        let page = PageRequest::new("events", first, after.as_deref(), MAX_PAGE)?;
        let selection = EventSelection {
            drafts: caller(context).may(Permission::SeeDrafts),
            ..filter
                .map(EventSelection::try_from)
                .transpose()?
                .unwrap_or_default()
        };
        let mut connection = connection(context).await?;
        let after = page.after.map(EventId);
        let rows = events::page(&mut connection, &selection, after, page.limit()).await?;
        Ok(page.connection(rows, |event| event.id.0, Event::from))
    }

    /// The event with this id; null when there is none that the viewer may see.
    async fn event(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Global id of the event.")] id: ID,
    ) -> ApiResult<Option<Event>> {
        let id = event_id("id", &id)?;
        let mut connection = connection(context).await?;
        let event = node::event(&mut connection, caller(context), id).await?;
        Ok(event.map(Event::from))
    }

    /// The hold of this token; null when there is none, or it is over: released,
    /// confirmed, or lapsed.
    async fn hold(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The token that its owner was given.")] token: String,
    ) -> ApiResult<Option<Hold>> {
        let Ok(token) = token.parse() else {
            return Ok(None);
        };
        let caller = caller(context);
        let mut connection = connection(context).await?;
        let Some(found) = access::find_by_token(&mut connection, &token, caller).await? else {
            return Ok(None);
        };
        let event = node::event_view(context, &mut connection, caller, found.hold.event_id).await?;
        Ok(event.map(|event| Hold::new(&event, found.hold, found.seats)))
    }

    /// The booking with this reference, for its owner, staff and the box office; null for
    /// everybody else.
    async fn booking(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What stands on the booking; letter case and hyphens do not matter.")]
        reference: String,
        #[graphql(desc = "The token of the hold that it was: for an owner who is not signed in.")]
        token: Option<String>,
    ) -> ApiResult<Option<Booking>> {
        let reference = booking_reference("reference", &reference)?;
        let token = token.and_then(|token| token.parse().ok());
        let caller = caller(context);
        let mut connection = connection(context).await?;
        match access::find_booking(&mut connection, reference, &token, caller).await? {
            Some(found) => node::booking(context, &mut connection, caller, found).await,
            None => Ok(None),
        }
    }
}

impl TryFrom<EventFilter> for EventSelection {
    type Error = ApiError;

    fn try_from(filter: EventFilter) -> Result<Self, Self::Error> {
        Ok(Self {
            status: filter.status.map(Into::into),
            venue: filter
                .venue_id
                .map(|id| venue_id("filter.venueId", &id))
                .transpose()?,
            drafts: false,
            starts_from: filter
                .starts_from
                .map(|from| time("filter.startsFrom", from))
                .transpose()?,
            starts_before: filter
                .starts_before
                .map(|before| time("filter.startsBefore", before))
                .transpose()?,
        })
    }
}
