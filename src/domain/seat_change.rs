//! Reading seats and changing them by the strategy that was chosen.
//!
//! This is what the strategies do differently where a use case has a transaction of its own,
//! together with the isolation level in [`transaction`](crate::domain::transaction); for
//! [batches](crate::domain::batch) both are done where they are read. The UPDATE checks versions in
//! all three; a pessimistic one locks its rows first, in the order of their key, so
//! that it finds them as they were read.

use crate::config::Concurrency;
use crate::db::seats::{self, ExpectedSeat, SeatState, Transition};
use crate::model::ids::{EventId, HoldId, SeatNo};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

/// Seats that are about to be changed, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn read(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    event: EventId,
    seat_nos: &[SeatNo],
) -> QueryResult<Vec<SeatState>> {
    match concurrency {
        Concurrency::Optimistic | Concurrency::Serializable => {
            seats::load(connection, event, seat_nos).await
        }
        Concurrency::Pessimistic => seats::lock(connection, event, seat_nos).await,
    }
}

/// Makes the transition for those of `expected` that are as they are expected to
/// be; answers them as they became, in the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn change(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    event: EventId,
    expected: &[ExpectedSeat],
    transition: &Transition,
) -> QueryResult<Vec<SeatState>> {
    if concurrency == Concurrency::Pessimistic {
        let seat_nos: Vec<SeatNo> = expected.iter().map(|seat| seat.seat_no).collect();
        seats::lock(connection, event, &seat_nos).await?;
    }
    change_as_read(connection, event, expected, transition).await
}

/// As [`change`], of seats that [`read`] has answered in this transaction: if they are
/// locked at all, they are locked already.
///
/// # Errors
/// When the database fails.
pub async fn change_as_read(
    connection: &mut AsyncPgConnection,
    event: EventId,
    expected: &[ExpectedSeat],
    transition: &Transition,
) -> QueryResult<Vec<SeatState>> {
    let mut changed = seats::transition(connection, event, expected, transition).await?;
    changed.sort_by_key(|seat| seat.seat_no);
    Ok(changed)
}

/// Moves the end of a hold on those of `seat_nos` that it still has; answers them in
/// the plan's order.
///
/// # Errors
/// When the database fails.
pub async fn prolong(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    (event, hold): (EventId, HoldId),
    seat_nos: &[SeatNo],
    until: DateTime<Utc>,
) -> QueryResult<Vec<SeatState>> {
    if concurrency == Concurrency::Pessimistic {
        seats::lock(connection, event, seat_nos).await?;
    }
    seats::prolong(connection, event, hold, seat_nos, until).await
}
