//! Storing a seating plan.

use crate::db::plans::{self, SEATS_PER_INSERT};
use crate::domain::DomainError;
use crate::domain::permissions::require;
use crate::domain::plan_document::PlanDocument;
use crate::model::ids::{PlanId, SeatNo};
use crate::model::{Caller, Permission};
use diesel_async::{AsyncConnection, AsyncPgConnection};

/// Stores `document` as a new plan, in one transaction; tells `progress` after
/// each batch how many seats are written.
///
/// # Errors
/// When the caller may not or the database fails; nothing is stored then.
pub async fn import_plan(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    document: &PlanDocument,
    progress: impl Fn(usize) + Send + Sync,
) -> Result<PlanId, DomainError> {
    require(caller, Permission::ManageEvents)?;
    let progress = &progress;
    connection
        .transaction(async |connection| {
            let id = plans::insert(
                connection,
                &document.name,
                (document.width, document.height),
                seat_no(document.seats.len()),
                &document.categories,
                &document.zones,
            )
            .await?;
            let mut written = 0;
            for seats in document.seats.chunks(SEATS_PER_INSERT) {
                plans::insert_seats(connection, id, seat_no(written), seats).await?;
                written += seats.len();
                progress(written);
            }
            Ok(id)
        })
        .await
}

/// A document has at most 200,000 seats, so nothing is ever cut off.
fn seat_no(count: usize) -> SeatNo {
    SeatNo::try_from(count).unwrap_or(SeatNo::MAX)
}
