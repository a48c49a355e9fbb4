//! Writes what a batch has decided: statements over arrays that are sent together.

use crate::db::{bookings, holds, idempotency_keys, seats};
use crate::domain::batch::ledger::{Changes, Ledger, LostSeat};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use futures_util::try_join;
use std::collections::HashSet;

/// What could not be written, because it has become another thing since it was read.
pub(super) enum Written {
    /// Nothing: all was.
    All,
    /// Some of it, and of seats these: the transaction is to be rolled back.
    AllBut(Vec<LostSeat>),
}

pub(super) async fn write(connection: &AsyncPgConnection, ledger: &Ledger) -> QueryResult<Written> {
    let changes = &ledger.changes;
    // Keys first, as everybody else who uses one does.
    let ((), lost, is_held, is_booked) = try_join!(
        write_keys(connection, changes),
        change_seats(connection, changes),
        write_holds(connection, ledger),
        write_bookings(connection, changes)
    )?;
    if lost.is_empty() && is_held && is_booked {
        Ok(Written::All)
    } else {
        Ok(Written::AllBut(lost))
    }
}

/// Answers the seats that could not be changed.
async fn change_seats(
    connection: &AsyncPgConnection,
    changes: &Changes,
) -> QueryResult<Vec<LostSeat>> {
    if changes.moves.is_empty() {
        return Ok(Vec::new());
    }
    let moves: Vec<_> = changes.moves.values().cloned().collect();
    let changed = seats::change(connection, &moves).await?;
    if changed.len() == moves.len() {
        return Ok(Vec::new());
    }
    let changed: HashSet<_> = changed
        .iter()
        .map(|(event, state)| (*event, state.seat_no))
        .collect();
    let lost = changes
        .moves
        .iter()
        .filter(|(key, _)| !changed.contains(key));
    let lost = lost.map(|((event, seat_no), change)| LostSeat {
        event: *event,
        seat_no: *seat_no,
        version: change.version,
    });
    Ok(lost.collect())
}

async fn write_holds(connection: &AsyncPgConnection, ledger: &Ledger) -> QueryResult<bool> {
    let Changes {
        new_holds,
        changed_holds,
        ..
    } = &ledger.changes;
    let hold = |key| ledger.holds.get(key);
    if !new_holds.is_empty() {
        holds::insert_all(connection, new_holds.iter().filter_map(hold)).await?;
    }
    if changed_holds.is_empty() {
        return Ok(true);
    }
    let updated = holds::update_all(connection, changed_holds.iter().filter_map(hold)).await?;
    Ok(updated == changed_holds.len())
}

async fn write_keys(connection: &AsyncPgConnection, changes: &Changes) -> QueryResult<()> {
    if changes.keys.is_empty() {
        return Ok(());
    }
    idempotency_keys::insert_all(connection, changes.keys.iter().cloned()).await?;
    Ok(())
}

async fn write_bookings(connection: &AsyncPgConnection, changes: &Changes) -> QueryResult<bool> {
    let Changes {
        new_bookings,
        changed_bookings,
        ..
    } = changes;
    if !new_bookings.is_empty() {
        bookings::insert_all(connection, new_bookings).await?;
    }
    for booking in changed_bookings {
        if bookings::update(connection, booking).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
