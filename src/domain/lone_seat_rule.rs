//! The rule of an event against leaving a single seat alone, judged on the rows as they
//! are inside the transaction.
//!
//! Two buyers in one row who each leave two seats between them would together leave
//! one or none: neither sees what the other has not committed. Where the rule is
//! enforced they take turns at the row; with SERIALIZABLE transactions one of them is
//! sent back.

use crate::config::Concurrency;
use crate::db::advisory_locks;
use crate::db::seats::{self, FromState, SeatState};
use crate::domain::event_view::EventView;
use crate::domain::seating::lone_seats;
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::OrphanRule;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use std::collections::HashSet;
use std::sync::Arc;

/// What somebody is about to do in the rows of an event.
#[derive(Clone, Copy, Debug)]
pub struct Seating<'a> {
    /// The seats to take.
    pub taken: &'a [SeatNo],
    /// Seats that the same party has already: judged with those that it takes in the
    /// same rows.
    pub own: &'a [SeatNo],
    /// Seats that it gives back.
    pub given: &'a [SeatNo],
}

/// The event does not allow to leave seats alone.
#[derive(Debug)]
pub struct LeftAlone {
    /// The event.
    pub event: Arc<EventView>,
    /// The seats, as they are.
    pub seats: Vec<SeatState>,
}

/// Takes turns with whoever else is at the rows of these seats, where the rule is
/// enforced. Rows are locked before their seats: to be asked before one is taken.
///
/// # Errors
/// When the database fails.
pub async fn turn(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    event: &EventView,
    taken: &[SeatNo],
) -> QueryResult<()> {
    let is_enforced = event.event.orphan_rule == OrphanRule::Enforce;
    if !is_enforced || concurrency == Concurrency::Serializable {
        return Ok(());
    }
    let rows = numbers(&event.plan.rows_of(taken));
    if !rows.is_empty() {
        advisory_locks::lock_rows(connection, event.event.id, &rows).await?;
    }
    Ok(())
}

/// The seats that are left alone though their row has a better way, ascending; none
/// when the event has no such rule. It makes no difference whether the seats are taken
/// already, if it is the caller's [turn].
///
/// # Errors
/// When the database fails.
pub async fn broken_by(
    connection: &mut AsyncPgConnection,
    event: &EventView,
    seating: Seating<'_>,
) -> QueryResult<Vec<SeatNo>> {
    if event.event.orphan_rule == OrphanRule::Off {
        return Ok(Vec::new());
    }
    let rows = event.plan.rows_of(seating.taken);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let id = event.event.id;
    let seats = event.plan.seats_of_rows(&rows);
    let free = seats::load_in(connection, id, &seats, FromState::Takeable).await?;
    let free: HashSet<SeatNo> = free.iter().map(|seat| seat.seat_no).collect();
    let is_free = |seat: SeatNo| free.contains(&seat) || seating.given.contains(&seat);
    let mut party = seating.taken.to_vec();
    party.extend(seating.own.iter().filter(|seat| seats.contains(seat)));
    Ok(lone_seats::broken_by(&event.plan, is_free, &party))
}

/// Lets pass unless the event enforces the rule and these seats would be left `alone`.
///
/// # Errors
/// When the database fails.
pub async fn require_allowed(
    connection: &mut AsyncPgConnection,
    event: &Arc<EventView>,
    alone: &[SeatNo],
) -> QueryResult<Result<(), LeftAlone>> {
    if event.event.orphan_rule != OrphanRule::Enforce || alone.is_empty() {
        return Ok(Ok(()));
    }
    let seats = states(connection, event.event.id, alone).await?;
    let event = Arc::clone(event);
    Ok(Err(LeftAlone { event, seats }))
}

/// The seats that were left alone, as they are now.
///
/// # Errors
/// When the database fails.
pub async fn states(
    connection: &mut AsyncPgConnection,
    event: EventId,
    alone: &[SeatNo],
) -> QueryResult<Vec<SeatState>> {
    if alone.is_empty() {
        return Ok(Vec::new());
    }
    seats::load(connection, event, alone).await
}

/// Whether these seats can be judged at once: no other transaction is at their rows,
/// and from now on none will be until this one ends. Always so where the database
/// itself sends one of two back.
///
/// # Errors
/// When the database fails.
pub async fn try_turn(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    event: &EventView,
    taken: &[SeatNo],
) -> QueryResult<bool> {
    if concurrency == Concurrency::Serializable {
        return Ok(true);
    }
    let rows = numbers(&event.plan.rows_of(taken));
    advisory_locks::try_lock_rows(connection, event.event.id, &rows).await
}

/// A plan has fewer rows than a number has values.
fn numbers(rows: &[usize]) -> Vec<i32> {
    rows.iter()
        .map(|row| i32::try_from(*row).unwrap_or(i32::MAX))
        .collect()
}
