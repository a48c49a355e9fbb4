//! Changing venues.

use crate::db::venues::{self, Venue, VenueChanges};
use crate::domain::permissions::require;
use crate::domain::transaction::{self, Abort, UnitOfWork};
use crate::domain::{DomainError, Environment, text};
use crate::model::ids::VenueId;
use crate::model::{Caller, Permission};
use diesel_async::AsyncPgConnection;

/// A change of a venue, decided on one version of it.
#[derive(Clone, Debug)]
pub struct UpdateVenue {
    /// The venue.
    pub venue: VenueId,
    /// The version of it that the decision was made on.
    pub version: i32,
    /// What it is called from now on; `None` keeps the name.
    pub name: Option<String>,
    /// IANA name of its time zone from now on; `None` keeps it.
    pub time_zone: Option<String>,
}

/// Somebody else has changed the venue since: here it is.
#[derive(Debug)]
pub struct VenueVersionConflict(pub Venue);

/// Changes what `command` names of a venue.
///
/// # Errors
/// When the caller may not, nothing is named or what is named makes no sense,
/// there is no such venue, or the database fails.
pub async fn update_venue(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: UpdateVenue,
) -> Result<Result<Venue, VenueVersionConflict>, DomainError> {
    require(caller, Permission::ManageEvents)?;
    let name = command.name.as_deref();
    let time_zone = command.time_zone.as_deref();
    if name.is_none() && time_zone.is_none() {
        let message = "nothing is changed: give a new name, a new timeZone, or both";
        return Err(DomainError::invalid("name", message));
    }
    let changes = VenueChanges {
        name: name.map(|name| text::name("name", name)).transpose()?,
        time_zone: time_zone
            .map(|zone| text::time_zone("timeZone", zone))
            .transpose()?,
    };
    let work = Work {
        id: command.venue,
        version: command.version,
        changes,
    };
    let settled = transaction::run(connection, environment.concurrency, &work).await?;
    Ok(settled.result)
}

struct Work<'a> {
    id: VenueId,
    version: i32,
    changes: VenueChanges<'a>,
}

impl UnitOfWork for Work<'_> {
    type Reading = ();
    type Success = Venue;
    type Refusal = VenueVersionConflict;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<Venue, Abort<VenueVersionConflict>> {
        let Self {
            id,
            version,
            changes,
        } = *self;
        if let Some(venue) = venues::update(connection, id, version, changes).await? {
            return Ok(venue);
        }
        // Not updated: the row as it is says why.
        let venue = venues::find(connection, &[id]).await?.pop();
        let venue = venue.ok_or(DomainError::NotFound { what: "venue" })?;
        let came_to_it_since = venue.version == version;
        let conflict = VenueVersionConflict(venue);
        Err(if came_to_it_since {
            Abort::Outrun(conflict)
        } else {
            Abort::Refused(conflict)
        })
    }
}
