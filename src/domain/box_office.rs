//! What all ways share in which staff change seats by hand, without a hold.

use crate::db::events::Event;
use crate::db::seats::{ExpectedSeat, SeatState, Transition};
use crate::domain::conflict::{self, ConflictPolicy, SeatConflict};
use crate::domain::event_view::{self, EventView};
use crate::domain::transaction::Abort;
use crate::domain::{DomainError, Environment};
use crate::model::Caller;
use crate::model::ids::EventId;
use crate::model::status::EventStatus;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use std::sync::Arc;

/// Seats that are changed together: all of them or none.
#[derive(Clone, Debug, Serialize)]
pub struct NamedSeats {
    /// The event whose seats they are.
    pub event: EventId,
    /// Which seats, and the version that each was seen at.
    pub seats: Vec<ExpectedSeat>,
    /// What is done when a version has moved on.
    pub on_conflict: ConflictPolicy,
}

/// Why no seat was changed.
#[derive(Debug)]
pub enum BoxOfficeRefused {
    /// Seats are not as they were seen.
    Conflict(SeatConflict),
    /// Nothing is done with the seats of an event in this status.
    WrongStatus(Event),
}

impl From<SeatConflict> for BoxOfficeRefused {
    fn from(conflict: SeatConflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl NamedSeats {
    /// Whether these seats can be asked for.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(&self) -> Result<(), DomainError> {
        conflict::check("seats", &self.seats)
    }

    /// The versions to expect in this attempt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expected(
        &self,
        connection: &mut AsyncPgConnection,
        attempt: u32,
    ) -> Result<Vec<ExpectedSeat>, DomainError> {
        conflict::expected(
            connection,
            self.event,
            &self.seats,
            self.on_conflict,
            attempt,
        )
        .await
    }

    /// The event, unless it is in one of the statuses `but_not`. It is not locked: whoever
    /// has read it goes on, although it may be cancelled in that moment.
    ///
    /// # Errors
    /// A refusal when it is in one of them; when it is not there, or has not all of the
    /// seats; a failure of the database.
    pub async fn find_event(
        &self,
        connection: &mut AsyncPgConnection,
        environment: &Environment,
        caller: &Caller,
        but_not: &[EventStatus],
    ) -> Result<Arc<EventView>, Abort<BoxOfficeRefused>> {
        let plans = &environment.plans;
        let (event, _) = event_view::find(connection, plans, caller, self.event).await?;
        conflict::check_places("seats", &event, &self.seats)?;
        if but_not.contains(&event.event.status) {
            return Err(Abort::Refused(BoxOfficeRefused::WrongStatus(event.event)));
        }
        Ok(Arc::new(event))
    }

    /// Makes the transition for all of the seats, at the versions `expected`.
    ///
    /// # Errors
    /// The conflict, when not all of them can; a failure of the database.
    pub async fn change(
        &self,
        connection: &mut AsyncPgConnection,
        environment: &Environment,
        event: &Arc<EventView>,
        expected: &[ExpectedSeat],
        transition: &Transition,
    ) -> Result<Vec<SeatState>, Abort<BoxOfficeRefused>> {
        let policy = self.on_conflict;
        conflict::change_all(connection, environment, event, expected, transition, policy).await
    }
}
