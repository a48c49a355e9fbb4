//! What became of one seat: who did it, when and why.

use crate::db::changes::{self, SeatStep};
use crate::domain::DomainError;
use crate::domain::permissions::require;
use crate::model::ids::{EventId, SeatNo};
use crate::model::{Caller, Permission};
use diesel_async::AsyncPgConnection;

/// The first `limit` steps of a seat after version `after`, in order of version.
/// Version 1 is the seat as its event was created with it, and no step.
///
/// # Errors
/// When the caller may not, or the database fails.
pub async fn page(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    (event, seat_no): (EventId, SeatNo),
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<SeatStep>, DomainError> {
    require(caller, Permission::SeeHistory)?;
    let after = after.map_or(0, |after| {
        i32::try_from(after).unwrap_or(if after < 0 { 0 } else { i32::MAX })
    });
    Ok(changes::of_seat(connection, event, seat_no, after, limit).await?)
}
