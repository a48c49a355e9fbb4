//! What became of one seat: who did it, when and why.

use crate::db::changes::{self, SeatStep};
use crate::domain::DomainError;
use crate::domain::permissions::require;
use crate::model::ids::{EventId, SeatNo};
use crate::model::{Caller, Permission};
use crate::trail;
use diesel_async::AsyncPgConnection;

/// The first `limit` steps of a seat after version `after`, in order of version.
/// Version 1 is the seat as its event was created with it, and no step. Who has seen them is in
/// the security log: they name those who held and booked it.
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
    let permission = Permission::SeeHistory;
    require(caller, permission)?;
    let after = after.map_or(0, |after| {
        i32::try_from(after).unwrap_or(if after < 0 { 0 } else { i32::MAX })
    });
    let steps = changes::of_seat(connection, event, seat_no, after, limit).await?;
    let what = format_args!("history of seat {seat_no} of event {event}");
    trail::saw(caller, permission, what);
    Ok(steps)
}
