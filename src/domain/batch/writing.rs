//! Writes what a batch has decided: statements over arrays that are sent together.

use crate::db::{bookings, holds, idempotency_keys, seats};
use crate::domain::batch::ledger::{Changes, Ledger};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use futures_util::try_join;

/// Whether all was written. Otherwise a row has become another one since it was read: the
/// transaction is to be rolled back, and the batch decided again.
pub(super) async fn write(connection: &AsyncPgConnection, ledger: &Ledger) -> QueryResult<bool> {
    let changes = &ledger.changes;
    let (moved, held, rest) = try_join!(
        change_seats(connection, changes),
        write_holds(connection, ledger),
        write_rest(connection, changes)
    )?;
    Ok(moved && held && rest)
}

async fn change_seats(connection: &AsyncPgConnection, changes: &Changes) -> QueryResult<bool> {
    if changes.moves.is_empty() {
        return Ok(true);
    }
    let moves: Vec<_> = changes.moves.values().cloned().collect();
    let changed = seats::change(connection, &moves).await?;
    Ok(changed.len() == moves.len())
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

async fn write_rest(connection: &AsyncPgConnection, changes: &Changes) -> QueryResult<bool> {
    let Changes {
        new_bookings,
        changed_bookings,
        keys,
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
    if !keys.is_empty() {
        idempotency_keys::insert_all(connection, keys.iter().cloned()).await?;
    }
    Ok(true)
}
