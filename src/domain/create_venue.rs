//! Creating venues.

use crate::db::venues::{self, Venue};
use crate::domain::permissions::require;
use crate::domain::{DomainError, text};
use crate::model::{Caller, Permission};
use diesel_async::AsyncPgConnection;

/// Creates a venue. `time_zone` is an IANA name, such as `Europe/Berlin`.
///
/// # Errors
/// When the caller may not, the name or the time zone makes no sense, or
/// the database fails.
pub async fn create_venue(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    name: &str,
    time_zone: &str,
) -> Result<Venue, DomainError> {
    require(caller, Permission::ManageEvents)?;
    let name = text::name("name", name)?;
    let time_zone = text::time_zone("timeZone", time_zone)?;
    Ok(venues::insert(connection, name, time_zone).await?)
}
